"""The optimizer: AdamW, fused."""

from __future__ import annotations

import torch
from torch import nn

from mtk.config import RunConfig
from mtk.model.multitask import Model


def build_optimizer(model: Model, combiner: nn.Module, config: RunConfig, *, capturable: bool) -> torch.optim.AdamW:
    """Matrices decay; vectors (biases, normalisation) and the combiner's parameters do not. A `capturable` one can be
    recorded: its learning rates are on the device, where a replay reads them."""
    groups = []
    for module, rate, decay in (
        (model.encoder, config.learning_rate, config.weight_decay),
        (model.heads, config.head_learning_rate, config.weight_decay),
        (combiner, config.head_learning_rate, 0.0),
    ):
        parameters = [p for p in module.parameters() if p.requires_grad]
        groups.append({"params": [p for p in parameters if p.ndim > 1], "lr": rate, "weight_decay": decay})
        groups.append({"params": [p for p in parameters if p.ndim <= 1], "lr": rate, "weight_decay": 0.0})
    if capturable:
        for group in groups:
            group["lr"] = torch.tensor(group["lr"], device=model.device)
    return torch.optim.AdamW([group for group in groups if group["params"]], fused=True, capturable=capturable)
