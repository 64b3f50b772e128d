"""What comes after the encoder, as one function of tensors: the pooling, a task's head, and what its kind makes of logits.

Traced by `torch.export` it is a list of torch's own operations, whoever wrote the head. Every format is made of that.
"""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from mtk.calling.arguments import named
from mtk.errors import UsageError, in_words
from mtk.head import Encoding
from mtk.kind import Kind
from mtk.model.multitask import Model, layer_of
from mtk.task import Task

Meaning = Literal["label", "labels", "number"]
"""What a prediction is: the number of a label, a 0 or 1 for each label, or itself."""

_READ = ("first", "second", "joint")


class Tail(nn.Module):
    """The states of tokens [batch, length, width] and the mask [batch, length] of each reading, one after the other -> the
    logits, and as far as the kind has them for an example by itself the prediction and the probabilities. Where the pooling
    reads all layers, their states come stacked [layers, batch, length, width]. With `of_embeddings` the readings are
    embeddings [batch, width] alone, and a head that asks for more of them fails."""

    def __init__(self, model: Model, task: str, *, of_embeddings: bool = False) -> None:
        super().__init__()
        self.task, self.of_embeddings = model.tasks[task], of_embeddings
        self.head, self.kind = model.head(task), self.task.kind
        self.pooling = None if of_embeddings else model.encoder.pooling
        self.all_layers = model.encoder.reads_layers
        self.readings = readings(self.task, self.head.pair_encoding)
        self.outputs = ["logits"]
        if not self.kind.candidates:
            self.outputs += ["prediction", *(["probabilities"] if self.task.has_probabilities else [])]

    def forward(self, *given: Tensor) -> tuple[Tensor, ...]:
        logits = self._logits(self._encodings(given))
        found = [logits]
        for method in ("predict", "probabilities")[: len(self.outputs) - 1]:
            function = getattr(type(self.kind), method)
            found.append(function(self.kind, **named(function, {"logits": logits, "mask": None})))
        return tuple(value.float() for value in found)

    def _encodings(self, given: tuple[Tensor, ...]) -> dict[str, Encoding | None]:
        found: dict[str, Encoding | None] = dict.fromkeys(_READ)
        if self.of_embeddings:
            for name, embedding in zip(self.readings, given, strict=True):
                found[name] = Encoding(None, None, embedding)  # type: ignore[arg-type]
            return self._as_called(found)
        for name, states, mask in zip(self.readings, given[::2], given[1::2], strict=True):
            layers = tuple(states.unbind(0)) if self.all_layers else (states,)
            offered = {"tokens": layers[-1], "mask": mask, "layers": layers}
            assert self.pooling is not None
            found[name] = Encoding(layers[-1], mask, self.pooling(**named(type(self.pooling).forward, offered)))
        return self._as_called(found)

    def _as_called(self, found: dict[str, Encoding | None]) -> dict[str, Encoding | None]:
        """The same; a head that reads a pair as one sequence and in no other way gets it as the first."""
        return {**found, "first": found["joint"], "joint": None} if self.readings == ("joint",) else found

    def _logits(self, encodings: dict[str, Encoding | None]) -> Tensor:
        offered: dict[str, Any] = {**encodings, "labels": None}
        logits = self.head(**named(type(self.head).forward, offered))
        logits = logits[0] if isinstance(logits, tuple) else logits
        layer = layer_of(self.head)
        return logits if layer is None else layer(logits)  # type: ignore[no-any-return]


def readings(task: Task, pair_encoding: str) -> tuple[str, ...]:
    """What is read of an example, by the names that a head has for it."""
    if not task.pair:
        return ("first",)
    if pair_encoding == "pretrained":
        raise UsageError(
            f"Task '{task.name}': its head reads the encoder as it was before training beside the trained one, and what is "
            f"exported has one. Leave the task out with --task, or train it with another head."
        )
    return {"joint": ("joint",), "separate": _READ[:2], "both": _READ}[pair_encoding]


def traced(tail: Tail, width: int, layers: int) -> ExportedProgram:
    """The tail as torch's operations, for batches and sequences of any size. Raises UsageError where it is not made of such,
    or of what it is given."""
    batch = Dim("batch")
    given: list[Tensor] = []
    sizes: list[dict[int, Any]] = []
    generator = torch.Generator().manual_seed(0)
    for number, name in enumerate(tail.readings):
        if tail.of_embeddings:
            given.append(torch.randn(3, width, generator=generator))
            sizes.append({0: batch})
            continue
        length, tokens = Dim(f"{name}_length"), 6 + number
        shape = (*((layers,) if tail.all_layers else ()), 3, tokens, width)
        given += [torch.randn(shape, generator=generator), torch.ones(3, tokens, dtype=torch.long)]
        sizes += [{len(shape) - 3: batch, len(shape) - 2: length}, {0: batch, 1: length}]
    try:
        with torch.no_grad():
            return torch.export.export(tail.eval(), tuple(given), dynamic_shapes=(tuple(sizes),))
    except Exception as error:  # torch's own, or whatever a head raises that is given less than it reads
        asked = "its head reads more than embeddings" if tail.of_embeddings else "its head or its pooling cannot be traced"
        raise UsageError(f"Task '{tail.task.name}': {asked}: {in_words(error)[:300]}") from error


def meaning(kind: Kind) -> Meaning:
    """What the predictions of a kind mean."""
    labels = list(kind.labels)
    try:
        if kind.level == "token":
            return "label" if kind.value([float(i) for i in range(len(labels))]) == labels else "number"
        if labels and [kind.value(float(i)) for i in range(len(labels))] == labels:
            return "label"
    except Exception:  # the kind of several labels takes a list
        pass
    try:
        return "labels" if labels and kind.value([1.0] * len(labels)) == labels else "number"
    except Exception:
        return "number"
