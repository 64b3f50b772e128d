"""Every head learns every kind of task, from one text and from two; so it does under every combiner of mtk's own; and every
augmenter trains."""

from __future__ import annotations

from pathlib import Path

import pytest
from building import REGISTRY
from kinds import Binary, Classification
from learnable import EXAMPLES, KINDS, make_task, split, train

from mtk.data.augmentation import augment_split
from mtk.kind import Kind

HEADS = [c.name for c in REGISTRY.components if c.kind == "head" and c.load().level == "text"]
ROUNDS = {"moco": 16}  # whose estimates of the gradients begin at zero
OPTIONS = {"pivrg": ":baseline=0.5/0.5"}  # of what cannot be built without
OURS = [c.name for c in REGISTRY.components if c.kind == "combiner" and c.plugin == "optimizers"]
COMBINERS = [name + OPTIONS.get(name, "") for name in OURS]
AUGMENTERS = [c.name for c in REGISTRY.components if c.kind == "augmenter"]


# A combiner sees no head: with one of them each is tried, with the others one of each way to combine.
CELLS = [(head, combiner) for head in HEADS for combiner in (COMBINERS if head == "linear" else ("sum", "pcgrad", "moco"))]


@pytest.mark.parametrize("pair", [False, True], ids=["single", "pair"])
@pytest.mark.parametrize("kind", KINDS, ids=str)
@pytest.mark.parametrize(("head", "combiner"), CELLS)
def test_the_loss_falls(tiny_encoder: Path, head: str, kind: Kind, pair: bool, combiner: str) -> None:
    tasks = [make_task("main", kind, pair), make_task("beside", Binary(), pair=False)]
    splits = {"main": split(kind, pair, 0), "beside": split(Binary(), False, 1)}
    heads = {"main": head, "beside": "linear"}
    before, after = train(tiny_encoder, tasks, splits, heads, combiner, ROUNDS.get(combiner, 8))
    assert after < 0.95 * before


@pytest.mark.parametrize("augmenter", AUGMENTERS)
def test_the_loss_falls_on_augmented_text(tiny_encoder: Path, augmenter: str, wordnet: None) -> None:
    task, original = (
        make_task("main", Classification(("0", "1", "2")), pair=False),
        split(Classification(("0", "1", "2")), False, 0),
    )
    built = REGISTRY.part("augmenter", augmenter).build()
    augmented = augment_split(original, built, 2, 0, task)
    assert len(augmented) == 3 * EXAMPLES
    before, after = train(tiny_encoder, [task], {"main": augmented}, {"main": "cnn"}, "sum")
    assert after < 0.95 * before
