from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

import mtk


class Tracking(mtk.GradientCombiner):
    """What methods share that follow each task's gradient over the steps: a row for each, saved with the model. It is as
    large as all the gradients, and made when they first come, for until then their size is not known."""

    tracked: Tensor | None

    def __init__(self, tasks: Sequence[str]) -> None:
        super().__init__(tasks)
        self.register_buffer("tracked", None)
        self.register_load_state_dict_pre_hook(_make_room)

    def track(self, gradients: Tensor, share: Tensor) -> Tensor:
        """gradients [T, P], and the share [] that they have in what is kept -> the gradients as followed so far [T, P]."""
        if self.tracked is None:
            self.tracked = torch.zeros_like(gradients)
        return self.tracked.lerp_(gradients, share.to(gradients.dtype))


def _make_room(module: Tracking, state: dict[str, Any], prefix: str, *rest: Any) -> None:
    key = f"{prefix}tracked"
    if module.tracked is None and key in state:
        module.tracked = torch.empty_like(state[key])
