"""The methods that make one loss of the tasks' losses: TorchJD's scalarizers.

An option that is called as in TorchJD means what it means there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any

import torch
from msgspec import Meta
from torch import Tensor, nn
from torchjd import scalarization

import mtk
from mtk_torchjd.method import Method, vector

TINY = 1e-30


class FromLosses(mtk.LossCombiner):
    """A scalarizer of TorchJD's."""

    def __init__(self, tasks: Sequence[str], scalarizer: nn.Module) -> None:
        super().__init__(tasks)
        self.method = Method(scalarizer)

    def scalarize(self, losses: Tensor) -> Tensor:
        return self.method(losses)


class Mean(FromLosses):
    """The mean of the losses: sum, with a learning rate that does not depend on the number of tasks."""

    def __init__(self, tasks: Sequence[str]) -> None:
        super().__init__(tasks, scalarization.Mean())


class Constant(FromLosses):
    """The losses with weights of your own.

    Options: `weights`, a number for each task, in the order of the data: `0.2/0.3/0.5`.
    """

    def __init__(self, tasks: Sequence[str], *, weights: str) -> None:
        super().__init__(tasks, scalarization.Constant(vector("weights", weights, tasks)))


class Random(FromLosses):
    """Lin, Ye, Zhang and Tsang 2022, "Reasonable Effectiveness of Random Weighting: A Litmus Test for Multi-Task Learning",
    TMLR, algorithm 2; RLW in LibMTL.

    The weights are the softmax of normal numbers, drawn from the run's seed in every step.
    """

    def __init__(self, tasks: Sequence[str]) -> None:
        super().__init__(tasks, scalarization.Random())


class GeometricMean(FromLosses):
    """Chennupati, Sistu, Yogamani and Rawashdeh 2019, "MultiNet++: Multi-Stream Feature Aggregation and Geometric Loss
    Strategy for Multi-Task Learning", CVPR Workshops; GLS in LibMTL.

    The geometric mean of the losses, which does not mind in what units each is measured.
    """

    uses_host = True

    def __init__(self, tasks: Sequence[str]) -> None:
        super().__init__(tasks, scalarization.GeometricMean())

    def scalarize(self, losses: Tensor) -> Tensor:
        return super().scalarize(losses.clamp_min(TINY))  # cross-entropy reaches 0, which has no logarithm


class UW(FromLosses):
    """Kendall, Gal and Cipolla 2018, "Multi-Task Learning Using Uncertainty to Weigh Losses for Scene Geometry and
    Semantics", CVPR.

    Each task has a variance, learned with the heads; its loss is divided by it, and its logarithm added.
    """

    def __init__(self, tasks: Sequence[str]) -> None:
        super().__init__(tasks, scalarization.UW(len(tasks)))


class IMTLL(FromLosses):
    """Liu, Li, Kuang, Xue, Chen, Yang, Liao and Zhang 2021, "Towards Impartial Multi-task Learning", ICLR: the balance of
    losses.

    Each task has a scale, learned with the heads, that brings its loss to the size of the others'.
    """

    def __init__(self, tasks: Sequence[str]) -> None:
        super().__init__(tasks, scalarization.IMTLL(len(tasks)))


class FAMO(FromLosses):
    """Liu, Feng, Stone and Liu 2023, "FAMO: Fast Adaptive Multitask Optimization", NeurIPS, algorithm 1.

    A convex combination of the gradients that lets every task's loss fall at the same rate. The weights learn from how far
    the losses of a batch fell in the step, for which the batch passes through the model once more.

    Options: `lr` and `weight_decay`, with which the weights learn.
    """

    def __init__(
        self,
        tasks: Sequence[str],
        *,
        lr: Annotated[float, Meta(ge=0)] = 0.025,
        weight_decay: Annotated[float, Meta(ge=0)] = 1e-3,
    ) -> None:
        super().__init__(tasks, scalarization.FAMO(len(tasks), lr=lr, weight_decay=weight_decay))

    def after_step(self, losses: Callable[[], Tensor]) -> None:
        self.method.inner.update(losses())  # type: ignore[operator]

    def get_extra_state(self) -> Tensor:
        """[3, T]: Adam's two moments of the weights and its steps, which TorchJD keeps beside its state."""
        inner: Any = self.method.inner
        if inner._optimizer is None:
            return torch.zeros(3, len(self.tasks), device=inner._w.device)
        adam = inner._optimizer.state[inner._w]
        steps = adam["step"].to(inner._w.device).expand(len(self.tasks))
        return torch.stack([adam["exp_avg"], adam["exp_avg_sq"], steps])

    def set_extra_state(self, state: Tensor) -> None:
        inner: Any = self.method.inner
        optimizer = torch.optim.Adam([inner._w], lr=inner.lr, weight_decay=inner.weight_decay)
        first, second, steps = state.to(inner._w.device).clone()
        optimizer.state[inner._w] = {"exp_avg": first, "exp_avg_sq": second, "step": steps[0].cpu()}
        inner._optimizer = optimizer


class STCH(FromLosses):
    """Lin, Zhang, Yang, Liu, Wang and Zhang 2024, "Smooth Tchebycheff Scalarization for Multi-Objective Optimization",
    ICML.

    A smooth form of the largest weighted loss.

    Options: `mu`, its smoothness, at 0 the maximum (TorchJD asks for it; 1 is LibMTL's); `weights`, a number for each
    task: `0.2/0.3/0.5`; `reference`, the lowest loss that each can have, in the same form.
    """

    def __init__(
        self, tasks: Sequence[str], *, mu: float = 1.0, weights: str | None = None, reference: str | None = None
    ) -> None:
        preference = None if weights is None else vector("weights", weights, tasks)
        ideal = None if reference is None else vector("reference", reference, tasks)
        super().__init__(tasks, scalarization.STCH(mu, preference, ideal))


class COSMOS(FromLosses):
    """Ruchte and Grabocka 2021, "Scalable Pareto Front Approximation for Deep Multi-Objective Learning", ICDM.

    The weighted losses, less a multiple of the cosine of losses and weights. The paper draws new weights for every batch
    and tells the model; here they are fixed, for one trade-off.

    Options: `weights`, a number for each task: `0.2/0.3/0.5`; `lambda_`, that multiple, in the paper 0.01 to 8.
    """

    def __init__(self, tasks: Sequence[str], *, weights: str, lambda_: float) -> None:
        super().__init__(tasks, scalarization.COSMOS(lambda_, vector("weights", weights, tasks)))


class PBI(FromLosses):
    """Zhang and Li 2007, "MOEA/D: A Multiobjective Evolutionary Algorithm Based on Decomposition", IEEE Transactions on
    Evolutionary Computation: penalty-based boundary intersection.

    The losses' distance along the direction of the weights, and a multiple of their distance from it.

    Options: `weights`, a number for each task: `0.2/0.3/0.5`; `theta`, that multiple (TorchJD asks for it; 5 is the
    paper's); `reference`, the lowest loss that each can have, in the same form as the weights.
    """

    def __init__(self, tasks: Sequence[str], *, weights: str, theta: float = 5.0, reference: str | None = None) -> None:
        ideal = None if reference is None else vector("reference", reference, tasks)
        super().__init__(tasks, scalarization.PBI(theta, vector("weights", weights, tasks), ideal))
