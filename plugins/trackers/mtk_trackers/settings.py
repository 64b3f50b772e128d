"""What a run tells of itself as numbers by name, which are those that TensorBoard gets, and as settings."""

from __future__ import annotations

from typing import Any

import mtk


def of_progress(progress: mtk.Progress) -> dict[str, float]:
    """Losses, those of the heads' own, cosines, the learning rate and the pace."""
    return {
        **{f"loss/{task}": loss for task, loss in progress.losses.items()},
        **{f"own_loss/{name}": loss for name, loss in progress.own_losses.items()},
        **{f"cosine/{pair}": cosine for pair, cosine in progress.cosines.items()},
        **{
            f"layer_cosine/{layer}/{pair}": cosine
            for layer, cosines in progress.layer_cosines.items()
            for pair, cosine in cosines.items()
        },
        "learning_rate": progress.learning_rate,
        "examples_per_second": progress.examples_per_second,
    }


def of_evaluation(evaluation: mtk.Evaluation) -> dict[str, float]:
    """Each task's metrics on its development sets, and the average."""
    return {
        **{
            f"dev/{task}/{metric}": value
            for task, metrics in {**evaluation.metrics, **evaluation.further}.items()
            for metric, value in metrics.items()
        },
        "dev/average": evaluation.average,
    }


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
