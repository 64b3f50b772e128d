"""The methods that need the gradients themselves.

An option that is called as in TorchJD means what it means there.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torchjd import aggregation

import mtk
from mtk_torchjd.method import Method, vector


class FromMatrix(mtk.GradientCombiner):
    """An aggregator that TorchJD computes from the gradients."""

    def __init__(self, tasks: Sequence[str], aggregator: nn.Module) -> None:
        super().__init__(tasks)
        self.method = Method(aggregator)

    def combine(self, gradients: Tensor) -> Tensor:
        return self.method(gradients)


class GradDrop(FromMatrix):
    """Chen, Ngiam, Huang, Luong, Kretzschmar, Chai and Anguelov 2020, "Just Pick a Sign: Optimizing Deep Multitask Models
    with Gradient Sign Dropout", NeurIPS, algorithm 1, lines 10 to 15.

    For every parameter a sign is drawn, the likelier the more of the tasks' gradient has it, and the gradients of the
    other sign are dropped. Applied to the gradients of the parameters, where the paper applies it to those of a layer's
    activations.

    Options: `leak`, the share of each task's gradient that is never dropped, a number for each task: `0/0/0.5`. The
    function that shapes the chances is the identity, as in TorchJD where none is given.
    """

    def __init__(self, tasks: Sequence[str], *, leak: str | None = None) -> None:
        super().__init__(tasks, aggregation.GradDrop(leak=None if leak is None else vector("leak", leak, tasks)))


class TrimmedMean(FromMatrix):
    """Yin, Chen, Ramchandran and Bartlett 2018, "Byzantine-Robust Distributed Learning: Towards Optimal Statistical Rates",
    ICML.

    For every parameter the largest and the smallest gradients are left out, and the others averaged.

    Options: `trim_number`, how many at each end (TorchJD asks for it). Needs more than twice as many tasks.
    """

    def __init__(self, tasks: Sequence[str], *, trim_number: int = 1) -> None:
        super().__init__(tasks, aggregation.TrimmedMean(trim_number))
        if len(tasks) <= 2 * trim_number:
            raise ValueError(f"it leaves out 2 * trim_number gradients, {2 * trim_number}, and there are {len(tasks)}")


class ExcessMTL(FromMatrix):
    """He, Zhou, Zhang, Yun, Xu, Zeng, Chilimbi and Zhao 2024, "Robust Multi-Task Learning with Excess Risks", ICML.

    A task's weight grows with its excess risk, what it has left to learn, estimated from its gradient and the squares of
    all its gradients so far. These take as much memory as the gradients, and are part of the saved state.

    Options: `robust_step_size`, how fast the weights follow. TorchJD's `n_warmup_steps` is left out: it counts them where
    a saved state does not reach.
    """

    def __init__(self, tasks: Sequence[str], *, robust_step_size: float = 1.0) -> None:
        super().__init__(tasks, aggregation.ExcessMTL(robust_step_size))
