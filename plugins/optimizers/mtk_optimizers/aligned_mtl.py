"""Aligned-MTL: the gradients' principal components made equally long."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

import mtk
from mtk_optimizers.symmetric import decompose


class AlignedMTL(mtk.GramianCombiner):
    """Senushkin, Patakin, Kuznetsov and Konushin 2023, "Independent Component Alignment for Multi-Task Learning", CVPR,
    algorithm 1.

    The gradients' principal components are made equally long, so that none dominates. Those that are not there but for
    rounding are left out.

    Options: `pref_vector`, the tasks' weights, a number for each: `0.2/0.3/0.5`; `scale_mode`, the length that the
    components get: that of the shortest (`min`), of the one in the middle, or their quadratic mean.
    """

    declares = frozenset({"permutation-equivariant", "scale-equivariant"})
    preference: Tensor

    def __init__(
        self,
        tasks: Sequence[str],
        *,
        pref_vector: list[float] | None = None,
        scale_mode: Literal["min", "median", "rmse"] = "min",
    ) -> None:
        super().__init__(tasks)
        if pref_vector is not None and len(pref_vector) != len(tasks):
            example = "/".join("1" for _ in tasks)
            raise ValueError(f"pref_vector takes a number for each task ({', '.join(tasks)}), such as {example}")
        preference = torch.tensor(pref_vector or [1 / len(tasks)] * len(tasks))
        self.register_buffer("preference", preference, persistent=False)
        self.scale_mode = scale_mode

    def weights(self, gramian: Tensor) -> Tensor:
        squares, axes = decompose(gramian.double())
        floor = len(gramian) * torch.finfo(gramian.dtype).eps * squares[-1]
        there = (squares > floor).to(squares.dtype)
        shrink = there / torch.where(there > 0, squares, 1).sqrt()
        rank = there.sum()
        if self.scale_mode == "min":
            square = torch.where(there > 0, squares, torch.inf).amin()
        elif self.scale_mode == "median":  # the lower of two; they stand at the end
            middle = len(squares) - rank + (rank - 1).clamp_min(0).div(2, rounding_mode="floor")
            square = (squares * (torch.arange(len(squares), device=squares.device) == middle)).sum()
        else:
            square = (squares * there).sum() / rank
        square = torch.where(rank > 0, square, 0)
        wanted = self.preference.to(squares.dtype)
        return (square.sqrt() * (axes * shrink) @ (axes.T @ wanted)).to(gramian.dtype)
