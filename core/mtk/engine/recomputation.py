"""Activations that are computed again in the backward pass instead of being kept (Chen et al., "Training Deep Nets with
Sublinear Memory Cost", 2016): of each block of the encoder its input alone is held.

Gradients are the same to the last bit on a CPU: random generators are set back, so that dropout drops what it dropped, and
in the packed form a block runs once more as it ran, with the pass that it belongs to.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import nn
from torch.utils.checkpoint import checkpoint

from mtk.engine.packing import forward_and_again
from mtk.errors import UsageError


def recompute(backbone: nn.Module) -> None:
    """Let the blocks of a `transformers` model do so, in train mode. Raises UsageError where it has none that can."""
    blocks = [module for module in backbone.modules() if hasattr(module, "gradient_checkpointing")]
    if not blocks:
        raise UsageError(f"--recompute: a {type(backbone).__name__} has no blocks that could be computed again.")
    for block in blocks:
        block.__dict__.update(gradient_checkpointing=True, _gradient_checkpointing_func=_recomputed)  # transformers' names


def _recomputed(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    return checkpoint(function, *args, use_reentrant=False, context_fn=forward_and_again, **kwargs)
