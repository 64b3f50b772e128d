"""How the tasks' gradients lie to one another, from the Gramians of the steps since the last report: their cosines, their
lengths, and in how many steps they were in conflict, before and after the combiner.

Two tasks are in conflict where the inner product of their gradients is negative; that is before. After, a task is where its
gradient has a negative inner product with what the combiner made for the encoder: the step goes against it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from mtk.engine.gradients import Outcome
from mtk.engine.gramian import cosines
from mtk.events import Conflict

ROUNDING = 1e-4
"""A cosine counts as negative below minus this. Methods that end at a right angle end a little beside it: the inner product
of two rows of 10 M numbers in fp32 is right to some 1e-6 of their lengths, and bf16 rounds the rows themselves."""

ENCODER = ""  # the scope of what is told of the encoder as a whole, beside those of its layers


class Geometry(NamedTuple):
    """What is told of it. All are empty, or None, where no Gramian was computed."""

    cosines: dict[str, float]  # "a/b" -> the mean over the steps that had both
    layer_cosines: dict[str, dict[str, float]]  # layer -> the same in it, where there are Gramians by layer
    norms: dict[str, float]  # task -> mean length of its gradient over the encoder
    conflict: Conflict | None
    layer_conflicts: dict[str, Conflict]


def geometry(outcomes: Iterable[Outcome], layers: Sequence[str]) -> Geometry:
    """That of the outcomes that have a Gramian, with one transfer from the device. `layers` are the names of those that a
    Gramian by layer has."""
    values: dict[tuple[str, str, str], list[Tensor]] = defaultdict(list)
    for tasks, gramians, products in _grouped(outcomes):
        scopes = [ENCODER, *layers] if gramians.shape[1] > 1 else [ENCODER]
        for what, name, of_scopes in _measured(tasks, gramians, products):
            for scope, of_steps in zip(scopes, of_scopes.unbind(dim=1), strict=True):
                values[scope, what, name].append(of_steps)
    if not values:
        return Geometry({}, {}, {}, None, {})
    found = {key: torch.cat(of_key) for key, of_key in values.items()}
    means = dict(zip(found, torch.stack([of_key.mean() for of_key in found.values()]).tolist(), strict=True))

    def of(scope: str, what: str) -> dict[str, float]:
        return {name: mean for (at, measure, name), mean in means.items() if (at, measure) == (scope, what)}

    def conflict(scope: str) -> Conflict | None:
        told = found.get((scope, "before", ""))
        if told is None:
            return None
        before, after = means[scope, "before", ""], means[scope, "after", ""]
        return Conflict(steps=len(told), before=before, after=after, pairs=of(scope, "pair"), tasks=of(scope, "task"))

    by_layer = {layer: (of(layer, "cosine"), conflict(layer)) for layer in layers}
    return Geometry(
        of(ENCODER, "cosine"),
        {layer: told for layer, (told, _) in by_layer.items() if told},
        of(ENCODER, "norm"),
        conflict(ENCODER),
        {layer: told for layer, (_, told) in by_layer.items() if told is not None},
    )


def _grouped(outcomes: Iterable[Outcome]) -> Iterator[tuple[tuple[str, ...], Tensor, Tensor | None]]:
    """The tasks of a turn, their Gramians in its steps [steps, 1 + L, T, T], that of the encoder before those of its layers,
    and the combined gradient's products [steps, 1 + L, T + 1] where they are known."""
    groups: dict[tuple[tuple[str, ...], int, bool], list[Outcome]] = defaultdict(list)
    for outcome in outcomes:
        if outcome.gramian is not None:
            groups[outcome.tasks, outcome.gramian.ndim, outcome.combined is None].append(outcome)
    for (tasks, ndim, _), members in groups.items():
        gramians = torch.stack([o.gramian for o in members if o.gramian is not None])
        products = torch.stack(known) if (known := [o.combined for o in members if o.combined is not None]) else None
        yield tasks, _with_whole(gramians, ndim), None if products is None else _with_whole(products, ndim)


def _with_whole(of_scopes: Tensor, ndim: int) -> Tensor:
    """With what is the encoder's, the sum over its layers, before what is theirs."""
    if ndim == 2:
        return of_scopes.unsqueeze(1)
    return torch.cat([of_scopes.sum(dim=1, keepdim=True), of_scopes], dim=1)


def _measured(tasks: Sequence[str], gramians: Tensor, products: Tensor | None) -> Iterator[tuple[str, str, Tensor]]:
    """What is measured, of whom, and its value in each step and scope [steps, 1 + L]."""
    cosine = cosines(gramians)
    pairs = {f"{tasks[j]}/{tasks[i]}": cosine[..., i, j] for i in range(len(tasks)) for j in range(i)}
    for name, value in pairs.items():
        yield "cosine", name, value
    for number, task in enumerate(tasks):
        yield "norm", task, gramians[..., number, number].clamp_min(0).sqrt()
    if products is None or not pairs:
        return
    square = gramians.diagonal(dim1=-2, dim2=-1) * products[..., -1:]
    against = products[..., :-1] < -ROUNDING * square.clamp_min(0).sqrt()
    at_odds = torch.stack([value < -ROUNDING for value in pairs.values()], dim=-1)
    for number, name in enumerate(pairs):
        yield "pair", name, at_odds[..., number].float()
    for number, task in enumerate(tasks):
        yield "task", task, against[..., number].float()
    yield "before", "", at_odds.any(dim=-1).float()
    yield "after", "", against.any(dim=-1).float()
