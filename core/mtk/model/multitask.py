"""The model: one encoder, a head for each task."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, Literal, NamedTuple, overload

import torch
from torch import Tensor, nn

from mtk.calling.failures import broken, call, tensor
from mtk.data.batches import by_length
from mtk.data.split import Split
from mtk.data.tokens import Batch, TokenizedSplit
from mtk.errors import NonFiniteError, UsageError, nearest
from mtk.head import Encoding, Head, PairEncoding
from mtk.model.encoder import Encoder
from mtk.task import Task

EVALUATION_BATCH = 64


class Loss(NamedTuple):
    """What one task's batch costs."""

    total: Tensor  # []: the mean loss over the batch, and the head's own losses
    own: dict[str, Tensor]  # those, by name; [] each, without a graph


class _Answers(NamedTuple):
    """A model's to a split, in its order, on the host."""

    predictions: Tensor  # [n]
    probabilities: Tensor | None  # [n, labels], where they were asked for and there are labels
    loss: float  # the mean, where it was asked for


class Model(nn.Module):
    """An encoder shared by several tasks, and each task's head.

    `autocast` is the precision of the forward pass: bfloat16, or None for that of the weights.
    """

    def __init__(self, encoder: Encoder, tasks: Sequence[Task], heads: Mapping[str, Head], max_length: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.tasks = {task.name: task for task in tasks}
        # In the order of the tasks. A ModuleDict would refuse names such as "keys" or "type" that a task may well have.
        self.heads = nn.ModuleList(heads[name] for name in self.tasks)
        self.max_length = max_length
        self.autocast: torch.dtype | None = None

    def head(self, task: str) -> Head:
        """The head of one task."""
        head = self.heads[list(self.tasks).index(task)]
        assert isinstance(head, Head)
        return head

    @property
    def device(self) -> torch.device:
        return next(self.parameters()).device

    def computing(self, *, losses: bool = False) -> AbstractContextManager[object]:
        """The context in which forward passes have this model's precision; `losses` are computed in that of the weights."""
        if self.autocast is None:
            return nullcontext()
        return torch.autocast(self.device.type, self.autocast, enabled=not losses)

    def forward(self, task: str, batch: Batch, gradient_scale: Tensor | None = None) -> Tensor:
        """Logits [examples, outputs] in the precision of the weights; `gradient_scale` as `Encoder.forward` takes it.

        Raises UsageError, naming the head, if it fails or gives anything else."""
        with self.computing():
            return self._logits(task, batch, self._encode(batch, gradient_scale), labels=None)[0]

    def loss(self, task: str, batch: Batch, gradient_scale: Tensor | None = None) -> Loss:
        """The task's loss over a batch."""
        with self.computing():
            return self.loss_of(task, batch, self._encode(batch, gradient_scale))

    def loss_of(self, task: str, batch: Batch, encodings: Sequence[Encoding]) -> Loss:
        """The same, when the encoder has done its part, inside `computing`: an encoding for each reading of the batch."""
        logits, own = self._logits(task, batch, encodings, labels=batch.labels)
        with self.computing(losses=True):
            total: Tensor = self.tasks[task].kind.loss(logits, batch.labels)
        for value in own.values():
            total = total + value
        return Loss(total, {name: value.detach() for name, value in own.items()})

    def tokenize(self, task: str, split: Split) -> TokenizedSplit:
        """A split of one task as this model's encoder and the task's head read it."""
        return TokenizedSplit(
            split,
            self.encoder.tokenizer,
            pair_encoding=self.head(task).pair_encoding,
            max_length=self.max_length,
            device=self.device,
        )

    def predict_split(
        self, task: str, tokens: TokenizedSplit, progressed: Callable[[int], object] = lambda done: None
    ) -> Tensor:
        """The task's predictions [n] on the host, in the order of the split. `progressed` hears after every batch how many
        examples are done."""
        return self._over_split(task, tokens, progressed).predictions

    def probabilities_of_split(
        self, task: str, tokens: TokenizedSplit, progressed: Callable[[int], object] = lambda done: None
    ) -> tuple[Tensor, Tensor | None]:
        """The same, and the probability of each label [n, labels]; None of a task that predicts a score."""
        answers = self._over_split(task, tokens, progressed, probabilities=True)
        return answers.predictions, answers.probabilities

    def evaluate_split(
        self, task: str, tokens: TokenizedSplit, progressed: Callable[[int], object] = lambda done: None
    ) -> tuple[Tensor, float]:
        """The same for a split with labels, and the mean loss of its logits, without a head's own losses."""
        answers = self._over_split(task, tokens, progressed, losses=True)
        return answers.predictions, answers.loss

    @torch.no_grad()
    def _over_split(
        self,
        task: str,
        tokens: TokenizedSplit,
        progressed: Callable[[int], object],
        *,
        losses: bool = False,
        probabilities: bool = False,
    ) -> _Answers:
        was_training, kind, labels = self.training, self.tasks[task].kind, self.tasks[task].labels
        self.eval()
        predictions, loss, done = torch.empty(len(tokens)), 0.0, 0
        likely = torch.empty(len(tokens), len(labels)) if probabilities and labels else None
        for examples in by_length(tokens.lengths, EVALUATION_BATCH):
            batch = tokens.batch(examples)
            logits = self(task, batch)
            predicted = torch.where(logits.isfinite().all(dim=1), kind.predict(logits), torch.nan)
            predictions[examples] = predicted.cpu()
            if likely is not None and (known := kind.probabilities(logits)) is not None:
                likely[examples] = known.float().cpu()
            if losses:
                with self.computing(losses=True):
                    loss += kind.loss(logits, batch.labels).item() * len(examples)
            done += len(examples)
            progressed(done)
        self.train(was_training)
        if unfit := torch.isnan(predictions).nonzero().flatten().tolist():
            raise NonFiniteError(
                f"The model's logits for task '{task}' are no finite numbers on {len(unfit)} of {len(tokens)} rows, such as "
                f"{tokens.ids[unfit[0]]} of {tokens.source}."
            )
        return _Answers(predictions, likely, loss / max(1, len(tokens)))

    @overload
    def predict(
        self,
        task: str,
        texts: Sequence[str] | Sequence[tuple[str, str]],
        *,
        probabilities: Literal[False] = False,
        progressed: Callable[[int], object] = ...,
    ) -> list[str | float]: ...

    @overload
    def predict(
        self,
        task: str,
        texts: Sequence[str] | Sequence[tuple[str, str]],
        *,
        probabilities: Literal[True],
        progressed: Callable[[int], object] = ...,
    ) -> list[dict[str, float]]: ...

    def predict(
        self,
        task: str,
        texts: Sequence[str] | Sequence[tuple[str, str]],
        *,
        probabilities: bool = False,
        progressed: Callable[[int], object] = lambda done: None,
    ) -> list[str | float] | list[dict[str, float]]:
        """The task's prediction for each text, or for each pair of texts: a label, or a score; or the probability of each
        label. `progressed` hears after every batch how many texts are done.

        Raises UsageError for an unknown task, for texts where the task takes pairs and the other way round, and for
        probabilities of a task that predicts a score.
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
        tokens = self.tokenize(task, split)
        if not probabilities:
            return [known.kind.value(p) for p in self.predict_split(task, tokens, progressed).tolist()]
        likely = self.probabilities_of_split(task, tokens, progressed)[1]
        if likely is None:
            raise UsageError(f"Task '{task}' predicts a score, which has no probabilities.")
        return [dict(zip(known.labels, row, strict=True)) for row in likely.tolist()]

    def _encode(self, batch: Batch, gradient_scale: Tensor | None) -> list[Encoding]:
        return [self.encoder(reading.inputs, gradient_scale) for reading in batch.readings]

    def _logits(
        self, task: str, batch: Batch, encodings: Sequence[Encoding], labels: Tensor | None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """What the head makes of them: logits [examples, outputs], and losses [] of its own."""
        head = self.head(task)
        offered: dict[str, Any] = {**_as_read(batch, encodings), "labels": labels}
        given = call(head, "forward", **offered)
        logits, own = _taken_apart(head, given)
        device = encodings[0].embedding.device
        tensor(head, "forward", logits, (len(batch), self.tasks[task].kind.outputs), device)
        own = {name: tensor(head, "forward", value, (), device).float() for name, value in own.items()}
        return (logits if self.autocast is None else logits.float()), own


def inputs_of(pair_encoding: PairEncoding, pair: bool) -> int:
    """How many encodings a head's `forward` gets."""
    return {"joint": 1, "separate": 2, "both": 3}[pair_encoding] if pair else 1


def _as_read(batch: Batch, encodings: Sequence[Encoding]) -> dict[str, Encoding | None]:
    """The encodings by the names that a head calls them."""
    given: dict[str, Encoding | None] = {"first": encodings[0], "second": None, "joint": None}
    if batch.readings[0].sequences == 2:
        first, second = zip(*(part.chunk(2) for part in encodings[0]), strict=True)
        given.update(first=Encoding(*first), second=Encoding(*second))
    if len(encodings) == 2:
        given["joint"] = encodings[1]
    return given


def _taken_apart(head: Head, given: Any) -> tuple[Any, dict[str, Any]]:
    if not isinstance(given, tuple):
        return given, {}
    if len(given) == 2 and isinstance(given[1], dict) and all(isinstance(name, str) for name in given[1]):
        return given
    promised = "its forward promises logits, or a pair of logits and losses by name"
    raise broken(head, "forward", f"{promised}, and gave a tuple of {', '.join(type(part).__name__ for part in given)}")
