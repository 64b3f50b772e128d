"""What every head promises. Each function is a promise, as `mtk.testing.check.Promise` says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from hypothesis import strategies as st
from safetensors.torch import load, save
from torch import Tensor

from mtk.head import Encoding, Head
from mtk.task import Binary, Classification, Kind, Regression
from mtk.testing.check import Check, Subject

WIDTH = 96  # which 2, 3, 4, 6, 8, 12 and 16 attention heads divide
PADDING = 3  # positions that a batch is padded further by


@dataclass(frozen=True)
class Texts:
    """A batch of one text each, or of a pair each, made of `seed`. The texts have `lengths` tokens."""

    kind: Kind
    pair: bool
    lengths: tuple[int, ...]
    seed: int

    def __str__(self) -> str:
        what = "a pair" if self.pair else "one text"
        return f"{what} of a {self.kind} task, {', '.join(map(str, self.lengths))} tokens long, seed {self.seed}"


_KINDS: tuple[Kind, ...] = (
    Binary(),
    Regression(0, 5),
    *(Classification(tuple("abcde"[:count])) for count in (2, 3, 5)),
)


def texts(*, batch: int = 1) -> st.SearchStrategy[Texts]:
    """Batches of at least `batch` examples."""
    lengths = st.lists(st.integers(1, 6), min_size=batch, max_size=4).map(tuple)
    return st.builds(Texts, st.sampled_from(_KINDS), st.booleans(), lengths, st.integers(0, 99))


def shape(subject: Subject, texts: Texts) -> str | None:
    """Logits have the shape [batch, outputs] for every kind of task, for one text and for a pair."""
    if subject.component.pair_encoding not in ("joint", "separate"):
        return f"pair_encoding is {subject.component.pair_encoding!r}, not 'joint' or 'separate'"
    given = logits(built(subject, texts), encoded(subject, texts))
    if not isinstance(given, Tensor):
        return f"forward returned a {type(given).__name__}"
    due = (len(texts.lengths), texts.kind.outputs)
    return None if given.shape == due else f"logits of shape {list(given.shape)} instead of {list(due)}"


def finite(subject: Subject, texts: Texts) -> str | None:
    """Logits are finite for the states of any encoder."""
    given = logits(built(subject, texts), encoded(subject, texts))
    return None if given.isfinite().all() else f"logits {_shown(given)}"


def padding(subject: Subject, texts: Texts) -> str | None:
    """Padding, and what an encoder leaves there, changes no logit."""
    head, short = built(subject, texts), encoded(subject, texts)
    extra = _noise(texts.seed + 1, len(texts.lengths), PADDING, WIDTH)
    long = [
        Encoding(torch.cat([e.tokens, extra], dim=1), torch.nn.functional.pad(e.mask, (0, PADDING)), e.embedding)
        for e in short
    ]
    return _same(logits(head, short), logits(head, long), f"{PADDING} more positions of padding")


def batch_order(subject: Subject, texts: Texts) -> str | None:
    """The order of a batch is the order of its logits, and changes none of them."""
    head, encodings = built(subject, texts), encoded(subject, texts)
    backwards = [Encoding(*(tensor.flip(0) for tensor in e)) for e in encodings]
    return _same(logits(head, encodings), logits(head, backwards).flip(0), "the batch backwards")


def no_leak(subject: Subject, texts: Texts) -> str | None:
    """An example's logits do not depend on the other examples of its batch."""
    head, encodings = built(subject, texts), encoded(subject, texts)
    others = [
        Encoding(*(torch.cat([ours[:1], theirs[1:]]) for ours, theirs in zip(mine, yours, strict=True)))
        for mine, yours in zip(encodings, encoded(subject, texts, seed=texts.seed + 1), strict=True)
    ]
    return _same(logits(head, encodings)[:1], logits(head, others)[:1], "other texts beside the first")


def gradients(subject: Subject, texts: Texts) -> str | None:
    """The loss of a task gives every parameter a gradient."""
    head = built(subject, texts)
    given = head(*encoded(subject, texts))
    if not given.requires_grad:
        return "logits that no gradient can flow back from"
    given.sum().backward()
    without = [name for name, parameter in head.named_parameters() if parameter.requires_grad and parameter.grad is None]
    return f"no gradient for {', '.join(without)}" if without else None


def bfloat16(subject: Subject, texts: Texts) -> str | None:
    """Under bf16 autocast a head runs forward and backward on bf16 and fp32 states, with logits near those of fp32."""
    head, encodings = built(subject, texts), encoded(subject, texts)
    exact = logits(head, encodings)
    for dtype in (torch.bfloat16, torch.float32):
        states = [Encoding(e.tokens.to(dtype), e.mask, e.embedding.to(dtype)) for e in encodings]
        with torch.autocast("cpu", torch.bfloat16):
            rough = logits(head, states).float()
            loss = head(*states).float().sum()
        loss.backward()
        if seen := _same(exact, rough, f"bf16 autocast and {dtype} states", tolerance=0.1):
            return seen
    return None


def saving(subject: Subject, texts: Texts) -> str | None:
    """What safetensors saves of a head and a fresh one loads is all there is to know: the same logits."""
    head, encodings = built(subject, texts), encoded(subject, texts)
    fresh = built(subject, texts, seed=1)
    fresh.load_state_dict(load(save(head.state_dict())))
    return _same(logits(head, encodings), logits(fresh, encodings), "a fresh head with the saved state")


def evaluation(subject: Subject, texts: Texts) -> str | None:
    """In eval mode a head is deterministic."""
    head, encodings = built(subject, texts), encoded(subject, texts)
    return _same(logits(head, encodings), logits(head, encodings, seed=1), "the same batch again", tolerance=0)


def checks(subject: Subject) -> list[Check]:
    several = texts(batch=2)
    return [
        Check(subject, shape, texts()),
        Check(subject, finite, texts()),
        Check(subject, padding, texts()),
        Check(subject, batch_order, several),
        Check(subject, no_leak, several),
        Check(subject, gradients, several),
        Check(subject, bfloat16, texts()),
        Check(subject, saving, texts()),
        Check(subject, evaluation, texts()),
    ]


def built(subject: Subject, texts: Texts, seed: int = 0) -> Head:
    """A head as the model builds it, but at a point in training: a fresh one may start at zero and show nothing."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        head: Head = subject.build(WIDTH, texts.kind.outputs, _inputs(subject, texts))
        with torch.no_grad():
            for parameter in head.parameters():
                parameter.add_(torch.randn_like(parameter), alpha=0.1)
    return head.eval()


def encoded(subject: Subject, texts: Texts, seed: int | None = None) -> list[Encoding]:
    """What the head gets of a batch. As from a real encoder, what stands at padding is not zero."""
    seed, count, longest = texts.seed if seed is None else seed, len(texts.lengths), max(texts.lengths)
    encodings = []
    for text, lengths in enumerate((texts.lengths, texts.lengths[::-1])[: _inputs(subject, texts)]):
        tokens = _noise(2 * seed + text, count, longest, WIDTH)
        mask = (torch.arange(longest) < torch.tensor(lengths).unsqueeze(1)).long()
        mean = (tokens * mask.unsqueeze(-1)).sum(dim=1) / mask.sum(dim=1, keepdim=True)
        encodings.append(Encoding(tokens, mask, mean))
    return encodings


def logits(head: Head, encodings: Sequence[Encoding], seed: int = 0) -> Tensor:
    """Those of a batch; what is random in them is drawn from `seed`."""
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        given: Tensor = head(*encodings)
    return given


def _inputs(subject: Subject, texts: Texts) -> int:
    return 2 if texts.pair and subject.component.pair_encoding == "separate" else 1


def _noise(seed: int, *shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def _same(before: Tensor, after: Tensor, change: str, tolerance: float = 1e-3) -> str | None:
    """What is seen where two logits differ. Two that are not finite count as the same: `finite` speaks of them."""
    room = tolerance * (1 + before.nan_to_num(0, 0, 0).abs().max().item())
    if before.shape == after.shape and torch.allclose(before, after, rtol=0, atol=room, equal_nan=True):
        return None
    return f"logits {_shown(before)} became {_shown(after)} with {change}"


def _shown(logits: Tensor) -> str:
    return str([[round(value, 3) for value in row] for row in logits.tolist()] if logits.ndim == 2 else logits.tolist())
