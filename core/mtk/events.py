"""What a run tells of itself while it goes on. Each is a record to read; the hooks of `hookspecs` carry them."""

from __future__ import annotations

from html import escape
from pathlib import Path

import msgspec


class Preparation(msgspec.Struct, frozen=True):
    """What a run does before it can begin."""

    stage: str  # in a few words, such as "reading 3 tasks"


class PlannedTask(msgspec.Struct, frozen=True, kw_only=True):
    """One task as it will be trained."""

    name: str
    kind: str  # such as "classification(5)"
    pair: bool
    head: str  # NAME:key=value,…
    augmenter: str | None
    batch_size: int
    train: int  # examples, augmented ones included
    augmented: int  # how many of them the augmenter made
    dev: int
    test: int
    skipped: list[str]  # one "file:line: reason" for each bad row left out
    notes: list[str] = []  # what else somebody should know of its rows: how many have no label, or were drawn


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """A whole run, before its first step."""

    tasks: list[PlannedTask]
    encoder: str
    parameters: int  # of encoder and heads
    frozen: int = 0  # those of them that are not trained
    combiner: str
    sampler: str = "equal"
    optimizer: str = "adamw"
    schedule: str = "linear"
    pooling: str = "mean"
    stages: list[str] = []  # what comes before training, in its order
    device: str
    precision: str
    processes: int = 1  # that train it together, each on its share of a step's examples
    sharded: bool = False  # whether each of them holds a part of the encoder, and not all of it
    recorded: bool  # whether steps are recorded as CUDA graphs
    plain: str | None  # why the tasks pass the encoder one after the other; None where they do so at once
    epochs: int
    steps: int  # optimizer steps in the whole run
    notes: list[
        str
    ]  # a line for each thing that somebody should know: a version that changed, a name that two packages have
    out: Path


class Conflict(msgspec.Struct, frozen=True, kw_only=True):
    """How often the tasks' gradients over the encoder, or over one of its layers, were in conflict: before the combiner two
    are where their inner product is negative; after it one is where that with the combined gradient is."""

    steps: int  # since the last report, with two tasks or more, of which this tells
    before: float  # the share of the steps in which any two were
    after: float  # the share in which any one was: the step went against that task
    pairs: dict[str, float]  # "a/b" -> the share of the steps with both in which they were
    tasks: dict[str, float]  # task -> the share of its steps that went against it


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """The state of training after `step` optimizer steps."""

    step: int
    steps: int
    epoch: int  # counted from 1
    losses: dict[str, float]  # task -> mean loss since the last report, the head's own losses included
    own_losses: dict[str, float] = {}  # "task/name" -> that of each loss that a head has of its own
    cosines: dict[str, float] = {}  # "a/b" -> mean cosine of the gradients of tasks a and b, where a Gramian was computed
    layer_cosines: dict[str, dict[str, float]] = {}  # layer of the encoder -> the same in it, where it was computed by layer
    gradient_norms: dict[str, float] = {}  # task -> mean length of its gradient over the encoder, as for `cosines`
    conflict: Conflict | None = None  # where a Gramian was computed
    layer_conflicts: dict[str, Conflict] = {}  # layer -> that in it, where Gramians were computed by layer
    learning_rate: float
    examples_per_second: float
    loss_scale: float | None = None  # by which losses are multiplied in the backward pass, with fp16
    skipped: int = 0
    """Steps of the run so far that made no update, since fp16 could not hold a gradient, or it was no finite number."""

    @property
    def scalars(self) -> dict[str, float]:
        """What a curve is drawn of, by name, such as `loss/TASK`: for a listener that hands it on."""
        return {
            **{f"loss/{task}": loss for task, loss in self.losses.items()},
            **{f"own_loss/{name}": loss for name, loss in self.own_losses.items()},
            **{f"cosine/{pair}": cosine for pair, cosine in self.cosines.items()},
            **{
                f"layer_cosine/{layer}/{pair}": cosine
                for layer, cosines in self.layer_cosines.items()
                for pair, cosine in cosines.items()
            },
            **({"conflict/before": self.conflict.before, "conflict/after": self.conflict.after} if self.conflict else {}),
            "learning_rate": self.learning_rate,
            "examples_per_second": self.examples_per_second,
        }


class StageProgress(msgspec.Struct, frozen=True, kw_only=True):
    """The state of a stage, which comes before training, after `step` steps of its own."""

    stage: str  # NAME:key=value,…
    number: int  # of the run's stages, counted from 1
    step: int
    steps: int
    epoch: int  # counted from 1
    loss: float  # the mean since the last report
    learning_rate: float
    texts_per_second: float
    loss_scale: float | None = None  # as in `Progress`
    skipped: int = 0


class EvaluationStart(msgspec.Struct, frozen=True, kw_only=True):
    """An evaluation that begins."""

    step: int
    epoch: int
    examples: dict[str, int]  # task -> those of its development set; "task/NAME" -> those of a further one


class EvaluationProgress(msgspec.Struct, frozen=True, kw_only=True):
    """How far an evaluation is."""

    task: str  # or "task/NAME", as in `EvaluationStart`
    done: int  # examples of the task
    examples: int  # that it has


class Evaluation(msgspec.Struct, frozen=True, kw_only=True):
    """Every task's metrics on its development set."""

    step: int
    epoch: int
    metrics: dict[str, dict[str, float]]  # task -> metric -> value; the first metric is the task's score
    average: float  # mean of the tasks' scores
    best: bool  # the best average so far
    losses: dict[str, float] = {}  # task -> mean loss of its logits over the development set, without a head's own losses
    further: dict[str, dict[str, float]] = {}  # "task/NAME" -> the metrics on a development set beside the one that decides

    @property
    def scalars(self) -> dict[str, float]:
        """The same of each task's metrics on its development sets, `dev/TASK/METRIC`, and of the average."""
        metrics = {**self.metrics, **self.further}
        by_name = {f"dev/{task}/{metric}": value for task, of_task in metrics.items() for metric, value in of_task.items()}
        return {**by_name, "dev/average": self.average}

    def _repr_html_(self) -> str:
        """What a notebook shows: a line for each task."""
        rows = [_row(task, values) for task, values in {**self.metrics, **self.further}.items()]
        told = f"epoch {self.epoch}, step {self.step}: average {self.average:.4f}"
        return f"<table><caption>{told}</caption><tbody>{''.join(rows)}</tbody></table>"


class Stop(msgspec.Struct, frozen=True):
    """What a listener's `mtk_evaluated` answers to end the run: it ends as if it had come to its end."""

    reason: str  # in words that stand in the result and on the screen


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What a run came to."""

    out: Path
    epochs: int
    steps: int
    seconds: float  # of training and evaluation
    examples_per_second: float  # in training
    best: Evaluation | None
    interrupted: bool
    stopped: str | None = None  # why a listener ended it
    skipped: int = 0  # steps that made no update, for a loss or a gradient was no finite number
    notes: list[str] = []  # a line for what somebody should know: steps left out, a task that seems not to be learned

    def _repr_html_(self) -> str:
        """What a notebook shows: the best evaluation, what somebody should know, and where the model is."""
        table = self.best._repr_html_() if self.best else ""
        lines = [*self.notes, *([f"Stopped: {self.stopped}."] if self.stopped else []), f"In {self.out}"]
        return table + "".join(f"<p>{escape(line)}</p>" for line in lines)


def _row(task: str, values: dict[str, float]) -> str:
    cells = (cell for name, value in values.items() for cell in (escape(name), f"{value:.4f}"))
    return f"<tr><th>{escape(task)}</th>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"
