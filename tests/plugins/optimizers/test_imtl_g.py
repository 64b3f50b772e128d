"""IMTL-G: one projection for all. Beside TorchJD's it is in test_torchjd.py."""

from __future__ import annotations

import torch
from published import TASKS, step

from mtk_optimizers.imtl_g import IMTLG


def test_the_projections_are_equal_and_the_weights_sum_to_one() -> None:
    _, gradients, _ = step(0)
    weights = IMTLG(TASKS).weights(gradients @ gradients.T)
    projections = gradients / gradients.norm(dim=1, keepdim=True) @ (weights @ gradients)
    torch.testing.assert_close(projections, projections.mean().expand(3))
    torch.testing.assert_close(weights.sum(), torch.ones((), dtype=torch.float64))
