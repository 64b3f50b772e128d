"""An optimizer of the weights is a class of torch's, or of somebody who writes for torch, and knows nothing of mtk: what it
must look like, and which of its constructor's arguments are options."""

from __future__ import annotations

import inspect
from typing import Any

from mtk.host.options import Option

# What the run decides: parameters and their groups, rates, decay, and what fits the device.
DECIDED = ("params", "lr", "weight_decay", "fused", "foreach", "capturable", "differentiable")


def why_no_optimizer(cls: Any) -> str | None:
    """Why `cls` is none, in a sentence that ends with what to do; None if it is one."""
    import torch

    if not (isinstance(cls, type) and issubclass(cls, torch.optim.Optimizer)):
        return "is not a subclass of torch.optim.Optimizer"
    found = [p for p in inspect.signature(cls).parameters.values() if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    for wanted in ("params", "lr"):
        if wanted not in (p.name for p in found):
            return f"has a constructor without `{wanted}`; it should be __init__(self, params, lr, …)"
    for parameter in found:
        if parameter.default is parameter.empty and parameter.name not in DECIDED:
            return f"has a constructor that asks for `{parameter.name}`, which nobody gives it; give it a default"
    return None


def optimizer_options(cls: type) -> dict[str, Option]:
    """The arguments of its constructor whose default is a number, a truth value, text or several numbers. Their type is
    their default's, and a float where that is an integer: `momentum=0` is meant so."""
    found = {}
    for name, parameter in inspect.signature(cls).parameters.items():
        default = parameter.default
        if name in DECIDED or default is parameter.empty:
            continue
        if isinstance(default, bool | str):
            annotation: Any = type(default)
        elif isinstance(default, int | float):
            is_count = isinstance(default, int) and parameter.annotation in (int, "int")
            annotation = int if is_count else float
        elif isinstance(default, tuple) and all(isinstance(item, int | float) for item in default):
            annotation = tuple[float, ...]
        else:
            continue
        found[name] = Option(name, annotation, default)
    return found


def is_recordable(cls: type) -> bool:
    """Whether its steps can be recorded as CUDA graphs, as its constructor says."""
    return "capturable" in inspect.signature(cls).parameters


def decays(cls: type) -> bool:
    """Whether it knows of a decay of the weights."""
    return "weight_decay" in inspect.signature(cls).parameters
