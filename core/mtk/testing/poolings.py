"""What every pooling promises. Each function is a promise, as `mtk.testing.check.Promise` says.

A pooling is built and called as the encoder does it: by the names of its arguments.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from hypothesis import strategies as st
from safetensors.torch import load, save
from torch import Tensor, nn

from mtk.calling.arguments import named
from mtk.testing.check import Check, Subject

WIDTH, LAYERS = 24, 13  # those of twelve blocks, and of the embeddings before them
NOISE = 1e4  # what padding holds


@dataclass(frozen=True)
class Sequences:
    """A batch of sequences with so many tokens each, whose states are made of `seed`."""

    lengths: tuple[int, ...]
    seed: int

    def __str__(self) -> str:
        lengths = ", ".join(map(str, self.lengths[:4])) + (", …" if len(self.lengths) > 4 else "")
        return f"sequences of {lengths} tokens, seed {self.seed}"


def sequences(*, batch: int = 1, long: bool = False) -> st.SearchStrategy[Sequences]:
    """Batches of at least `batch` sequences of a few tokens; now and then a `long` one."""
    some = st.lists(st.integers(1, 6), min_size=batch, max_size=4).map(tuple)
    return st.builds(Sequences, st.one_of(some, some, st.just((1, 512))) if long else some, st.integers(0, 99))


def shape(subject: Subject, given: Sequences) -> str | None:
    """Embeddings are finite and have the shape [batch, width], for one token and 512, for one sequence and several."""
    embeddings = pooled(built(subject), states(given))
    due = [len(given.lengths), WIDTH]
    if list(embeddings.shape) != due:
        return f"embeddings of shape {list(embeddings.shape)} instead of {due}"
    return None if embeddings.isfinite().all() else f"embeddings {_shown(embeddings)}"


def padding(subject: Subject, given: Sequences) -> str | None:
    """Padding, and what an encoder leaves there, changes no embedding."""
    pooling = built(subject)
    short, long = states(given), states(given, further=7)
    return _same(pooled(pooling, short), pooled(pooling, long), "7 more positions of padding")


def no_leak(subject: Subject, given: Sequences) -> str | None:
    """An embedding depends neither on the other sequences of the batch nor on its place there, in train mode either."""
    for training in (False, True):
        pooling = _without_dropout(built(subject)).train(training)
        whole = pooled(pooling, states(given))
        alone = pooled(pooling, {name: _each(value, lambda t: t[:1]) for name, value in states(given).items()})
        if seen := _same(whole[:1], alone, "the first sequence by itself"):
            return seen
        backwards = pooled(pooling, {name: _each(value, lambda t: t.flip(0)) for name, value in states(given).items()})
        if seen := _same(whole, backwards.flip(0), "the batch backwards"):
            return seen
    return None


def evaluation(subject: Subject, given: Sequences) -> str | None:
    """In eval mode it is deterministic, and draws no random number."""
    pooling = built(subject)
    with torch.random.fork_rng(devices=[]):
        before = torch.default_generator.get_state()
        one, other = pooled(pooling, states(given)), pooled(pooling, states(given))
        if not torch.equal(before, torch.default_generator.get_state()):
            return "torch's random generator moved"
    return None if torch.equal(one, other) else f"{_shown(one)}, then {_shown(other)}"


def inputs_kept(subject: Subject, given: Sequences) -> str | None:
    """What it is given stays as it is: heads read it too."""
    offered, before = states(given), states(given)
    pooled(built(subject), offered)
    changed = [n for n, old in before.items() if not all(map(torch.equal, _tensors(old), _tensors(offered[n])))]
    return f"`{changed[0]}` was changed" if changed else None


def gradients(subject: Subject, given: Sequences) -> str | None:
    """In training every parameter gets a finite gradient, and so does the encoder."""
    pooling, offered = built(subject).train(), states(given)
    leaves = [state.requires_grad_() for state in _tensors(offered["layers"])]
    pooled(pooling, offered).mul(torch.linspace(-1, 1, WIDTH)).sum().backward()
    reached = [leaf.grad for leaf in leaves if leaf.grad is not None]
    if not any(bool(gradient.any()) for gradient in reached):
        return "no gradient for the encoder"
    without = [name for name, p in pooling.named_parameters() if p.requires_grad and p.grad is None]
    if without:
        return f"no gradient for {', '.join(without)}"
    found = [*reached, *(p.grad for p in pooling.parameters() if p.grad is not None)]
    return None if all(bool(gradient.isfinite().all()) for gradient in found) else "a gradient that is not finite"


def half_precision(subject: Subject, given: Sequences) -> str | None:
    """On bf16 and fp16 states under autocast it gives about what it gives in fp32, and a gradient goes back."""
    pooling = built(subject)
    exact = pooled(pooling, states(given))
    for dtype in (torch.bfloat16, torch.float16):
        offered = {n: v if n == "mask" else _each(v, partial(Tensor.to, dtype=dtype)) for n, v in states(given).items()}
        leaf = offered["tokens"].requires_grad_()
        with torch.autocast("cpu", dtype):
            rough = pooled(pooling, {**offered, "layers": (*offered["layers"][:-1], leaf)})
        if seen := _same(exact, rough.float(), f"{dtype} states", tolerance=0.1):
            return seen
        rough.float().sum().backward()
    return None


def saving(subject: Subject, given: Sequences) -> str | None:
    """What safetensors saves of one, and a fresh one loads, is all there is to know: the same embeddings."""
    pooling, fresh = built(subject).train(), built(subject, seed=1)
    pooled(pooling, states(given))
    fresh.load_state_dict(load(save(pooling.state_dict())))
    return _same(pooled(pooling.eval(), states(given)), pooled(fresh, states(given)), "a fresh one with the saved state")


def device(subject: Subject, given: Sequences) -> str | None:
    """It keeps to the device of the states, and never waits for it: on torch's `meta` device nothing has a value."""
    pooling = built(subject).to("meta")
    found = pooled(pooling, {name: _each(value, lambda t: t.to("meta")) for name, value in states(given).items()})
    return None if found.is_meta else f"embeddings on {found.device}, and the states are on meta"


def checks(subject: Subject) -> list[Check]:
    several = sequences(batch=2)
    return [
        Check(subject, shape, sequences(long=True)),
        Check(subject, padding, sequences()),
        Check(subject, no_leak, several),
        Check(subject, evaluation, several),
        Check(subject, inputs_kept, several),
        Check(subject, gradients, several),
        Check(subject, half_precision, several),
        Check(subject, saving, several, tries=5),
        Check(subject, device, several, tries=5),
    ]


# How a pooling is built and called ----------------------------------------------------------------------------------------


def built(subject: Subject, seed: int = 0) -> nn.Module:
    """One in eval mode, whose parameters are not where they begin: a zero would hide what it is multiplied by."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        pooling: nn.Module = subject.build(width=WIDTH).eval()
        with torch.no_grad():
            for parameter in pooling.parameters():
                parameter.add_(0.1 * torch.randn(parameter.shape))
    return pooling


def states(given: Sequences, further: int = 0) -> dict[str, Any]:
    """What a pooling is offered, padded `further` than to the longest sequence."""
    generator = torch.Generator().manual_seed(given.seed)
    longest = max(given.lengths)
    mask = torch.arange(longest + further) < torch.tensor(given.lengths).unsqueeze(1)
    layers = []
    for _ in range(LAYERS):
        real = torch.randn(len(given.lengths), longest, WIDTH, generator=generator)
        padded = torch.cat([real, torch.zeros(len(real), further, WIDTH)], dim=1)
        layers.append(torch.where(mask.unsqueeze(-1), padded, NOISE))
    return {"tokens": layers[-1], "mask": mask.long(), "layers": tuple(layers)}


def pooled(pooling: nn.Module, offered: dict[str, Any]) -> Tensor:
    """Its embeddings, if it makes a tensor."""
    embeddings = pooling(**named(type(pooling).forward, offered))
    if not isinstance(embeddings, Tensor):
        raise TypeError(f"forward gave {type(embeddings).__name__} instead of embeddings [batch, width]")
    return embeddings


def _without_dropout(pooling: nn.Module) -> nn.Module:
    for module in pooling.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    return pooling


def _tensors(value: Any) -> tuple[Tensor, ...]:
    return value if isinstance(value, tuple) else (value,)


def _each(value: Any, change: Any) -> Any:
    return tuple(map(change, value)) if isinstance(value, tuple) else change(value)


def _same(before: Tensor, after: Tensor, change: str, tolerance: float = 1e-4) -> str | None:
    if before.shape == after.shape and torch.allclose(before, after, rtol=tolerance, atol=tolerance):
        return None
    return f"{_shown(before)}, and with {change} {_shown(after)}"


def _shown(values: Tensor) -> str:
    numbers = [f"{value:.4g}" for value in values.detach().flatten()[:4].tolist()]
    return f"[{', '.join(numbers)}{', …' if values.numel() > 4 else ''}]"
