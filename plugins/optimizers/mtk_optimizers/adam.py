from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

import mtk

MEAN, SQUARE, TINY = 0.9, 0.999, 1e-8  # Adam's own
LARGEST = 1e15  # of a slope: its square is a number in fp32


class AdamWeights(mtk.GramianCombiner):
    """What methods share that learn a number for each task by Kingma and Ba 2015, "Adam: A Method for Stochastic
    Optimization", ICLR, algorithm 1, along a slope that they know without autograd. All of it is saved with the model."""

    learned: Tensor
    mean: Tensor
    square: Tensor
    learning_steps: Tensor

    def __init__(self, tasks: Sequence[str], begin: float) -> None:
        super().__init__(tasks)
        self.register_buffer("learned", torch.full((len(tasks),), begin))
        self.register_buffer("mean", torch.zeros(len(tasks)))
        self.register_buffer("square", torch.zeros(len(tasks)))
        self.register_buffer("learning_steps", torch.zeros(()))

    def learn(self, slope: Tensor, rate: float) -> None:
        """A step against `slope` [T]."""
        slope = slope.to(self.learned.dtype).clamp(-LARGEST, LARGEST)
        self.learning_steps.add_(1)
        self.mean.lerp_(slope, 1 - MEAN)
        self.square.lerp_(slope**2, 1 - SQUARE)
        mean = self.mean / (1 - MEAN**self.learning_steps)
        square = self.square / (1 - SQUARE**self.learning_steps)
        self.learned.sub_(rate * mean / (square.sqrt() + TINY))
