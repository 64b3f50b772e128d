"""What the trackers share: the settings of a run, and what is said where one is not installed."""

from __future__ import annotations

from typing import Any

import mtk


def of_plan(plan: mtk.Plan) -> dict[str, Any]:
    """What was chosen for the run, one value a name."""
    names = ("encoder", "combiner", "sampler", "optimizer", "schedule", "pooling", "device", "precision", "epochs", "steps")
    return {
        **{name: getattr(plan, name) for name in names},
        **{f"head/{task.name}": task.head for task in plan.tasks},
        **{f"augmenter/{task.name}": task.augmenter for task in plan.tasks if task.augmenter},
        **{f"batch_size/{task.name}": task.batch_size for task in plan.tasks},
        "out": str(plan.out),
    }


def missing(extra: str, error: ImportError) -> mtk.UsageError:
    """What is said where a tracker is not installed."""
    return mtk.UsageError(f"--listen {extra} needs an extra: pip install 'multitask-toolkit[{extra}]' ({error})")
