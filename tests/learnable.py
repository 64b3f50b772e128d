"""A corpus whose labels are written on its sentences, and a training of a fraction of a second that learns them: what a
test of a head, a combiner or an augmenter asks whether it trains."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from random import Random

import building
import torch
from kinds import Binary, Classification, Regression

from mtk.config import RunConfig
from mtk.data.split import Split
from mtk.data.tokens import TokenizedSplit
from mtk.events import Progress
from mtk.kind import Kind
from mtk.model.multitask import Model
from mtk.task import Task
from mtk.training.trainer import Trainer

KINDS: list[Kind] = [Classification(("0", "1", "2")), Binary(), Regression(0, 2)]

GRADES = (("awful", "boring", "dull", "sad"), ("fair", "plain", "quiet", "usual"), ("bright", "happy", "lovely", "warm"))
EXAMPLES = 32


def split(kind: Kind, pair: bool, seed: int) -> Split:
    """Sentences whose word tells the label; of a pair, how alike its sentences are tells it."""
    rng = Random(seed)
    highest = 2 if len(kind.labels) != 2 else 1
    labels = [float(i % (highest + 1)) for i in range(EXAMPLES)]
    first = [
        f"the dog is {rng.choice(GRADES[int(label)])} and the cat is {rng.choice(GRADES[int(label)])}" for label in labels
    ]
    if not pair:
        return Split([str(i) for i in range(EXAMPLES)], (first,), labels, Path("made here"))
    kept = [6 if label == highest else 3 * int(label) for label in labels]
    second = [" ".join([*text.split()[:k], *(["queen"] * (9 - k))]) for text, k in zip(first, kept, strict=True)]
    return Split([str(i) for i in range(EXAMPLES)], (first, second), labels, Path("made here"))


def make_task(name: str, kind: Kind, pair: bool) -> Task:
    return Task(name=name, kind=kind, text=("a", "b") if pair else ("a",), label="y")


def train(
    encoder: Path, tasks: list[Task], splits: dict[str, Split], heads: dict[str, str], combiner: str, rounds: int = 8
) -> tuple[float, float]:
    """The loss of the first task over its training set, before and after."""
    before, after = (loss(model, tokens) for model, tokens in stages(encoder, tasks, splits, heads, combiner, rounds))
    return before, after


def stages(
    encoder: Path, tasks: list[Task], splits: dict[str, Split], heads: dict[str, str], combiner: str, rounds: int = 8
) -> Iterator[tuple[Model, dict[str, TokenizedSplit]]]:
    """The model and its training sets, before training and after three epochs of so many rounds."""
    torch.manual_seed(0)
    model = building.model(encoder, tasks, heads)
    tokens = {name: model.tokenize(name, s) for name, s in splits.items()}
    config = RunConfig(epochs=3, epoch=rounds, learning_rate=2e-3, head_learning_rate=1e-2, batch_size=8, dropout=0.0)
    names = [t.name for t in tasks]
    engine = building.engine(model, building.combiner(combiner, names), names=tokens[names[0]].names)
    reports: list[Progress] = []
    trainer = Trainer(engine, tokens, dict.fromkeys(names, 8), config, building.recipe(), report=reports.append)
    yield model, tokens
    assert list(trainer.evaluations()) == [1, 2, 3]
    assert reports[-1].step == trainer.steps
    yield model, tokens


@torch.no_grad()
def loss(model: torch.nn.Module, tokens: dict[str, TokenizedSplit]) -> float:
    model.eval()
    name = next(iter(tokens))
    return model.loss(name, tokens[name].batch(range(len(tokens[name])))).total.item()
