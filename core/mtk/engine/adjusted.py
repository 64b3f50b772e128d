"""Options of any method that weighs the tasks' gradients by their Gramian, around the method itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from mtk.calling.failures import call, tensor
from mtk.combiner import Combiner, GramianCombiner, Step
from mtk.engine.around import Around, ByLayer
from mtk.errors import UsageError


class Adjusted(Around):
    """A method that is shown other gradients than the tasks have, or whose weights are followed over the steps:

    - `normalize`: all gradients have the length 1, and one of zero stays zero;
    - `preference`, a number for each task: its gradient and its loss are so many times as large. With `normalize` the
      gradient is so long;
    - `smoothing`, the share a of the past: the weights are w <- a w + (1 - a) w_method, from the first step's on, as CR-MOGM
      has them: Zhou, Zhang, Jiang, Zhong, Gu and Zhu 2022, "On the Convergence of Stochastic Multi-Objective Gradient
      Manipulation and Beyond", NeurIPS, algorithm 1. A task that a step leaves out keeps its own.
    """

    past: Tensor | None
    preference: Tensor | None

    def __init__(
        self, method: GramianCombiner, *, normalize: bool, smoothing: float, preference: list[float] | None
    ) -> None:
        super().__init__(method)
        if preference is not None and len(preference) != len(method.tasks):
            example = "/".join("1" for _ in method.tasks)
            raise UsageError(f"preference takes a number for each task ({', '.join(method.tasks)}), such as {example}.")
        self.normalize = normalize
        self.smoothing = smoothing
        self.register_buffer("preference", torch.tensor(preference) if preference else None, persistent=False)
        self.register_buffer("past", None)  # [T], or [L, T]; how many layers there are is known in the first step
        self.register_load_state_dict_pre_hook(_make_room)

    def weights(self, gramian: Tensor, step: Step, cross: Tensor | None = None) -> Tensor:
        places = [self.tasks.index(task) for task in step.tasks]
        lengths = torch.ones_like(gramian[..., 0])
        if self.normalize:
            squares = gramian.diagonal(dim1=-2, dim2=-1)
            lengths = torch.where(squares > 0, squares, 1).rsqrt()
        if self.preference is not None:
            wanted = _of(self.preference, places).to(gramian.dtype)
            lengths, step = lengths * wanted, replace(step, losses=step.losses * wanted)
        both = lengths.unsqueeze(-1) * lengths.unsqueeze(-2)
        of_halves = None if cross is None else cross * both
        weights = call(self.method, "weights", gramian=gramian * both, cross=of_halves, step=step)
        weights = lengths * tensor(self.method, "weights", weights, gramian.shape[:-1], gramian.device)
        return self._followed(weights, places) if self.smoothing else weights

    def _followed(self, weights: Tensor, places: Sequence[int]) -> Tensor:
        if self.past is None:
            self.past = weights.new_full((*weights.shape[:-1], len(self.tasks)), torch.nan)
        before = _of(self.past, places)
        after = torch.where(before.isfinite(), self.smoothing * before + (1 - self.smoothing) * weights, weights)
        for number, place in enumerate(places):
            self.past[..., place] = after[..., number]
        return after


def adjusted(method: Combiner, options: dict[str, Any]) -> Combiner:
    """The method with these options around it; the method itself, where none asks for more."""
    if not isinstance(method, GramianCombiner):
        return method  # to which they are not offered
    if options.get("scope") == "layer":
        method = ByLayer(method)
    asked = {name: value for name, value in options.items() if name != "scope" and value}
    defaults: dict[str, Any] = {"normalize": False, "smoothing": 0.0, "preference": None}
    return Adjusted(method, **{**defaults, **asked}) if asked else method


def _of(values: Tensor, places: Sequence[int]) -> Tensor:
    return torch.stack([values[..., place] for place in places], dim=-1)


def _make_room(module: Adjusted, state: dict[str, Any], prefix: str, *rest: Any) -> None:
    key = f"{prefix}past"
    if module.past is None and key in state:
        module.past = torch.empty_like(state[key])
