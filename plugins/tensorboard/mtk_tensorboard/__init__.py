"""A run as TensorBoard draws it."""

from __future__ import annotations

import mtk


@mtk.hookimpl
def mtk_register(registry: mtk.Registration) -> None:
    registry.listener(
        "tensorboard",
        "mtk_tensorboard.listener:TensorBoard",
        summary="losses, gradient cosines and metrics for TensorBoard; needs the extra `tensorboard`",
    )
