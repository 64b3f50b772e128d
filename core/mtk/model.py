"""The model: one encoder, a head for each task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from mtk.data import Split
from mtk.data.batches import by_length
from mtk.data.tokens import Batch, TokenizedSplit
from mtk.encoder import Encoder
from mtk.errors import UsageError, nearest
from mtk.head import Encoding, Head
from mtk.promise import calling, tensor
from mtk.registry import Registry
from mtk.spec import Spec
from mtk.task import Task

EVALUATION_BATCH = 64


class Model(nn.Module):
    """An encoder shared by several tasks, and each task's head.

    `autocast` is the precision of the forward pass: bfloat16, or None for that of the weights.
    """

    def __init__(
        self, encoder: Encoder, tasks: Sequence[Task], specs: Mapping[str, Spec], max_length: int, registry: Registry
    ) -> None:
        """Fresh heads as `specs` names them, by task. Raises UsageError where `registry` cannot build one."""
        super().__init__()
        self.encoder = encoder
        self.tasks = {task.name: task for task in tasks}
        self.specs = dict(specs)
        self.components = {name: registry.find("head", spec.name) for name, spec in specs.items()}
        # In the order of the tasks. A ModuleDict would refuse names such as "keys" or "type" that a task may well have.
        self.heads = nn.ModuleList(self._build_head(task, registry) for task in tasks)
        self.max_length = max_length
        self.autocast: torch.dtype | None = None

    def _build_head(self, task: Task, registry: Registry) -> Head:
        head_type: type[Head] = self.components[task.name].load()
        inputs = 2 if task.pair and head_type.pair_encoding == "separate" else 1
        head = registry.build("head", self.specs[task.name], self.encoder.width, task.kind.outputs, inputs)
        assert isinstance(head, Head)
        return head

    def head(self, task: str) -> Head:
        """The head of one task."""
        head = self.heads[list(self.tasks).index(task)]
        assert isinstance(head, Head)
        return head

    @property
    def device(self) -> torch.device:
        return next(self.parameters()).device

    def computing(self) -> torch.autocast:
        """The context in which forward passes have this model's precision."""
        return torch.autocast(self.device.type, self.autocast, enabled=self.autocast is not None)

    def forward(self, task: str, batch: Batch, gradient_scale: Tensor | None = None) -> Tensor:
        """Logits [examples, outputs] in the precision of the weights; `gradient_scale` as `Encoder.forward` takes it.

        Raises UsageError, naming the head, if it fails or gives anything else."""
        with self.computing():
            return self.logits(task, batch, self.encoder(batch.inputs, gradient_scale))

    def logits(self, task: str, batch: Batch, encoding: Encoding) -> Tensor:
        """The same, when the encoder has done its part."""
        head, texts = self.head(task), (encoding,) if batch.sequences == 1 else _halves(encoding)
        with calling(head, "forward"):
            given = head(*texts)
        shape = (len(batch), self.tasks[task].kind.outputs)
        logits: Tensor = tensor(head, "forward", given, shape, encoding.embedding.device)
        return logits if self.autocast is None else logits.float()

    def loss(self, task: str, batch: Batch, gradient_scale: Tensor | None = None) -> Tensor:
        """The task's mean loss [] over a batch."""
        return self.tasks[task].kind.loss(self(task, batch, gradient_scale), batch.labels)

    def tokenize(self, task: str, split: Split) -> TokenizedSplit:
        """A split of one task as this model's encoder and the task's head read it."""
        joint = self.head(task).pair_encoding == "joint"
        return TokenizedSplit(split, self.encoder.tokenizer, joint=joint, max_length=self.max_length, device=self.device)

    @torch.no_grad()
    def predict_split(self, task: str, tokens: TokenizedSplit) -> Tensor:
        """The task's predictions [n] on the host, in the order of the split."""
        was_training = self.training
        self.eval()
        predictions = torch.empty(len(tokens))
        for examples in by_length(tokens.lengths, EVALUATION_BATCH):
            logits = self(task, tokens.batch(examples))
            predictions[examples] = self.tasks[task].kind.predict(logits).cpu()
        self.train(was_training)
        return predictions

    def predict(self, task: str, texts: Sequence[str] | Sequence[tuple[str, str]]) -> list[str | float]:
        """The task's prediction for each text, or for each pair of texts: a label, or a score.

        Raises UsageError for an unknown task, or for texts where the task takes pairs and the other way round.
        """
        if task not in self.tasks:
            raise UsageError(f"The model has no task '{task}'. {nearest(task, self.tasks)}")
        if not texts:
            return []
        known = self.tasks[task]
        if known.pair != (not isinstance(texts[0], str)):
            raise UsageError(f"Task '{task}' takes {'pairs of texts' if known.pair else 'single texts'}.")
        columns = tuple(map(list, zip(*texts, strict=True))) if known.pair else (list(texts),)
        split = Split([str(i) for i in range(len(texts))], columns, None, Path())  # type: ignore[arg-type]
        return [known.kind.value(p) for p in self.predict_split(task, self.tokenize(task, split)).tolist()]


def _halves(encoding: Encoding) -> tuple[Encoding, Encoding]:
    first, second = zip(*(tensor.chunk(2) for tensor in encoding), strict=True)
    return Encoding(*first), Encoding(*second)
