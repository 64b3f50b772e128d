"""For each promise of a combiner a part that breaks it, and it alone, as far as that can be:

- a combiner that counts its instances is another one in every comparison of two;
- a combiner that opposes one of two tasks fails `non-conflicting` and `non-conflicting-for-two`, if it declares both.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

import mtk


class Sum(mtk.GramianCombiner):
    """Keeps every promise. Those below differ in one thing."""

    def weights(self, gramian: Tensor) -> Tensor:
        return torch.ones_like(gramian[0])


class Doubles(Sum):
    def weights(self, gramian: Tensor) -> Tensor:
        return super().weights(gramian).double()


class KeepsADimension(mtk.LossCombiner):
    def scalarize(self, losses: Tensor) -> Tensor:
        return losses.sum(dim=0, keepdim=True)


class StacksRows(mtk.GradientCombiner):
    def combine(self, gradients: Tensor) -> Tensor:
        return gradients.mean(dim=0, keepdim=True)


class DividesByLength(Sum):
    def weights(self, gramian: Tensor) -> Tensor:
        return gramian.diagonal().rsqrt()


class TakesLogarithms(mtk.LossCombiner):
    def scalarize(self, losses: Tensor) -> Tensor:
        return losses.log().sum()


class WritesIntoTheGramian(Sum):
    def weights(self, gramian: Tensor) -> Tensor:
        return super().weights(gramian.fill_diagonal_(0))


class WritesIntoTheGradients(mtk.GradientCombiner):
    def combine(self, gradients: Tensor) -> Tensor:
        return gradients.clamp_(-1, 1).sum(dim=0)


class CountsSteps(Sum):
    steps = 0

    def weights(self, gramian: Tensor) -> Tensor:
        self.steps += 1
        return super().weights(gramian) / self.steps


class CountsToTen(Sum):
    steps = 0

    def weights(self, gramian: Tensor) -> Tensor:
        self.steps += 1
        return super().weights(gramian) * (2 if self.steps > 10 else 1)


class ForgetsHowLossesFell(Sum):
    fell: Any = 1.0

    def weights(self, gramian: Tensor) -> Tensor:
        return super().weights(gramian) * self.fell

    def after_step(self, losses: Any) -> None:
        self.fell = losses().mean()


class EndsAfterTen(Sum):
    steps = 0

    def weights(self, gramian: Tensor) -> Tensor:
        self.steps += 1
        return super().weights(gramian) * [1.0] * 1 if self.steps > 10 else super().weights(gramian)


class GrowsForEver(Sum):
    def __init__(self, tasks: Sequence[str]) -> None:
        super().__init__(tasks)
        self.register_buffer("factor", torch.ones(()))

    def weights(self, gramian: Tensor) -> Tensor:
        self.factor *= 100
        return super().weights(gramian) * self.factor.clamp_min(1)


class FailsAfterTheStep(Sum):
    def after_step(self, losses: Any) -> None:
        losses().backward()


class KeepsGraphs(mtk.LossCombiner):
    def __init__(self, tasks: Sequence[str]) -> None:
        super().__init__(tasks)
        self.history: list[Tensor] = []

    def scalarize(self, losses: Tensor) -> Tensor:
        self.history.append(losses * 2)
        return losses.sum()


class RestsInEvalMode(Sum):
    def weights(self, gramian: Tensor) -> Tensor:
        return super().weights(gramian) * self.training


class DrawsWithPython(Sum):
    def weights(self, gramian: Tensor) -> Tensor:
        return super().weights(gramian) * random.random()


class CountsInstances(Sum):
    made = 0

    def __init__(self, tasks: Sequence[str]) -> None:
        super().__init__(tasks)
        CountsInstances.made += 1
        self.number = self.made

    def weights(self, gramian: Tensor) -> Tensor:
        return super().weights(gramian) * self.number


class TurnsASetIntoTurns(Sum):
    def turns(self) -> list[tuple[str, ...]]:
        return [tuple(set(self.tasks))]


class NamesATaskTwice(Sum):
    def turns(self) -> list[tuple[str, ...]]:
        return [(*self.tasks, self.tasks[0])]


class TurnsRound(Sum):
    forwards = False

    def turns(self) -> list[tuple[str, ...]]:
        self.forwards = not self.forwards
        return [self.tasks if self.forwards else self.tasks[::-1]]


class SortsTheTasks(Sum):
    def __init__(self, tasks: Sequence[str]) -> None:
        super().__init__(tasks)
        if isinstance(tasks, list):
            tasks.sort()


class AddsAList(Sum):
    def __init__(self, tasks: Sequence[str]) -> None:
        super().__init__(tasks)
        self.more = tasks + ["more"]  # noqa: RUF005


class WritesIntoTheStep(Sum):
    def weights(self, gramian: Tensor, step: mtk.Step) -> Tensor:
        step.losses.zero_()
        return super().weights(gramian)


class ReadsTheLosses(Sum):
    def weights(self, gramian: Tensor, step: mtk.Step) -> Tensor:
        return super().weights(gramian) * sum(step.losses.tolist())


class WaitsAfterTheStep(Sum):
    def after_step(self, losses: Any) -> None:
        float(losses().sum())


class ByLayer(Sum):
    """Keeps every promise, for each layer."""

    scope = "layer"

    def weights(self, gramian: Tensor) -> Tensor:
        return torch.ones_like(gramian[..., 0])


class SharesAmongLayers(ByLayer):
    def weights(self, gramian: Tensor) -> Tensor:
        return super().weights(gramian) / len(gramian)


class ForgetsLayers(Sum):
    def __init__(self, tasks: Sequence[str], *, scope: mtk.Scope = "encoder") -> None:
        super().__init__(tasks)
        self.scope = scope

    def weights(self, gramian: Tensor) -> Tensor:
        whole = gramian if self.scope == "encoder" else gramian.sum(dim=0)
        weights = whole.diagonal().clamp(max=10)
        return weights if self.scope == "encoder" else weights.expand(len(gramian), -1)


class LeavesTheLastOut(Sum):
    def turns(self) -> list[tuple[str, ...]]:
        return [self.tasks[:-1]]


class InventsATask(Sum):
    def turns(self) -> list[tuple[str, ...]]:
        return [(*self.tasks, "rest")]


class AsksForAValue(Sum):
    def weights(self, gramian: Tensor) -> Tensor:
        return super().weights(gramian) * (2 if gramian.min() < 0 else 1)


class LeavesATensorBehind(Sum):
    def __init__(self, tasks: Sequence[str]) -> None:
        super().__init__(tasks)
        self.shares = torch.ones(len(tasks))

    def weights(self, gramian: Tensor) -> Tensor:
        return super().weights(gramian) * self.shares


class IsNoSum(mtk.LossCombiner):
    additive = True

    def scalarize(self, losses: Tensor) -> Tensor:
        return losses.mean()


class OnlyAdds(Sum):
    declares = frozenset({"non-conflicting"})


class OnlyAddsTwo(Sum):
    declares = frozenset({"non-conflicting-for-two"})


class PrefersTheLast(Sum):
    declares = frozenset({"permutation-equivariant"})

    def weights(self, gramian: Tensor) -> Tensor:
        return torch.arange(1.0, len(gramian) + 1, device=gramian.device)


class PrefersTheFirstByChance(Sum):
    declares = frozenset({"permutation-equivariant"})

    def weights(self, gramian: Tensor) -> Tensor:
        weights = torch.rand_like(gramian[0])
        return torch.cat([weights[:1] * 2, weights[1:]])


class FollowsTheLength(Sum):
    declares = frozenset({"scale-equivariant"})

    def weights(self, gramian: Tensor) -> Tensor:
        return gramian.diagonal().clamp(max=10)


class IsEvenAtOne(Sum):
    declares = frozenset({"scale-equivariant"})

    def weights(self, gramian: Tensor) -> Tensor:
        return gramian.diagonal() / (gramian.diagonal() + 1e-6)


class Triples(Sum):
    declares = frozenset({"single-task-identity"})

    def weights(self, gramian: Tensor) -> Tensor:
        return super().weights(gramian) * 3


class AsksWhichProcessItIs(Sum):
    def weights(self, gramian: Tensor) -> Tensor:
        return super().weights(gramian) * (1 + (dist.get_rank() if dist.is_initialized() else 0))


CAUGHT: list[tuple[type[Any], set[str]]] = [
    (Sum, set()),
    (Doubles, {"shape"}),
    (KeepsADimension, {"shape"}),
    (StacksRows, {"shape"}),
    (DividesByLength, {"finite"}),
    (TakesLogarithms, {"finite"}),
    (WritesIntoTheGramian, {"inputs-kept"}),
    (WritesIntoTheGradients, {"inputs-kept"}),
    (CountsSteps, {"saving"}),
    (CountsToTen, {"saving"}),
    (ForgetsHowLossesFell, {"saving"}),
    (EndsAfterTen, {"long-run"}),
    (GrowsForEver, {"long-run"}),
    (FailsAfterTheStep, {"long-run"}),
    (KeepsGraphs, {"no-graph"}),
    (RestsInEvalMode, {"modes"}),
    (DrawsWithPython, {"same-seed"}),
    (CountsInstances, {"same-seed", "saving", "modes", "any-process", "two-processes"}),
    (TurnsASetIntoTurns, {"any-process"}),
    (AsksWhichProcessItIs, {"two-processes"}),
    (NamesATaskTwice, {"turns"}),
    (TurnsRound, {"turns"}),
    (SortsTheTasks, {"inputs-kept"}),
    (AddsAList, {"inputs-kept"}),
    (WritesIntoTheStep, {"inputs-kept"}),
    (ReadsTheLosses, {"on-the-device"}),
    (WaitsAfterTheStep, {"on-the-device"}),
    (ByLayer, set()),
    (SharesAmongLayers, {"layers-apart"}),
    (ForgetsLayers, {"layers-apart"}),
    (IsEvenAtOne, {"scale-equivariant"}),
    (LeavesTheLastOut, {"turns"}),
    (InventsATask, {"turns"}),
    (AsksForAValue, {"on-the-device"}),
    (LeavesATensorBehind, {"on-the-device"}),
    (IsNoSum, {"additive"}),
    (OnlyAdds, {"non-conflicting"}),
    (OnlyAddsTwo, {"non-conflicting-for-two"}),
    (PrefersTheLast, {"permutation-equivariant"}),
    (PrefersTheFirstByChance, {"permutation-equivariant"}),
    (FollowsTheLength, {"scale-equivariant"}),
    (Triples, {"single-task-identity"}),
]
"""A part, and the checks that catch it."""
