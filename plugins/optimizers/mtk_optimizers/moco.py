from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

import mtk
from mtk_optimizers.tracking import Tracking

TINY = 1e-8  # the authors'


class MoCo(Tracking):
    """Fernando, Shen, Liu, Chaudhury, Murugesan and Chen 2023, "Mitigating Gradient Bias in Multi-objective Learning: A
    Provably Convergent Approach", ICLR, algorithm 1.

    Each task's gradient is followed by a moving average, y, which corrects the bias of a batch. Weights on the simplex step
    along the gradient of |sum_i w_i y_i|^2 / 2, and are brought back to it by a softmax. As in the authors' code, a gradient
    enters the average as long as its task's loss is large.

    Options: `beta`, the share of the latest gradient in the average; `gamma`, the step size of the weights; `beta_decay` and
    `gamma_decay`, the powers of the step by which these fall; `rho`, a squared penalty on the weights.
    """

    declares = frozenset({"permutation-equivariant"})
    weights: Tensor

    def __init__(
        self,
        tasks: Sequence[str],
        *,
        beta: float = 0.5,
        beta_decay: float = 0.5,
        gamma: float = 0.1,
        gamma_decay: float = 0.5,
        rho: float = 0.0,
    ) -> None:
        super().__init__(tasks)
        self.beta, self.beta_decay = beta, beta_decay
        self.gamma, self.gamma_decay = gamma, gamma_decay
        self.rho = rho
        self.register_buffer("weights", torch.full((len(tasks),), 1 / len(tasks)))

    def combine(self, gradients: Tensor, step: mtk.Step) -> Tensor:
        number = (step.number + 1).to(gradients.dtype)
        lengths = gradients.norm(dim=1, keepdim=True)
        scaled = gradients / (lengths + TINY) * step.losses.to(gradients.dtype).unsqueeze(1)
        followed = self.track(scaled, self.beta / number**self.beta_decay)
        slope = followed @ (followed.T @ self.weights) + self.rho * self.weights
        self.weights.copy_((self.weights - self.gamma / number**self.gamma_decay * slope).softmax(dim=0))
        return self.weights @ followed
