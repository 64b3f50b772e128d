"""The methods that weigh the gradients by their inner products. They see mtk's Gramian and pay mtk's price: TorchJD never
sees a gradient.

An option that is called as in TorchJD means what it means there.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Literal

import numpy
import torch
from torch import Tensor, nn
from torchjd import aggregation
from torchjd.linalg import QuadprogProjector

import mtk
from mtk_torchjd.method import Method, vector


class FromGramian(mtk.GramianCombiner):
    """A weighting that TorchJD computes from the Gramian."""

    def __init__(self, tasks: Sequence[str], weighting: nn.Module) -> None:
        super().__init__(tasks)
        self.method = Method(weighting)

    def weights(self, gramian: Tensor) -> Tensor:
        return self.method(gramian).to(gramian.dtype)


class FromRoot(mtk.GramianCombiner):
    """An aggregator that TorchJD computes from the gradients, although it only depends on how they lie to each other.

    Its answer turns with the gradients when all are turned alike. So T gradients of P parameters may be replaced by T
    vectors of T numbers with the same Gramian, a root of it, and its answer is the same combination of them. That is
    cheaper by P / T, and exact: TorchJD's own ConFIG is zero in float32 from 2^23 parameters on, since the tolerance of
    its pseudo-inverse grows with their number.
    """

    def __init__(self, tasks: Sequence[str], aggregator: nn.Module) -> None:
        super().__init__(tasks)
        self.method = Method(aggregator)

    def weights(self, gramian: Tensor) -> Tensor:
        exact = gramian.double()
        lengths = exact.diagonal().sqrt()
        shrink = torch.where(lengths > 0, 1 / lengths, 0)
        squares, axes = torch.linalg.eigh(exact * torch.outer(shrink, shrink))  # of cosines: no task is too short to count
        squares = torch.where(squares > len(gramian) * torch.finfo(gramian.dtype).eps, squares, 0)  # not the rounding's
        extents = squares.sqrt()
        answer = self.method(lengths.unsqueeze(1) * axes * extents)
        weights: Tensor = axes @ (answer * torch.where(extents > 0, 1 / extents, 0)) * shrink
        return weights.to(gramian.dtype)


class FromProjection(FromGramian):
    """A weighting that projects onto the cone of the directions that conflict with no task's gradient."""

    uses_host = True
    weighting: ClassVar[type[aggregation.UPGradWeighting | aggregation.DualProjWeighting]]

    def __init__(
        self, tasks: Sequence[str], *, pref_vector: str | None = None, norm_eps: float = 1e-4, reg_eps: float = 1e-4
    ) -> None:
        preference = None if pref_vector is None else vector("pref_vector", pref_vector, tasks)
        projector = QuadprogProjector(norm_eps=norm_eps, reg_eps=reg_eps)
        super().__init__(tasks, self.weighting(preference, projector))


class UPGrad(FromProjection):
    """Quinton and Rey 2024, "Jacobian Descent for Multi-Objective Optimization", arXiv:2406.16232.

    Each gradient is projected onto the cone of the directions that conflict with no task's gradient; the mean of the
    projections is taken.

    Options: `pref_vector`, weights in place of the mean, a number for each task: `0.2/0.3/0.5`; `norm_eps`, the squared
    length of all gradients below which they count as zero; `reg_eps`, added to the diagonal of the Gramian, whose trace
    is 1, for the solver's sake.
    """

    weighting = aggregation.UPGradWeighting


class DualProj(FromProjection):
    """Lopez-Paz and Ranzato 2017, "Gradient Episodic Memory for Continual Learning", NeurIPS, equation 11.

    The mean gradient is projected onto the cone of the directions that conflict with no task's gradient.

    Options: as those of upgrad.
    """

    weighting = aggregation.DualProjWeighting


class FairGrad(FromGramian):
    """Ban and Ji 2024, "Fair Resource Allocation in Multi-Task Learning", ICML.

    The direction is a resource that the tasks share, by alpha-fairness of their progress.

    Options: `alpha`, the kind of fairness: 0 for the most progress in sum, 1 for proportional fairness, much for the
    fairest to the worst-off (TorchJD asks for it; 1 is LibMTL's); `max_iters`, the longest duration of the search.
    """

    uses_host = True

    def __init__(self, tasks: Sequence[str], *, alpha: float = 1.0, max_iters: int | None = None) -> None:
        super().__init__(tasks, aggregation.FairGradWeighting(alpha, max_iters))


class Krum(FromGramian):
    """Blanchard, El Mhamdi, Guerraoui and Stainer 2017, "Machine Learning with Adversaries: Byzantine Tolerant Gradient
    Descent", NeurIPS.

    The gradients that lie nearest to their neighbours are averaged, and the others ignored. Needs three tasks or more.

    Options: `n_byzantine`, how many of the tasks are not to be trusted (TorchJD asks for it); `n_selected`, how many are
    averaged.
    """

    def __init__(self, tasks: Sequence[str], *, n_byzantine: int = 0, n_selected: int = 1) -> None:
        super().__init__(tasks, aggregation.KrumWeighting(n_byzantine, n_selected))
        if len(tasks) < max(n_byzantine + 3, n_selected):
            raise ValueError(
                f"it needs n_byzantine + 3 tasks and n_selected, so at least {max(n_byzantine + 3, n_selected)}; there are "
                f"{len(tasks)}"
            )


class PCD(FromGramian):
    """From "Not All Objectives Are Born Equal: Priority-Constrained Descent for Hierarchical Multi-Objective Optimization",
    TMLR 2026, arXiv:2606.29521.

    The first task of the data is the one that counts. Its gradient is followed as nearly as may be while every other task
    progresses by a share of what its own gradient would give. Lengths are measured by their moving averages.

    Options: `tau`, that share; `beta`, the decay of the averages; `eps`, added to them.
    """

    uses_host = True

    def __init__(self, tasks: Sequence[str], *, tau: float = 0.02, beta: float = 0.999, eps: float = 1e-8) -> None:
        super().__init__(tasks, aggregation.PCDWeighting(tau, beta, eps))


class CRMOGM(FromGramian):
    """Zhou, Zhang, Jiang, Zhong, Gu and Zhu 2022, "On the Convergence of Stochastic Multi-Objective Gradient Manipulation
    and Beyond", NeurIPS.

    The weights of another method, with the options it has by default, as their moving average over the steps.

    Options: `weighting`, that method; `alpha`, the share of the past in the average.
    """

    uses_host = True

    def __init__(
        self,
        tasks: Sequence[str],
        *,
        weighting: Literal[
            "aligned-mtl", "cagrad", "dualproj", "fairgrad", "gradvac", "imtl-g", "krum", "mgda", "pcd", "pcgrad", "upgrad"
        ] = "mgda",
        alpha: float = 0.9,
    ) -> None:
        smoothed: dict[str, Callable[[], Any]] = {
            "aligned-mtl": aggregation.AlignedMTLWeighting,
            "cagrad": lambda: aggregation.CAGradWeighting(0.5),
            "dualproj": lambda: DualProj(tasks).method.inner,
            "fairgrad": lambda: FairGrad(tasks).method.inner,
            "gradvac": aggregation.GradVacWeighting,
            "imtl-g": aggregation.IMTLGWeighting,
            "krum": lambda: Krum(tasks).method.inner,
            "mgda": aggregation.MGDAWeighting,
            "pcd": lambda: PCD(tasks).method.inner,
            "pcgrad": aggregation.PCGradWeighting,
            "upgrad": lambda: UPGrad(tasks).method.inner,
        }
        super().__init__(tasks, aggregation.CRMOGMWeighting(smoothed[weighting](), alpha))


class NashMTL(FromRoot):
    """Navon, Shamsian, Achituve, Maron, Kawaguchi, Chechik and Fetaya 2022, "Multi-Task Learning as a Bargaining Game",
    ICML, algorithm 1.

    The tasks bargain for a direction, and Nash's solution is found by a sequence of convex problems. Each begins from the
    last one's weights.

    Options: `max_norm`, the longest that the result may be, 0 for any length; `update_weights_every`, the steps between
    two bargains; `optim_niter`, the problems in the sequence.
    """

    uses_host = True

    def __init__(
        self, tasks: Sequence[str], *, max_norm: float = 1.0, update_weights_every: int = 1, optim_niter: int = 20
    ) -> None:
        if len(tasks) < 2:
            raise ValueError("it takes two to bargain, and there is one task")
        super().__init__(tasks, aggregation.NashMTL(len(tasks), max_norm, update_weights_every, optim_niter))

    def weights(self, gramian: Tensor) -> Tensor:
        if not gramian.any():
            return gramian.diagonal()  # nothing to bargain for, where TorchJD would divide by zero
        with warnings.catch_warnings():  # of CVXPY's, about how it solves; of NumPy's, at a gradient of zero
            warnings.simplefilter("ignore")
            return super().weights(gramian)

    def get_extra_state(self) -> Tensor:
        """[2 + T]: how many bargains there were, and what the next one begins from, which TorchJD keeps beside its state."""
        bargain: Any = self.method.inner.weighting
        kept = [bargain.step, *bargain.normalization_factor.tolist(), *bargain.prvs_alpha.tolist()]
        return torch.tensor(kept, dtype=torch.float64)

    def set_extra_state(self, state: Tensor) -> None:
        bargain: Any = self.method.inner.weighting
        step, factor, *alpha = state.tolist()
        bargain.step, bargain.normalization_factor, bargain.prvs_alpha = step, numpy.array([factor]), numpy.array(alpha)
        if step:
            bargain._init_optim_problem()  # which it makes at the first of its bargains


class ConFIG(FromRoot):
    """Liu, Chu and Thuerey 2025, "ConFIG: Towards Conflict-free Training of Physics Informed Neural Networks", ICLR.

    The direction at the same angle to every task's gradient, as long as the gradients' projections on it together.

    Options: `pref_vector`, the cosines' proportions, a number for each task: `0.2/0.3/0.5`.
    """

    uses_host = True

    def __init__(self, tasks: Sequence[str], *, pref_vector: str | None = None) -> None:
        preference = None if pref_vector is None else vector("pref_vector", pref_vector, tasks).double()
        super().__init__(tasks, aggregation.ConFIG(preference))
