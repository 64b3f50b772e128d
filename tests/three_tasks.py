"""Three tasks on a tiny encoder, their batches, and their gradients as plain PyTorch has them."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Mapping, Sequence

import building
import torch
from kinds import Binary, Classification, Regression
from torch import Tensor
from transformers import AutoModel, BertConfig, PreTrainedConfig

from mtk.data.tokens import Batch, Reading
from mtk.model.multitask import Model
from mtk.task import Task

TASKS = [
    Task(name="sst", kind=Classification(("0", "1", "2")), text=("a",), label="y"),
    Task(name="para", kind=Binary(), text=("a", "b"), label="y"),
    Task(name="sts", kind=Regression(0, 5), text=("a", "b"), label="y"),
]
HEADS = {"sst": "cnn", "para": "linear", "sts": "concat-mlp"}


BERT = BertConfig(
    vocab_size=50,
    hidden_size=16,
    num_hidden_layers=2,
    num_attention_heads=2,
    intermediate_size=32,
    max_position_embeddings=32,
)


def make_model(config: PreTrainedConfig = BERT, pooling: str = "mean") -> Model:
    """In float64, without dropout, with a parameter that nothing uses."""
    torch.manual_seed(0)
    backbone = AutoModel.from_config(copy.deepcopy(config))  # which a model may change
    model = building.model(building.untaught(backbone, pooling), TASKS, HEADS, 32).double().eval()
    backbone.register_parameter("unused", torch.nn.Parameter(torch.ones(3, dtype=torch.float64)))
    return model


def make_batch(task: str, examples: int, seed: int, padding: int = 0) -> Batch:
    generator = torch.Generator().manual_seed(seed)
    sequences = 2 if task == "para" else 1
    lengths = torch.randint(3, 12, (examples * sequences,), generator=generator)
    mask = torch.arange(12) < lengths.unsqueeze(1)
    ids = torch.where(mask, torch.randint(2, 50, mask.shape, generator=generator), padding)
    highest = {"sst": 3, "para": 2, "sts": 6}[task]
    labels = torch.randint(0, highest, (examples,), generator=generator).double()
    reading = Reading({"input_ids": ids, "attention_mask": mask.long()}, sequences, int(lengths.sum()))
    return Batch((reading,), labels)


def batches(seed: int = 0, padding: int = 0) -> dict[str, list[Batch]]:
    """One for each task."""
    return {task.name: [make_batch(task.name, 6, seed + number, padding)] for number, task in enumerate(TASKS)}


def halves(parts: Sequence[Batch]) -> list[Batch]:
    """The same batch in two parts of unequal size."""
    whole = parts[0]
    examples = len(whole)

    def of(reading: Reading, chosen: list[int]) -> Reading:
        rows = [n * examples + i for n in range(reading.sequences) for i in chosen]
        inputs = {name: values[rows] for name, values in reading.inputs.items()}
        return dataclasses.replace(reading, inputs=inputs, tokens=int(inputs["attention_mask"].sum()))

    def part(chosen: list[int]) -> Batch:
        return Batch(tuple(of(reading, chosen) for reading in whole.readings), whole.labels[chosen])

    return [part(list(range(4))), part(list(range(4, examples)))]


def plain(model: Model, data: Mapping[str, list[Batch]]) -> tuple[Tensor, Tensor, dict[str, list[Tensor]]]:
    """Losses [T], gradients over the encoder [T, P], and each head's own gradients, the plain way."""
    shared = list(model.encoder.parameters())
    losses, rows, heads = [], [], {}
    for task, parts in data.items():
        loss = model.loss(task, parts[0]).total
        own = list(model.head(task).parameters())
        gradients = torch.autograd.grad(loss, shared + own, allow_unused=True)
        gradients = [torch.zeros_like(p) if g is None else g for p, g in zip(shared + own, gradients, strict=True)]
        losses.append(loss.detach())
        rows.append(torch.cat([g.flatten() for g in gradients[: len(shared)]]))
        heads[task] = gradients[len(shared) :]
    return torch.stack(losses), torch.stack(rows), heads


def encoder_gradient(model: Model) -> Tensor:
    return torch.cat([(torch.zeros_like(p) if p.grad is None else p.grad).flatten() for p in model.encoder.parameters()])
