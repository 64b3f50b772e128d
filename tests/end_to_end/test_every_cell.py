"""Every head learns every kind of task, from one text and from two, under every combiner; and every augmenter trains."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest
import torch

from mtk.config import RunConfig
from mtk.data import Split
from mtk.data.augmentation import augment_split, build_augmenter
from mtk.data.tokens import TokenizedSplit
from mtk.encoder import load_encoder
from mtk.events import Progress
from mtk.model import Model
from mtk.registry import Registry
from mtk.spec import Spec
from mtk.task import Binary, Classification, Kind, Regression, Task
from mtk.trainer import Trainer

REGISTRY = Registry()
HEADS = [c.name for c in REGISTRY.components if c.kind == "head"]
COMBINERS = [c.name for c in REGISTRY.components if c.kind == "combiner"]
AUGMENTERS = [c.name for c in REGISTRY.components if c.kind == "augmenter"]
KINDS: list[Kind] = [Classification(("0", "1", "2")), Binary(), Regression(0, 2)]

GRADES = (("awful", "boring", "dull", "sad"), ("fair", "plain", "quiet", "usual"), ("bright", "happy", "lovely", "warm"))
EXAMPLES = 32


def split(kind: Kind, pair: bool, seed: int) -> Split:
    """Sentences whose word tells the label; of a pair, how alike its sentences are tells it."""
    rng = Random(seed)
    highest = 2 if not isinstance(kind, Binary) else 1
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
    encoder: Path, tasks: list[Task], splits: dict[str, Split], heads: dict[str, Spec], combiner: str
) -> tuple[float, float]:
    """The loss of the first task over its training set, before and after."""
    torch.manual_seed(0)
    model = Model(load_encoder(str(encoder), "mean"), tasks, heads, 64, REGISTRY)
    tokens = {name: model.tokenize(name, s) for name, s in splits.items()}
    config = RunConfig(epochs=3, epoch=8, learning_rate=2e-3, head_learning_rate=1e-2, batch_size=8, dropout=0.0)
    built = REGISTRY.build("combiner", Spec(combiner), [t.name for t in tasks])
    reports: list[Progress] = []
    trainer = Trainer(model, built, tokens, config, reports.append)
    before = loss(model, tokens)
    assert list(trainer.epochs()) == [1, 2, 3]
    assert reports[-1].step == trainer.steps
    return before, loss(model, tokens)


@torch.no_grad()
def loss(model: Model, tokens: dict[str, TokenizedSplit]) -> float:
    model.eval()
    name = next(iter(tokens))
    return model.loss(name, tokens[name].batch(range(len(tokens[name])))).item()


@pytest.mark.parametrize("combiner", COMBINERS)
@pytest.mark.parametrize("pair", [False, True], ids=["single", "pair"])
@pytest.mark.parametrize("kind", KINDS, ids=str)
@pytest.mark.parametrize("head", HEADS)
def test_the_loss_falls(tiny_encoder: Path, head: str, kind: Kind, pair: bool, combiner: str) -> None:
    tasks = [make_task("main", kind, pair), make_task("beside", Binary(), pair=False)]
    splits = {"main": split(kind, pair, 0), "beside": split(Binary(), False, 1)}
    before, after = train(tiny_encoder, tasks, splits, {"main": Spec(head), "beside": Spec("linear")}, combiner)
    assert after < 0.95 * before


@pytest.mark.parametrize("augmenter", AUGMENTERS)
def test_the_loss_falls_on_augmented_text(tiny_encoder: Path, augmenter: str, wordnet: None) -> None:
    task, original = (
        make_task("main", Classification(("0", "1", "2")), pair=False),
        split(Classification(("0", "1", "2")), False, 0),
    )
    built, _ = build_augmenter(REGISTRY, augmenter)
    augmented = augment_split(original, built, 2, Random(0))
    assert len(augmented) == 3 * EXAMPLES
    before, after = train(tiny_encoder, [task], {"main": augmented}, {"main": Spec("cnn")}, "sum")
    assert after < 0.95 * before
