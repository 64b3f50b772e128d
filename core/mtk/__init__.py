"""mtk: one text encoder, several tasks; heads, gradient combiners and augmenters are plugins.

Everything public is a name of this module and is imported when it is first used, so that `import mtk`, and a plugin that
only registers itself, need neither torch nor transformers.
"""

from __future__ import annotations

import warnings
from importlib import import_module
from typing import TYPE_CHECKING, Any

from mtk.errors import DataError, MtkError, UsageError
from mtk.hookspecs import hookimpl
from mtk.importing import unsearched

if TYPE_CHECKING:
    from mtk.augmenter import Augmenter
    from mtk.cache import kept
    from mtk.combiner import Combiner, GradientCombiner, GramianCombiner, LossCombiner, Scope, Step
    from mtk.config import RunConfig
    from mtk.events import (
        Conflict,
        Evaluation,
        EvaluationProgress,
        EvaluationStart,
        Plan,
        Preparation,
        Progress,
        Result,
        StageProgress,
        Stop,
    )
    from mtk.head import Encoding, Head
    from mtk.host.registry import Registry
    from mtk.kind import Kind
    from mtk.pipeline import run
    from mtk.pooling import Pooling
    from mtk.registration import Registration
    from mtk.sampler import Sampler
    from mtk.schedule import Schedule
    from mtk.stage import Stage
    from mtk.task import Task
    from mtk.training.checkpoint import load

# In a notebook tqdm, which others import, asks for a package that would draw its bars; none of them is shown here.
warnings.filterwarnings("ignore", message="IProgress not found")

_HOME = {
    "Augmenter": "mtk.augmenter",
    "Combiner": "mtk.combiner",
    "Conflict": "mtk.events",
    "Encoding": "mtk.head",
    "Evaluation": "mtk.events",
    "EvaluationProgress": "mtk.events",
    "EvaluationStart": "mtk.events",
    "GradientCombiner": "mtk.combiner",
    "GramianCombiner": "mtk.combiner",
    "Head": "mtk.head",
    "Kind": "mtk.kind",
    "LossCombiner": "mtk.combiner",
    "Plan": "mtk.events",
    "Pooling": "mtk.pooling",
    "Preparation": "mtk.events",
    "Progress": "mtk.events",
    "Registration": "mtk.registration",
    "Registry": "mtk.host.registry",
    "Result": "mtk.events",
    "RunConfig": "mtk.config",
    "Sampler": "mtk.sampler",
    "Schedule": "mtk.schedule",
    "Scope": "mtk.combiner",
    "Stage": "mtk.stage",
    "StageProgress": "mtk.events",
    "Step": "mtk.combiner",
    "Stop": "mtk.events",
    "Task": "mtk.task",
    "kept": "mtk.cache",
    "load": "mtk.training.checkpoint",
    "run": "mtk.pipeline",
}

__all__ = [
    "Augmenter",
    "Combiner",
    "Conflict",
    "DataError",
    "Encoding",
    "Evaluation",
    "EvaluationProgress",
    "EvaluationStart",
    "GradientCombiner",
    "GramianCombiner",
    "Head",
    "Kind",
    "LossCombiner",
    "MtkError",
    "Plan",
    "Pooling",
    "Preparation",
    "Progress",
    "Registration",
    "Registry",
    "Result",
    "RunConfig",
    "Sampler",
    "Schedule",
    "Scope",
    "Stage",
    "StageProgress",
    "Step",
    "Stop",
    "Task",
    "UsageError",
    "hookimpl",
    "kept",
    "load",
    "run",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'mtk' has no attribute '{name}'")
    with unsearched():
        value = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
