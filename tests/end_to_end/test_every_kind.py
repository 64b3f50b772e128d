"""Kinds of several labels, of words and of candidates learn with every head that can do with them, better than chance;
what cannot go together is refused by name before anything runs."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest
from building import REGISTRY
from kinds import Binary, make
from learnable import EXAMPLES, GRADES, make_task, split, stages

import mtk
from mtk.data.split import Split
from mtk.kind import Kind
from mtk.training.evaluation import evaluate_splits

COMBINERS = ("sum", "pcgrad", "upgrad")
HEADS = {
    level: [c.name for c in REGISTRY.components if c.kind == "head" and c.load().level == level]
    for level in ("text", "token")
}
KINDS = [
    make("multilabel", ("dog", "cat", "bird")),
    make("ordinal", ("low", "middle", "high")),
    make("ranking"),
    make("multiple-choice"),
    make("tokens", ("O", "B-MOOD")),
]
CELLS = [(kind, head, combiner) for kind in KINDS for head in HEADS[kind.level] for combiner in COMBINERS]


def rows(kind: Kind) -> Split:
    """Sentences whose words tell the labels, in the form that the kind reads."""
    rng = Random(0)
    texts, labels = [], []
    others: list[tuple[str, ...]] = []
    for number in range(EXAMPLES):
        grade = number % 3
        mood = rng.choice(GRADES[grade])
        animals = [a for i, a in enumerate(("dog", "cat", "bird")) if number >> i & 1]
        words = ["the", "dog", "is", mood, "and", *animals] if kind.labels[:1] != ("dog",) else ["the", *animals, "is", mood]
        texts.append(" ".join(words))
        if kind.candidates:
            right = number % 3  # which has a word of its own
            others.append(tuple(f"this is {rng.choice(GRADES[2 if i == right else 0])}" for i in range(3)))
            labels.append(kind.read_label([str(int(i == right)) for i in range(3)]))
        elif kind.level == "token":
            labels.append(kind.read_label(["B-MOOD" if word == mood else "O" for word in words]))
        else:
            labels.append(kind.read_label(animals if kind.outputs == 3 else kind.labels[grade]))
    columns = (texts, others) if kind.candidates else (texts,)
    read = [label if isinstance(label, float) else tuple(label) for label in labels]
    return Split([str(i) for i in range(EXAMPLES)], columns, read, Path("made here"))


def chance(kind: Kind) -> float:
    """What the score is of whoever says the same of everything, the best of it."""
    if kind.candidates:
        return 11 / 18 if "mrr" in kind.metric_names else 0.5  # of three in any order; more than a third of the choices
    if kind.level == "token" or kind.outputs == 3:
        return 0.6  # of F1, as much as saying yes always
    return 0.1  # of kappa, which is 0 for chance


@pytest.mark.parametrize(("kind", "head", "combiner"), CELLS, ids=lambda part: str(part))
def test_it_beats_chance(tiny_encoder: Path, kind: Kind, head: str, combiner: str) -> None:
    tasks = [make_task("main", kind, pair=kind.candidates), make_task("beside", Binary(), pair=False)]
    splits = {"main": rows(kind), "beside": split(Binary(), False, 1)}
    rounds = 16 if str(kind).startswith("ordinal") else 8  # which has one score for three labels
    *_, (model, tokens) = stages(tiny_encoder, tasks, splits, {"main": head, "beside": "linear"}, combiner, rounds)
    score = next(iter(evaluate_splits(model, {"main": tokens["main"]}).metrics["main"].values()))
    assert score > chance(kind)


TASKS = """\
[ner]
kind = "tokens"
labels = ["O", "B-X"]
text = "t"
label = "y"
train = "a.csv"
dev = "a.csv"
"""


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"heads": {"ner": "linear"}}, r"asks for logits of each word, and the head 'linear.*' gives those of a whole text"),
        ({"augment": {"ner": "random-swap"}}, "whose labels are those of single words"),
    ],
)
def test_what_cannot_go_together_is_refused(tiny_encoder: Path, tmp_path: Path, settings: dict, reason: str) -> None:  # type: ignore[type-arg]
    (tmp_path / "tasks.toml").write_text(TASKS)
    (tmp_path / "a.csv").write_text("t,y\na dog,O B-X\nthe cat,O B-X\n")
    with pytest.raises(mtk.UsageError, match=reason):
        mtk.run(data=str(tmp_path), encoder=str(tiny_encoder), device="cpu", out=tmp_path / "run", **settings)
    assert not (tmp_path / "run").exists()
