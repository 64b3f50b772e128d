"""The model: one encoder, a head for each task."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from copy import deepcopy
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, Self

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot

from mtk.calling.failures import broken, call, calling, tensor
from mtk.data.batches import by_length
from mtk.data.shards import Tokens
from mtk.data.split import Split
from mtk.data.tokens import ENCODINGS, Batch, Inputs, Reading, TokenizedSplit
from mtk.errors import NonFiniteError, UsageError, nearest, out_of_memory_explained
from mtk.head import Encoding, Head, PairEncoding
from mtk.kind import Kind
from mtk.model.encoder import Encoder, Layers
from mtk.model.r_drop import r_drop
from mtk.task import Task

EVALUATION_BATCH = 64  # examples at most
EVALUATION_TOKENS = 448
"""Of a batch on a CPU at most, for each thread: then what a layer gives is still in the caches when the next one reads it.
MiniLM on 96 sentences, one thread: 1.3 times as fast as in batches of 64 (`benchmarks/predict.py`)."""
SMALLER_PREDICTION = (
    "Use --precision bf16 or a --device with more memory, or train with a smaller --max-length, which texts are cut to."
)


class Loss(NamedTuple):
    """What one task's batch costs."""

    total: Tensor  # []: the mean loss over the batch, and the head's own losses
    own: dict[str, Tensor]  # those, by name; [] each, without a graph


class Answers(NamedTuple):
    """A model's to a split, in its order, on the host."""

    predictions: Tensor  # as the kind's labels are
    probabilities: Tensor | None  # as the kind gives them, where they were asked for and it gives any
    loss: float  # the mean, where it was asked for


class _Answering:
    """What a model says of one task's split, batch by batch."""

    def __init__(self, model: Model, task: str, tokens: TokenizedSplit, losses: bool, probabilities: bool) -> None:
        self._model, self._task, self._tokens = model, task, tokens
        self._losses, self._probabilities = losses, probabilities
        self._predictions, self._likely, self._finite, self._loss = list[Tensor](), list[Tensor](), list[Tensor](), 0.0

    def add(self, examples: Sequence[int], encodings: Sequence[Encoding]) -> None:
        model, tokens, kind = self._model, self._tokens, self._model.tasks[self._task].kind
        batch = tokens.batch(examples)
        logits = model.logits_of(self._task, batch, encodings)
        self._finite.append(logits.isfinite().flatten(1).all(dim=1).cpu())
        self._predictions.append(model.predicted(self._task, tokens, examples, batch, logits))
        asked: dict[str, Any] = {"logits": logits, "mask": _mask(batch)}
        if self._probabilities and (of_labels := call(kind, "probabilities", **asked)) is not None:
            surely = one_hot(torch.tensor(kind.unread).long(), of_labels.shape[-1])
            self._likely.append(tokens.by_item(of_labels.float(), batch, examples, surely).cpu())
        if self._losses:
            self._loss += model.loss_of_logits(self._task, batch, logits).item() * len(examples)

    def in_order(self, place: Tensor, rows: Sequence[int]) -> Answers:
        """Everything, where `place` says in which batch's place each of these `rows` of the split was. Raises
        NonFiniteError."""
        tokens = self._tokens
        if not rows:
            return Answers(torch.empty(0), None, 0.0)
        if unfit := (~torch.cat(self._finite)[place]).nonzero().flatten().tolist():
            raise NonFiniteError(
                f"The model's logits for task '{self._task}' are no finite numbers on {len(unfit)} of {len(rows)} rows, "
                f"such as {tokens.ids[rows[unfit[0]]]} of {tokens.source}."
            )
        likely = torch.cat(self._likely)[place] if self._likely else None
        return Answers(torch.cat(self._predictions)[place], likely, self._loss / len(rows))


class Model(nn.Module):
    """An encoder shared by several tasks, and each task's head.

    `autocast` is the precision of the forward pass: bfloat16, float16, or None for that of the weights.
    """

    def __init__(
        self,
        encoder: Encoder,
        tasks: Sequence[Task],
        heads: Mapping[str, Head],
        max_length: int,
        pretrained: Encoder | None = None,
    ) -> None:
        """`pretrained` is the encoder before training, for heads that read it; a copy of the one that is given, if None."""
        super().__init__()
        self.encoder = encoder
        self.tasks = {task.name: task for task in tasks}
        # In the order of the tasks. A ModuleDict would refuse names such as "keys" or "type" that a task may well have.
        self.heads = nn.ModuleList(heads[name] for name in self.tasks)
        self.max_length = max_length
        self.autocast: torch.dtype | None = None
        self._kept: list[Encoder] = []  # no module of this one: nothing trains it, and a checkpoint need not have it
        if any(task.pair and heads[task.name].pair_encoding == "pretrained" for task in tasks):
            self.keep(pretrained or deepcopy(encoder))

    def keep(self, encoder: Encoder) -> None:
        """Let it be what heads read as the encoder before training. It is this model's from here on, and stays as it is."""
        self._kept = [encoder.requires_grad_(False).eval().to(self.device)]

    @property
    def pretrained(self) -> Encoder | None:
        """The encoder before training, where a head reads it."""
        return self._kept[0] if self._kept else None

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        for kept in self._kept:
            kept._apply(fn, recurse)
        super()._apply(fn, recurse)
        return self

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

    def forward(self, task: str, batch: Batch) -> Tensor:
        """Logits [examples, outputs], or [examples, items, outputs] of words and candidates, in the precision of the
        weights.

        Raises UsageError, naming the head, if it fails or gives anything else."""
        with self.computing():
            return self.logits_of(task, batch, self.encode(batch))

    def logits_of(self, task: str, batch: Batch, encodings: Sequence[Encoding]) -> Tensor:
        """The same, when the encoder has done its part: an encoding for each reading of the batch."""
        with self.computing():
            return self._logits(task, batch, encodings, labels=None)[0]

    def loss(self, task: str, batch: Batch) -> Loss:
        """The task's loss over a batch."""
        with self.computing():
            return self.loss_of(task, batch, self.encode(batch))

    def encode(self, batch: Batch) -> list[Encoding]:
        """An encoding for each reading of the batch, inside `computing`."""
        return [self.read(reading, batch) for reading in batch.readings]

    def read(self, reading: Reading, batch: Batch, states: Callable[[Inputs], Layers] | None = None) -> Encoding:
        """That of one of them. `states` gives those of the encoder before training, where that is computed in a way of its
        own."""
        if not reading.pretrained:
            found: Encoding = self.encoder(reading.inputs)
            return found
        assert self.pretrained
        with torch.no_grad():
            times = 2 if batch.r_drop else 1  # it drops nothing, so one pass of an example tells what two would
            inputs = {name: v.unflatten(0, (reading.sequences, times, -1))[:, 0] for name, v in reading.inputs.items()}
            inputs = {name: values.flatten(0, 1) for name, values in inputs.items()}
            layers = self.pretrained.layers(inputs) if states is None else states(inputs)
            once = self.pretrained.encoding(layers, inputs["attention_mask"])
            by_text = (part.unflatten(0, (reading.sequences, 1, -1)) for part in once)
            return Encoding(*(part.expand(-1, times, *part.shape[2:]).flatten(0, 2) for part in by_text))

    def loss_of(self, task: str, batch: Batch, encodings: Sequence[Encoding]) -> Loss:
        """The same, when the encoder has done its part, inside `computing`: an encoding for each reading of the batch."""
        logits, own = self._logits(task, batch, encodings, labels=batch.labels)
        total = self.loss_of_logits(task, batch, logits)
        if batch.r_drop:
            with self.computing(losses=True):
                own = {**own, "r_drop": r_drop(self.tasks[task].kind, batch.r_drop, logits, _mask(batch))}
        for value in own.values():
            total = total + value
        return Loss(total * self.tasks[task].weight, {name: value.detach() for name, value in own.items()})

    def loss_of_logits(self, task: str, batch: Batch, logits: Tensor) -> Tensor:
        """That of the task's kind [], in the precision of the weights."""
        kind = self.tasks[task].kind
        with self.computing(losses=True):
            loss = call(kind, "loss", logits=logits, labels=batch.labels, mask=_mask(batch))
            found: Tensor = tensor(kind, "loss", loss, (), logits.device)
        return found

    def tokenize(self, task: str, split: Split, *, keep: bool = True) -> TokenizedSplit:
        """A split of one task as this model's encoder and the task's head read it; its tokens are kept in the user's cache
        if they are to be."""
        return TokenizedSplit(
            split,
            self.encoder.tokenizer,
            pair_encoding=self.head(task).pair_encoding,
            max_length=self.max_length,
            device=self.device,
            words=self.tasks[task].kind.level == "token",
            keep=keep,
        )

    def predict_split(
        self,
        task: str,
        tokens: TokenizedSplit,
        progressed: Callable[[int], object] = lambda done: None,
        rows: Sequence[int] | None = None,
        passes: int = 0,
    ) -> Tensor:
        """The task's predictions on the host, as its kind's labels are, in the order of the split, or in that of some of its
        `rows`. `progressed` hears after every batch how many examples are done. The encoder makes `passes` at least."""
        return self._over_splits([(task, tokens)], progressed, rows, passes)[0].predictions

    def probabilities_of_split(
        self, task: str, tokens: TokenizedSplit, progressed: Callable[[int], object] = lambda done: None
    ) -> tuple[Tensor, Tensor]:
        """The same, and the probabilities as the kind gives them. Raises UsageError for a task that predicts a score."""
        none = UsageError(f"Task '{task}' predicts a score, which has no probabilities.")
        if not self.tasks[task].has_probabilities:
            raise none
        answers = self._over_splits([(task, tokens)], progressed, probabilities=[task])[0]
        if answers.probabilities is None:
            raise none
        return answers.predictions, answers.probabilities

    def evaluate_splits(
        self,
        splits: Sequence[tuple[str, TokenizedSplit]],
        progressed: Callable[[int], object] = lambda done: None,
        rows: Sequence[int] | None = None,
        passes: int = 0,
    ) -> list[Answers]:
        """The predictions for each (task, split), the mean loss of its logits, without a head's own losses, and the
        probabilities of labels that a whole text has. The splits have labels, and the encoder reads the same in all of them
        (`read_alike`), which it does once. It makes `passes` at least, where other processes need it for theirs."""
        tasks = [self.tasks[task] for task, _ in splits]
        likely = {t.name for t in tasks if t.has_probabilities and t.kind.level == "text" and not t.kind.candidates}
        return self._over_splits(splits, progressed, rows, passes, losses=True, probabilities=likely)

    def passes(self, read: TokenizedSplit, rows: Sequence[int]) -> int:
        """How many the encoder makes over these rows of a split."""
        return len(list(self._batches(read, rows)))

    def alike(self, tasks: Iterable[str]) -> list[list[str]]:
        """These tasks in groups that read an example alike: what one of a group tokenizes and encodes serves the others."""
        found: dict[object, list[str]] = {}
        for name in tasks:
            task = self.tasks[name]
            reads = self.head(name).pair_encoding if task.pair else "alone"
            found.setdefault((reads, task.kind.level, task.kind.candidates), []).append(name)
        return list(found.values())

    def answer(
        self,
        tasks: Sequence[str],
        tokens: TokenizedSplit,
        *,
        probabilities: bool = False,
        progressed: Callable[[int], object] = lambda done: None,
    ) -> dict[str, list[dict[str, Any]]]:
        """What each of these tasks, which read alike, says of each example of a split, with one encoding for all: its
        `prediction`, and its `probabilities` where these are asked for and it has any. `progressed` hears after every batch
        how many examples are done."""
        likely = tasks if probabilities else ()
        answers = self._over_splits([(task, tokens) for task in tasks], progressed, probabilities=likely)
        found = {}
        for task, own in zip(tasks, answers, strict=True):
            found[task] = [{"prediction": value} for value in values(self.tasks[task].kind, own.predictions)]
            if own.probabilities is not None:
                for answer, row in zip(found[task], own.probabilities.tolist(), strict=True):
                    answer["probabilities"] = by_label(self.tasks[task], row)
        return found

    @torch.no_grad()
    def _over_splits(
        self,
        splits: Sequence[tuple[str, TokenizedSplit]],
        progressed: Callable[[int], object],
        rows: Sequence[int] | None = None,
        passes: int = 0,
        *,
        losses: bool = False,
        probabilities: Collection[str] = (),
    ) -> list[Answers]:
        was_training, (_, read) = self.training, splits[0]
        chosen = range(len(read)) if rows is None else rows
        self.eval()
        order: list[int] = []
        answers = [_Answering(self, task, tokens, losses, task in probabilities) for task, tokens in splits]
        for places in self._batches(read, chosen):
            examples = [chosen[place] for place in places]
            batch = read.batch(examples)
            named = ", ".join(task for task, _ in splits)
            with out_of_memory_explained(partial("predicting {} for {}".format, named, batch), SMALLER_PREDICTION):
                with self.computing():
                    encodings = self.encode(batch)
                passes -= 1
                try:
                    for answering in answers:
                        answering.add(examples, encodings)
                    order += places
                    progressed(len(order))
                except BaseException:
                    self._pass_anything(read, passes)
                    raise
        self._pass_anything(read, passes)
        self.train(was_training)
        place = torch.tensor(order, dtype=torch.long).argsort()
        return [answering.in_order(place, chosen) for answering in answers]

    def _pass_anything(self, read: TokenizedSplit, passes: int) -> None:
        """Let the encoder make so many, which others wait for."""
        for _ in range(passes):
            with self.computing():
                self.encode(read.batch([0]))

    def _batches(self, read: TokenizedSplit, rows: Sequence[int]) -> Iterator[list[int]]:
        """The places in `rows` of what is predicted at once. On a CPU it is not their number alone that bounds them, but the
        tokens of the longest sequences of a batch's examples, one each."""
        most = EVALUATION_TOKENS * torch.get_num_threads() // read.sequences if self.device.type == "cpu" else None
        return by_length([read.lengths[row] for row in rows], EVALUATION_BATCH, most)

    def predicted(self, task: str, tokens: Tokens, examples: Sequence[int], batch: Batch, logits: Tensor) -> Tensor:
        """What these logits of a batch of `examples` predict, on the host, as the kind's labels are. Raises UsageError,
        naming the kind, where it fails or gives anything else."""
        kind = self.tasks[task].kind
        given = call(kind, "predict", logits=logits, mask=_mask(batch))
        if not isinstance(given, Tensor) or given.shape[:1] != (len(batch),):
            gave = list(given.shape) if isinstance(given, Tensor) else type(given).__name__
            raise broken(kind, "predict", f"its predict promises a tensor [{len(batch)}, …], and gave {gave}")
        return tokens.by_item(given.float(), batch, examples, torch.tensor(kind.unread)).cpu()

    def predict(
        self,
        task: str,
        texts: Sequence[Any],
        *,
        probabilities: bool = False,
        progressed: Callable[[int], object] = lambda done: None,
    ) -> list[Any]:
        """The task's prediction for each text, or for each pair of texts: a label, a score, or a list of such where the task
        has several of an example; or the probability of each label. Candidates stand as a tuple in place of a text.
        `progressed` hears after every batch how many texts are done.

        Raises UsageError for an unknown task, for texts where the task takes pairs and the other way round, and for
        probabilities of a task that predicts a score.
        """
        if task not in self.tasks:
            raise UsageError(f"The model has no task '{task}'. {nearest(task, self.tasks)}")
        if not texts:
            return []
        known = self.tasks[task]
        tokens = self.tokenize(task, self.split_of(task, texts))
        if not probabilities:
            return values(known.kind, self.predict_split(task, tokens, progressed))
        return [by_label(known, row) for row in self.probabilities_of_split(task, tokens, progressed)[1].tolist()]

    def split_of(self, task: str, texts: Sequence[Any]) -> Split:
        """Texts, as `predict` takes them, as a split. Raises UsageError for what the task does not take."""
        return Split([str(i) for i in range(len(texts))], _columns(self.tasks[task], texts), None, Path())

    def _logits(
        self, task: str, batch: Batch, encodings: Sequence[Encoding], labels: Tensor | None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """What the head makes of them: logits as `forward` has them, and losses [] of its own."""
        head, kind = self.head(task), self.tasks[task].kind
        offered: dict[str, Any] = {**_as_read(batch, encodings), "labels": labels}
        given = call(head, "forward", **offered)
        logits, own = _taken_apart(head, given)
        device = encodings[0].embedding.device
        rows = encodings[0].tokens.shape[0] // batch.readings[0].sequences
        length = (encodings[0].tokens.shape[1],) if kind.level == "token" else ()
        tensor(head, "forward", logits, (rows, *length, kind.outputs), device)
        if (layer := layer_of(head)) is not None:
            logits = layer(logits)
        if batch.places is not None:
            at = logits if kind.level == "token" else logits[batch.places.clamp_min(0)]
            logits = at.masked_fill((batch.places < 0).unsqueeze(-1), 0)
        own = {name: tensor(head, "forward", value, (), device).float() for name, value in own.items()}
        return (logits if self.autocast is None else logits.float()), own


LAYER = "layer of the kind"
"""The name of the module that a kind puts on its task's head: one that no attribute of the head's own can have."""


def layer_of(head: Head) -> nn.Module | None:
    """What the task's kind put on the head, if anything."""
    return head._modules.get(LAYER)


def values(kind: Kind, predictions: Tensor) -> list[Any]:
    """What predictions mean, each with as many items as it has. Raises UsageError where the kind fails to say it."""
    rows = predictions.tolist()
    with calling(kind, "value"):
        return [kind.value([x for x in row if x == x] if isinstance(row, list) else row) for row in rows]


def written(kind: Kind, values: Iterable[Any]) -> list[str]:
    """The same as they stand in cells of a table."""
    with calling(kind, "written"):
        return [kind.written(value) for value in values]


def by_label(task: Task, probabilities: list[Any]) -> Any:
    """Probabilities by the labels they are of, for each word where there are several; a list of those of candidates."""
    there = [p for p in probabilities if p == p]
    if there and isinstance(there[0], list):
        return [by_label(task, row) for row in there if row[0] == row[0]]
    return there if task.kind.candidates else dict(zip(task.labels, there, strict=True))


def _mask(batch: Batch) -> Tensor | None:
    return None if batch.places is None else batch.places >= 0


def _columns(task: Task, texts: Sequence[Any]) -> tuple[Any, ...]:
    """Texts, or pairs of them, as the columns of a split. Raises UsageError where they are the other, or no such thing."""
    columns = [list(texts)]
    if task.pair:
        if any(isinstance(text, str) or len(text) != 2 for text in texts):
            raise UsageError(f"Task '{task.name}' takes pairs of texts.")
        columns = [list(column) for column in zip(*texts, strict=True)]
    if not task.kind.candidates:
        if not all(isinstance(text, str) for column in columns for text in column):
            raise UsageError(f"Task '{task.name}' takes {'pairs of texts' if task.pair else 'single texts'}.")
        return tuple(columns)
    lists = [[tuple(t) if isinstance(t, list | tuple) else t for t in column] for column in columns]
    if [all(isinstance(t, tuple) and t for t in column) for column in lists].count(True) != 1:
        raise UsageError(f"Task '{task.name}' takes {'a text and a list' if task.pair else 'a list'} of its candidates.")
    return tuple(lists)


def inputs_of(pair_encoding: PairEncoding, pair: bool) -> int:
    """How many encodings a head's `forward` gets."""
    return len(ENCODINGS[pair_encoding]) if pair else 1


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
