"""What every head promises. Each function is a promise, as `mtk.testing.check.Promise` says.

A head is built and called as the model does it: by the names of its arguments, with labels in training and without them in
a prediction.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from math import prod
from typing import Any, NamedTuple

import torch
from hypothesis import strategies as st
from safetensors.torch import load, save
from torch import Tensor, nn

from mtk.calling.arguments import named
from mtk.calling.failures import failures
from mtk.errors import MtkError
from mtk.head import Encoding, Head
from mtk.kind import Kind, Level
from mtk.task import Task
from mtk.testing.check import Check, Subject
from mtk.testing.processes import elsewhere, reachable
from mtk.testing.randomness import global_generators
from mtk.testing.tasks import kind_of, task_of

WIDTH = 96  # which 2, 3, 4, 6, 8, 12 and 16 attention heads divide
PADDINGS = (3, 40)  # positions that a batch is padded further by
_EACH = ("first", "second", "joint")
READINGS = {"joint": ("first",), "separate": _EACH[:2], "both": _EACH, "pretrained": _EACH}  # of a pair

Encodings = Mapping[str, Encoding]
"""What a head gets of a batch, by the names of `forward`."""


@dataclass(frozen=True)
class Texts:
    """A batch of one text each, or of a pair each, made of `seed`. The texts have `lengths` tokens, whose states are
    `scale` large."""

    kind: Kind
    pair: bool
    lengths: tuple[int, ...]
    seed: int
    scale: float = 1.0

    @property
    def task(self) -> Task:
        """One whose name would do for a file and not for a parameter."""
        return task_of(self.kind, pair=self.pair)

    @property
    def labels(self) -> Tensor:
        """As the task's loss gets them, [batch]; of each token [batch, length]."""
        values = int(self.kind.range[1]) if self.kind.range else len(self.kind.labels)
        shape = (len(self.lengths), max(self.lengths)) if self.kind.level == "token" else (len(self.lengths),)
        return torch.arange(self.seed, self.seed + prod(shape)).remainder(values).float().view(shape)

    def __str__(self) -> str:
        what = "a pair" if self.pair else "one text"
        lengths = [*map(str, self.lengths[:4]), *(["…"] if len(self.lengths) > 4 else [])]
        batch = f" ({len(self.lengths)} of them)" if len(self.lengths) > 4 else ""
        scale = f", states of scale {self.scale:g}" if self.scale != 1 else ""
        return f"{what} of a {self.kind} task, {', '.join(lengths)} tokens long{batch}, seed {self.seed}{scale}"


def _kinds(level: Level) -> list[Kind]:
    """Those of a level that differ to a head: in the number of logits, and in having labels or none."""
    if level == "token":
        return [kind_of("tokens", tuple(f"label-{number}" for number in range(count))) for count in (2, 5, 77)]
    several = (kind_of("classification", tuple(f"label {number}" for number in range(count))) for count in (2, 3, 5, 77))
    return [kind_of("binary"), kind_of("regression", range=(0, 5)), *several]


def _texts(
    level: Level, *, batch: int = 1, long: bool = False, large: bool = False, scales: Sequence[float] = (1.0,)
) -> st.SearchStrategy[Texts]:
    """Batches of at least `batch` examples of a few tokens; now and then a `long` text, or a `large` batch."""
    lengths = st.lists(st.integers(1, 6), min_size=batch, max_size=4).map(tuple)
    if unusual := [(1, 512)] * long + [(3, 1, 2) * 32] * large:
        lengths = st.one_of(lengths, lengths, lengths, st.sampled_from(unusual))
    pairs = st.booleans() if level == "text" else st.just(False)
    return st.builds(
        Texts, st.sampled_from(_kinds(level)), pairs, lengths, st.integers(0, 99), st.sampled_from(list(scales))
    )


# In a prediction --------------------------------------------------------------------------------------------------------


def shape(subject: Subject, texts: Texts) -> str | None:
    """Logits have the shape [batch, outputs] for every kind of task, for one text and for a pair, one token and 512, one
    example and many, or [batch, length, outputs] of the level "token"; in the precision of the states."""
    given = logits(built(subject, texts), encoded(subject, texts))
    length = (max(texts.lengths),) if texts.kind.level == "token" else ()
    due = (len(texts.lengths), *length, texts.kind.outputs)
    if given.shape != due:
        return f"logits of shape {list(given.shape)} instead of {list(due)}"
    return None if given.dtype == torch.float32 else f"{given.dtype} logits from torch.float32 states"


def finite(subject: Subject, texts: Texts) -> str | None:
    """Logits and gradients are finite for the states of any encoder, small ones and large."""
    given = logits(built(subject, texts), encoded(subject, texts))
    if not given.isfinite().all():
        return f"logits {_shown(given)}"
    trained = _trained(subject, texts)
    if trained and trained.total.requires_grad:
        trained.total.backward()
        gradients = {**dict(trained.head.named_parameters()), **trained.leaves}
        unfit = [name for name, t in gradients.items() if t.grad is not None and not t.grad.isfinite().all()]
        return f"a gradient that is not finite for {', '.join(unfit)}" if unfit else None
    return None


def padding(subject: Subject, texts: Texts) -> str | None:
    """Padding, and what an encoder leaves there, changes no logit, and in training no loss of the head's own either."""
    short = encoded(subject, texts)
    for extra in PADDINGS:
        long = _padded(short, extra, texts.seed + 1)
        head = built(subject, texts)
        if seen := _same(logits(head, short), logits(head, long), f"{extra} more positions of padding"):
            return seen
        if len(texts.lengths) > 1:
            with _silent():
                _without_dropout(head.train())
                before, again, after = (_all_of(head, e, texts, seed) for e, seed in ((short, 0), (short, 1), (long, 0)))
                if not _equal(before, again):
                    return None  # random of its own accord: its draws may depend on the length
                for name, given in before.items():
                    if seen := _same(given, after[name], f"{extra} more positions of padding in train mode", name):
                        return seen
    return None


def batch_order(subject: Subject, texts: Texts) -> str | None:
    """The order of a batch is the order of its logits, and changes none of them."""
    head, encodings = built(subject, texts), encoded(subject, texts)
    backwards = {name: Encoding(*(tensor.flip(0) for tensor in e)) for name, e in encodings.items()}
    return _same(logits(head, encodings), logits(head, backwards).flip(0), "the batch backwards")


def no_leak(subject: Subject, texts: Texts) -> str | None:
    """In a prediction an example's logits do not depend on the other examples of its batch."""
    head, mine, yours = built(subject, texts), encoded(subject, texts), encoded(subject, texts, seed=texts.seed + 1)
    others = {
        name: Encoding(*(torch.cat([ours[:1], theirs[1:]]) for ours, theirs in zip(mine[name], yours[name], strict=True)))
        for name in mine
    }
    return _same(logits(head, mine)[:1], logits(head, others)[:1], "other texts beside the first")


def evaluation(subject: Subject, texts: Texts) -> str | None:
    """In eval mode a head is deterministic, draws no random number, and nothing is left of what it predicted before."""
    head, encodings = built(subject, texts), encoded(subject, texts)
    before = logits(head, encodings)
    if seen := _same(before, logits(head, encodings, seed=1), "the same batch again", tolerance=0):
        return seen
    logits(head, encoded(subject, texts, seed=texts.seed + 1))
    with _seeded(0):
        state = torch.default_generator.get_state()
        after = _without_padding(_parted(_forward(head, encodings))[0].detach(), encodings["first"].mask)
        if not torch.equal(state, torch.default_generator.get_state()):
            return "torch's random generator moved"
    return _same(before, after, "another batch in between", tolerance=0)


def inputs_kept(subject: Subject, texts: Texts) -> str | None:
    """The encodings it is given stay as they are: other heads read them too, and the encoder's backward pass."""
    for training in (False, True):
        encodings = encoded(subject, texts)
        before = {name: Encoding(*(tensor.clone() for tensor in e)) for name, e in encodings.items()}
        if training:
            with _silent():
                _all_of(built(subject, texts).train(), encodings, texts)
        else:
            logits(built(subject, texts), encodings)
        for name, encoding in encodings.items():
            for field, old, new in zip(Encoding._fields, before[name], encoding, strict=True):
                if not torch.equal(old, new):
                    return f"{name}.{field} was changed"
    return None


# In training ------------------------------------------------------------------------------------------------------------


def training(subject: Subject, texts: Texts) -> str | None:
    """In train mode, with labels, logits have the shape of a prediction's and a gradient goes back from them, for two
    examples, the fewest that a run trains on, and for many; a forward pass changes no parameter."""
    head = built(subject, texts)
    due = logits(head, encoded(subject, texts)).shape
    before = {name: parameter.detach().clone() for name, parameter in head.named_parameters()}
    trained = trained_by(head.train(), subject, texts)
    if not isinstance(trained.logits, Tensor) or trained.logits.shape != due:
        shape = list(trained.logits.shape) if isinstance(trained.logits, Tensor) else type(trained.logits).__name__
        return f"logits of shape {shape} in train mode, and {list(due)} in a prediction"
    if trained.logits.requires_grad:  # else `gradients` speaks of it
        trained.total.backward()
    moved = [name for name, parameter in head.named_parameters() if not torch.equal(parameter, before[name])]
    return f"a forward pass changed {', '.join(moved)}" if moved else None


def own_losses(subject: Subject, texts: Texts) -> str | None:
    """Losses of its own come in a dict, by name; each is a finite scalar that a gradient can flow back from."""
    head = built(subject, texts).train()
    with _silent(), _seeded(0):
        given = _forward(head, _encoded_with_graph(subject, texts)[0], texts.labels)
        if isinstance(given, tuple) and not (len(given) == 2 and isinstance(given[1], dict)):
            return f"a tuple of {', '.join(type(part).__name__ for part in given)} instead of logits and a dict"
        for name, value in _parted(given)[1].items():
            if not isinstance(name, str):
                return f"a loss named {name!r}"
            if not isinstance(value, Tensor) or value.shape != ():
                what = f"of shape {list(value.shape)}" if isinstance(value, Tensor) else f"that is a {type(value).__name__}"
                return f"a loss '{name}' {what}"
            if not value.isfinite():
                return f"a loss '{name}' that is {value.item()}"
            if not value.requires_grad:
                return f"a loss '{name}' that no gradient can flow back from"
    return None


def gradients(subject: Subject, texts: Texts) -> str | None:
    """In training every parameter gets a gradient, and so does the encoder, through each text that it reads for the head."""
    trained = _trained(subject, texts)
    if trained is None:
        return None
    if not trained.logits.requires_grad:
        return "logits that no gradient can flow back from"
    _weighed(trained.logits).backward(retain_graph=True)
    cut = [name for name, tokens in trained.leaves.items() if tokens.grad is None or not tokens.grad.any()]
    if cut:
        return f"no gradient from the logits for the encoder through {', '.join(cut)}"
    trained.total.backward()
    parameters = trained.head.named_parameters()
    without = [name for name, parameter in parameters if parameter.requires_grad and parameter.grad is None]
    return f"no gradient for {', '.join(without)}" if without else None


def bfloat16(subject: Subject, texts: Texts) -> str | None:
    """Under bf16 autocast a head runs forward and backward on bf16 and fp32 states, with logits near those of fp32."""
    head, encodings = built(subject, texts), encoded(subject, texts)
    exact = logits(head, encodings).float()
    for dtype in (torch.bfloat16, torch.float32):
        states = {name: Encoding(e.tokens.to(dtype), e.mask, e.embedding.to(dtype)) for name, e in encodings.items()}
        with torch.autocast("cpu", torch.bfloat16):
            rough = logits(head, states).float()
            trained = _trained(subject, texts, dtype)
            if trained and trained.logits.requires_grad:
                trained.total.backward()
        if seen := _same(exact, rough, f"bf16 autocast and {dtype} states", tolerance=0.1):
            return seen
    return None


def saving(subject: Subject, texts: Texts) -> str | None:
    """What safetensors saves of a head that has trained, and a fresh one loads, is all there is to know: the same logits."""
    head, encodings = built(subject, texts).train(), encoded(subject, texts)
    with _silent():
        _all_of(head, encodings, texts)
    head.eval()
    fresh = built(subject, texts, seed=1)
    fresh.load_state_dict(load(save(head.state_dict())))
    return _same(logits(head, encodings), logits(fresh, encodings), "a fresh head with the saved state")


def same_seed(subject: Subject, texts: Texts) -> str | None:
    """The seed of torch's generator decides the parameters and what a step in train mode gives: global generators of Python
    and NumPy neither matter nor move, and no other head does."""
    results: list[dict[str, list[float]]] = []
    for seed in (0, 1):
        with global_generators(seed) as moved, _silent():
            results.append(_outcome(subject, texts))
            if seen := moved():
                return seen
    if len(results) < 2:
        return None  # it fails, and others speak of that
    return _differing(results[0], results[1], "the second time")


def any_process(subject: Subject, texts: Texts) -> str | None:
    """The same seed gives the same in another process, where strings hash otherwise and sets have another order."""
    with _silent():
        here = outcome(subject, texts)
        there, why = elsewhere(outcome, subject, texts)
        return f"in another process {why}" if why else _differing(here, there, "in another process")
    return None


def device(subject: Subject, texts: Texts) -> str | None:
    """Every tensor that a head makes lies where the states do."""
    for training in (False, True):
        head = built(subject, texts).train(training).to("meta")  # a device without values
        encodings = {name: Encoding(*(t.to("meta") for t in e)) for name, e in encoded(subject, texts).items()}
        labels = texts.labels.to("meta") if training else None
        try:
            given, _ = _parted(_forward(head, encodings, labels))
        except RuntimeError as error:
            if "device" in str(error) and not isinstance(error, NotImplementedError):  # which one that reads a value meets
                return subject.failed(error)
        except failures():
            pass  # other promises speak of that
        else:
            if isinstance(given, Tensor) and not given.is_meta:
                return f"logits on {given.device}, and the states are on {encodings['first'].tokens.device}"
    return None


def checks(subject: Subject) -> list[Check]:
    texts = partial(_texts, subject.component.level)
    several = texts(batch=2)
    found = [
        Check(subject, shape, texts(long=True, large=True)),
        Check(subject, finite, texts(scales=(1.0, 1e-3, 1e3))),
        Check(subject, padding, texts(), tries=10),
        Check(subject, batch_order, texts(batch=2, large=True)),
        Check(subject, no_leak, texts(batch=2, large=True)),
        Check(subject, evaluation, texts()),
        Check(subject, inputs_kept, several, tries=10),
        Check(subject, training, texts(batch=2, long=True, large=True)),
        Check(subject, own_losses, texts(batch=2, scales=(1.0, 1e-3, 1e3))),
        Check(subject, gradients, several),
        Check(subject, bfloat16, several),
        Check(subject, saving, several),
        Check(subject, same_seed, several, tries=10),
        Check(subject, device, several, tries=10),
    ]
    if reachable(subject):
        found.append(Check(subject, any_process, several, tries=10))
    return found


# How a head is built and called -------------------------------------------------------------------------------------------


class Trained(NamedTuple):
    """A forward pass in train mode."""

    head: Head
    logits: Tensor
    own: dict[str, Tensor]
    leaves: dict[str, Tensor]  # the states behind each encoding, where the gradient for the encoder arrives

    @property
    def total(self) -> Tensor:
        """What is trained: the logits, in place of the task's loss, and the head's own losses."""
        return sum((value.float().mean() for value in self.own.values()), _weighed(self.logits))


def built(subject: Subject, texts: Texts, seed: int = 0, noise: float = 0.1) -> Head:
    """A head as the model builds it, but at a point in training: a fresh one may start at zero and show nothing."""
    with _seeded(seed):
        inputs = len(_readings(subject, texts))
        head: Head = subject.build(width=WIDTH, outputs=texts.kind.outputs, inputs=inputs, task=texts.task)
        with torch.no_grad():
            for parameter in head.parameters():
                parameter.add_(torch.randn_like(parameter), alpha=noise)
    return head.eval()


def encoded(subject: Subject, texts: Texts, seed: int | None = None) -> dict[str, Encoding]:
    """What the head gets of a batch. As from a real encoder, what stands at padding is not zero."""
    return {name: _encoding(*_states(texts, name, seed)) for name in _readings(subject, texts)}


def logits(head: Head, encodings: Encodings, seed: int = 0) -> Tensor:
    """Those of a batch in a prediction; what is random in them is drawn from `seed`."""
    with torch.no_grad(), _seeded(seed):
        given: Any = _parted(_forward(head, encodings))[0]
    if not isinstance(given, Tensor):
        raise TypeError(f"forward returned a {type(given).__name__}")
    return _without_padding(given, encodings["first"].mask)


def trained_by(head: Head, subject: Subject, texts: Texts, dtype: torch.dtype = torch.float32) -> Trained:
    """A forward pass of a head with labels, from states that keep a graph as an encoder's do."""
    encodings, leaves = _encoded_with_graph(subject, texts, dtype)
    with _seeded(0):
        return Trained(head, *_parted(_forward(head, encodings, texts.labels)), leaves)


def outcome(subject: Subject, texts: Texts) -> dict[str, list[float]]:
    """What a fresh head holds, and gives in train mode, with the global generators where they always are."""
    with global_generators(0):
        return _outcome(subject, texts)


def _outcome(subject: Subject, texts: Texts) -> dict[str, list[float]]:
    head = built(subject, texts, noise=0).train()
    held = {f"the parameter {name}": _fingerprint(value) for name, value in head.named_parameters()}
    return held | {name: value.flatten().tolist() for name, value in _all_of(head, encoded(subject, texts), texts).items()}


def _readings(subject: Subject, texts: Texts) -> tuple[str, ...]:
    return READINGS[subject.component.pair_encoding] if texts.pair else ("first",)


def _states(texts: Texts, reading: str, seed: int | None = None) -> tuple[Tensor, Tensor]:
    """Token states [batch, length, width] and mask of one reading. The second text of the first example is as long as the
    first text of the last."""
    number = ("first", "second", "joint").index(reading)
    back = texts.lengths[::-1]
    together = tuple(one + other for one, other in zip(texts.lengths, back, strict=True))
    lengths = (texts.lengths, back, together)[number]
    noise = _noise(3 * (texts.seed if seed is None else seed) + number, len(lengths), max(lengths), WIDTH)
    return noise * texts.scale, (torch.arange(max(lengths)) < torch.tensor(lengths).unsqueeze(1)).long()


def _encoding(tokens: Tensor, mask: Tensor) -> Encoding:
    weights = mask.unsqueeze(-1).to(tokens.dtype)
    return Encoding(tokens, mask, (tokens * weights).sum(dim=1) / weights.sum(dim=1))


def _encoded_with_graph(
    subject: Subject, texts: Texts, dtype: torch.dtype = torch.float32
) -> tuple[dict[str, Encoding], dict[str, Tensor]]:
    """What the head gets of a batch in training, and the states whose graph goes back to the encoder that is trained."""
    encodings, leaves = {}, {}
    for name in _readings(subject, texts):
        tokens, mask = _states(texts, name)
        states = tokens.to(dtype)
        if name == "joint" or not texts.pair or subject.component.pair_encoding != "pretrained":
            states = leaves[name] = states.requires_grad_()
        encodings[name] = _encoding(states * 1, mask)
    return encodings, leaves


def _padded(encodings: Encodings, extra: int, seed: int) -> dict[str, Encoding]:
    """The same, with other states at padding, and more of it."""
    padded = {}
    for number, (name, (tokens, mask, embedding)) in enumerate(encodings.items()):
        count, length, width = tokens.shape
        noise = 100 * _noise(seed + number, count, length + extra, width)
        longer = nn.functional.pad(mask, (0, extra))
        kept = nn.functional.pad(tokens, (0, 0, 0, extra))
        padded[name] = Encoding(torch.where(longer.unsqueeze(-1).bool(), kept, noise), longer, embedding)
    return padded


def _forward(head: Head, encodings: Encodings, labels: Tensor | None = None) -> Any:
    offered: dict[str, Any] = {"first": None, "second": None, "joint": None, **encodings, "labels": labels}
    return head(**named(type(head).forward, offered))


def _parted(given: Any) -> tuple[Any, dict[str, Any]]:
    """Logits, and losses of the head's own, if there are any."""
    if isinstance(given, tuple) and given:
        return given[0], given[1] if len(given) == 2 and isinstance(given[1], dict) else {}
    return given, {}


def _all_of(head: Head, encodings: Encodings, texts: Texts | None, seed: int = 0) -> dict[str, Tensor]:
    """Logits and losses, without a graph; with the labels of `texts` in training."""
    with torch.no_grad(), _seeded(seed):
        given, own = _parted(_forward(head, encodings, None if texts is None else texts.labels))
    if isinstance(given, Tensor):
        given = _without_padding(given, encodings["first"].mask)
    return {"logits": given, **{f"loss {name}": value for name, value in own.items()}}


def _without_padding(logits: Tensor, mask: Tensor) -> Tensor:
    """The same, but that those of each token [batch, length, outputs] end with the longest text, and are 0 at padding."""
    if logits.ndim < 3 or logits.shape[:2] != mask.shape or logits.is_meta:
        return logits
    return logits.masked_fill(mask.unsqueeze(-1) == 0, 0)[:, : int(mask.sum(dim=1).max())]


def _trained(subject: Subject, texts: Texts, dtype: torch.dtype = torch.float32) -> Trained | None:
    """A forward pass in train mode; None if it fails or gives no tensor: `training` and `own_losses` speak of that."""
    with _silent():
        trained = trained_by(built(subject, texts).train(), subject, texts, dtype)
        if all(isinstance(value, Tensor) and value.numel() for value in (trained.logits, *trained.own.values())):
            return trained
    return None


def _without_dropout(head: Head) -> Head:
    """Its dropout as in eval mode, so that what is left of train mode can be compared."""
    for module in head.modules():
        if "Dropout" in type(module).__name__:
            module.eval()
    return head


def _weighed(logits: Tensor) -> Tensor:
    """A sum of the logits in which each counts differently, so that none cancels another, as those of a softmax do."""
    return (logits.float() * torch.linspace(1, 2, logits.numel()).view(logits.shape)).sum()


def _fingerprint(tensor: Tensor) -> list[float]:
    """Numbers that another order of its values would change."""
    values = tensor.detach().double().flatten()
    return [values.sum().item(), (values * torch.arange(len(values)).cos()).sum().item()]


def _noise(seed: int, *shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        yield


@contextmanager
def _silent() -> Iterator[None]:
    """Where a failure is none of this promise's: another one speaks of it."""
    try:
        yield
    except MtkError:
        raise
    except failures():
        pass


def _equal(before: Mapping[str, Tensor], after: Mapping[str, Tensor]) -> bool:
    return all(torch.equal(value, after[name]) for name, value in before.items())


def _differing(before: Mapping[str, list[float]], after: Mapping[str, list[float]], when: str) -> str | None:
    if before.keys() != after.keys():
        return f"{', '.join(before)}, and {when} {', '.join(after)}"
    for name, values in before.items():
        if seen := _same(torch.tensor(values), torch.tensor(after[name]), when, name, tolerance=1e-4):
            return seen
    return None


def _same(before: Tensor, after: Tensor, change: str, name: str = "logits", tolerance: float = 1e-3) -> str | None:
    """What is seen where two differ. Two that are not finite count as the same: `finite` speaks of them."""
    room = tolerance * (1 + before.nan_to_num(0, 0, 0).abs().max().item())
    if before.shape == after.shape and torch.allclose(before, after, rtol=0, atol=room, equal_nan=True):
        return None
    change = change if change.startswith(("the second", "in another")) else f"with {change}"
    return f"{name} {_shown(before)} became {_shown(after)} {change}"


def _shown(values: Tensor) -> str:
    shown = str([[round(n, 3) for n in row] for row in values.tolist()] if values.ndim == 2 else values.tolist())
    return shown if len(shown) <= 300 else f"{shown[:300]}…"
