"""Aligned-MTL: what the tasks' gradients become is as long in each direction. Beside TorchJD's it is in test_torchjd.py."""

from __future__ import annotations

import pytest
import torch
from published import TASKS, step

from mtk_optimizers.aligned_mtl import AlignedMTL


@pytest.mark.parametrize("mode", ["min", "median", "rmse"])
def test_the_aligned_gradients_are_orthogonal_and_equally_long(mode: str) -> None:
    _, gradients, _ = step(0)
    gramian = gradients @ gradients.T
    aligned = torch.stack(
        [
            AlignedMTL(TASKS, pref_vector=list(row), scale_mode=mode).weights(gramian)  # type: ignore[arg-type]
            for row in torch.eye(3).tolist()
        ]
    )
    of_aligned = aligned @ gramian @ aligned.T
    torch.testing.assert_close(of_aligned, of_aligned[0, 0] * torch.eye(3, dtype=torch.float64))
    squares = torch.linalg.eigvalsh(gramian)
    wanted = {"min": squares[0], "median": squares[1], "rmse": squares.mean()}[mode]
    torch.testing.assert_close(of_aligned[0, 0], wanted)
