"""Whether the packed form is right for an encoder: tried on two small batches, against plain PyTorch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from mtk.engine.layers import by_layer
from mtk.engine.packing.routing import Packing
from mtk.engine.task_gradients import TaskGradients
from mtk.errors import in_words
from mtk.model.encoder import Encoder, Layers, layer_states


def _read(layers: Layers, target: Tensor) -> Tensor:
    """A scalar that every state of a token has a part in."""
    return torch.stack([(states * target).sum() for states in layers]).sum()


def why_plain(encoder: Encoder, names: Sequence[str]) -> str | None:
    """Why the packed form does not give the gradients of this encoder's backbone, as a small trial shows; None if it does.

    Two tasks' sequences, with padding, against `torch.autograd.grad` for each task by itself. `names` are those of the
    tensors that the tokenizer gives.
    """
    backbone = encoder.backbone
    was_training, gradients = backbone.training, [(p, p.grad) for p in backbone.parameters()]
    backbone.eval()
    backbone.zero_grad()
    try:
        return _difference(backbone, names, all_layers=encoder.reads_layers)
    except Exception as error:  # whatever keeps an encoder from it, it has the plain way
        return in_words(error)
    finally:
        backbone.train(was_training)
        for parameter, gradient in gradients:
            parameter.grad = gradient


def _difference(backbone: nn.Module, names: Sequence[str], *, all_layers: bool) -> str | None:
    layers = by_layer(backbone.named_parameters())
    parameters = [p for members in layers.values() for p in members]
    named = {p: name for name, p in backbone.named_parameters()}
    device, dtype = parameters[0].device, parameters[0].dtype
    packing = Packing(backbone, all_layers=all_layers)
    rows = TaskGradients(layers, 2, packing.tables)
    generator = torch.Generator().manual_seed(0)
    config: Any = backbone.config
    batches, targets = [], []
    for sequences, length in ((2, 7), (3, 5)):
        mask = torch.ones(sequences, length, dtype=torch.long)
        mask[0, length - 2 :] = 0
        batch = {name: torch.zeros_like(mask) for name in names}
        batch["input_ids"] = torch.randint(2, min(100, config.vocab_size), mask.shape, generator=generator)
        batch["attention_mask"] = mask
        batches.append({name: values.to(device) for name, values in batch.items()})
        target = torch.randn(sequences, length, config.hidden_size, generator=generator)
        targets.append((target * mask.unsqueeze(-1)).to(device, dtype))

    plain = []
    for batch, target in zip(batches, targets, strict=True):
        read = _read(layer_states(backbone, batch, all_layers=all_layers), target)
        found = torch.autograd.grad(read, parameters, allow_unused=True)
        plain.append([torch.zeros_like(p) if g is None else g for p, g in zip(parameters, found, strict=True)])

    rows.clear()
    states = packing(batches, rows, range(2))
    torch.autograd.backward([_read(layers, target) for layers, target in zip(states, targets, strict=True)])
    for parameter in parameters:
        if parameter.grad is not None:
            return f"{named[parameter]} is used in a way that has no packed form"
    # Some gradients, such as that of a key's bias, are zero but for rounding: what they may be off by is set by the others.
    sizes = [[_largest(gradient) for gradient in by_task] for by_task in zip(*plain, strict=True)]
    rounding = 1e-6 * max(map(max, sizes))
    for parameter, by_task, size_of in zip(parameters, zip(*plain, strict=True), sizes, strict=True):
        for row, one, size in zip(rows.of(parameter, 2), by_task, size_of, strict=True):
            off = _largest(row - one)
            if not off <= 1e-3 * size + rounding:  # nor where it is no number
                share = off / max(size, rounding)
                return f"the gradient of {named[parameter]} differs from the plain way's by {share:.1e} of its size"
    return None


def _largest(values: Tensor) -> float:
    """The entry that is furthest from 0, without its sign; NaN where one is. No pass writes anything, which is a tenth of
    the time for a table of embeddings."""
    return float(torch.stack(torch.aminmax(values)).abs().max())
