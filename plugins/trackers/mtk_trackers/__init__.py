"""A run as experiment trackers keep it. Each needs its extra, and is where that tracker's own variables say."""

from __future__ import annotations

import mtk


@mtk.hookimpl
def mtk_register(registry: mtk.Registration) -> None:
    for name, target in (("wandb", "WandB"), ("mlflow", "MLflow"), ("trackio", "Trackio")):
        registry.listener(
            name,
            f"mtk_trackers.{name}_listener:{target}",
            summary=f"losses, gradient cosines and metrics for {target}; needs the extra `{name}`",
        )
