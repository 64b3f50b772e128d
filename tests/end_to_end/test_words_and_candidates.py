"""Labels of words, several labels and candidates, from files as the field has them to predictions, through the command
line; and what the run says of them is what seqeval and scikit-learn say of the written predictions, to 1e-8."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from random import Random

import numpy as np
import pytest
from command_line import invoke
from seqeval.metrics import f1_score, precision_score, recall_score
from sklearn import metrics
from sklearn.metrics import ndcg_score

TOML = """\
[ner]
kind = "tokens"
labels = ["O", "B-PER", "I-PER", "B-LOC"]
text = "#1"
label = "#-1"
train = "ner-train.conll"
dev = "ner-dev.conll"

[mood]
kind = "multilabel"
labels = ["joy", "fear", "anger"]
text = "text"
label = "moods"
id = "id"
class_weights = "balanced"
train = "mood-train.csv"
dev = "mood-dev.csv"

[rank]
kind = "ranking"
text = ["query", "text"]
label = "grade"
group = "query_id"
train = "rank-train.csv"
dev = "rank-dev.csv"

[choice]
kind = "multiple-choice"
text = ["start", ["a", "b", "c"]]
label = "right"
train = "choice-train.jsonl"
dev = "choice-dev.jsonl"
"""
SPLITS = {"train": 24, "dev": 30}
PLACES = ("rome", "oslo")
MOODS = {"joy": "happy", "fear": "scared", "anger": "furious"}


def sentence(rng: Random) -> Iterator[tuple[str, str]]:
    yield from (("the", "O"), ("dog", "O"))
    if rng.random() < 0.7:
        yield from (("queen", "B-PER"), ("king", "I-PER"))
    yield from (("sees", "O"), (rng.choice(PLACES), "B-LOC"))


def table(path: Path, header: str, rows: list[list[object]]) -> None:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([header.split(","), *rows])


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root, rng = tmp_path_factory.mktemp("data"), Random(3)
    (root / "tasks.toml").write_text(TOML)
    for split, count in SPLITS.items():
        words = ["".join(f"{word} X {tag}\n" for word, tag in sentence(rng)) for _ in range(count)]
        (root / f"ner-{split}.conll").write_text("-DOCSTART- X O\n\n" + "\n".join(words))
        moods = [[mood for mood in MOODS if rng.random() < 0.4] for _ in range(count)]
        rows: list[list[object]] = [[f"m{i}", " ".join(["a", *map(MOODS.get, m)]), ",".join(m)] for i, m in enumerate(moods)]  # type: ignore[list-item]
        table(root / f"mood-{split}.csv", "id,text,moods", rows)
        pairs = [
            [f"q{i}", f"what is {i}", f"{rng.choice(list(MOODS))} {n}", rng.randrange(3)]
            for i in range(count)
            for n in range(4)
        ]
        rng.shuffle(pairs)
        table(root / f"rank-{split}.csv", "query_id,query,text,grade", pairs)
        lines = [
            {"start": "the dog", "a": "eats", "b": "sees", "c": rng.choice(PLACES), "right": rng.randrange(3)} for _ in moods
        ]
        (root / f"choice-{split}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return root


@pytest.fixture(scope="module")
def run(data: Path, tiny_encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "run"
    told = invoke(
        *("run", "--data", str(data), "--encoder", str(tiny_encoder), "--device", "cpu", "--combiner", "pcgrad"),
        *("--epochs", "3", "--lr", "1e-3", "--out", str(out)),
    )
    assert told.exit_code == 0, told.output
    return out


def predictions(run: Path, task: str) -> dict[str, str]:
    with (run / "predictions" / f"{task}-dev-output.csv").open(newline="") as file:
        return {row["id"]: row["prediction"] for row in csv.DictReader(file)}


def told(run: Path, task: str) -> dict[str, float]:
    found: dict[str, float] = json.loads((run / "summary.json").read_text())["best"]["metrics"][task]
    return found


def test_spans_are_scored_as_seqeval_does(run: Path, data: Path) -> None:
    text = (data / "ner-dev.conll").read_text().removeprefix("-DOCSTART- X O\n\n")
    wanted = [[line.split()[-1] for line in block.splitlines()] for block in text.split("\n\n") if block]
    found = [row.split() for row in predictions(run, "ner").values()]
    assert [len(tags) for tags in found] == [len(tags) for tags in wanted]
    for name, score in {"f1": f1_score, "precision": precision_score, "recall": recall_score}.items():
        assert told(run, "ner")[name] == pytest.approx(score(wanted, found, zero_division=0), abs=1e-8)


def test_several_labels_are_scored_as_scikit_learn_does(run: Path, data: Path) -> None:
    with (data / "mood-dev.csv").open(newline="") as file:
        wanted = {row["id"]: row["moods"] for row in csv.DictReader(file)}
    found = predictions(run, "mood")
    assert found.keys() == wanted.keys()
    y, p = ([[mood in said[i].split(",") for mood in MOODS] for i in wanted] for said in (wanted, found))
    for name, average in {"micro_f1": "micro", "macro_f1": "macro"}.items():
        assert told(run, "mood")[name] == pytest.approx(metrics.f1_score(y, p, average=average, zero_division=0), abs=1e-8)
    assert told(run, "mood")["exact"] == pytest.approx(metrics.accuracy_score(y, p), abs=1e-8)


def test_rankings_are_scored_as_scikit_learn_does(run: Path, data: Path) -> None:
    grades: dict[str, list[int]] = {}
    with (data / "rank-dev.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            grades.setdefault(row["query_id"], []).append(int(row["grade"]))
    scores = {group: [float(score) for score in row.split()] for group, row in predictions(run, "rank").items()}
    assert scores.keys() == grades.keys()
    kept = [group for group, own in grades.items() if any(own)]
    y, p = (np.array([of[group] for group in kept]) for of in (grades, scores))
    assert told(run, "rank")["ndcg"] == pytest.approx(ndcg_score(y, p), abs=1e-8)
    ranks = np.lexsort((y, -p))  # of those that score alike the relevant ones come last, as the kind says
    first = [1 + next(place for place, i in enumerate(order) if own[i] > 0) for order, own in zip(ranks, y, strict=True)]
    assert told(run, "rank")["mrr"] == pytest.approx(np.mean(1 / np.array(first)), abs=1e-8)


def test_a_file_is_predicted_in_its_order_with_what_is_likely(run: Path, data: Path) -> None:
    for task, file in {"ner": "ner-dev.conll", "choice": "choice-dev.jsonl", "mood": "mood-dev.csv"}.items():
        said = invoke("predict", str(run), task, str(data / file), "--json", "--probabilities", "--device", "cpu")
        assert said.exit_code == 0, said.output
        records = [json.loads(line) for line in said.stdout.splitlines()]
        assert [str(record["id"]) for record in records] == list(predictions(run, task))
        for record in records:
            likely = record["probabilities"]
            if task == "ner":
                assert [max(word, key=word.get) for word in likely] == record["prediction"]
            elif task == "choice":
                assert str(max(range(3), key=likely.__getitem__)) == record["prediction"]
            else:
                assert [mood for mood, p in likely.items() if p > 0.5] == record["prediction"]


def test_plain_text_is_predicted_too(run: Path) -> None:
    words = invoke("predict", str(run), "ner", "--device", "cpu", stdin="the dog sees rome\n")
    assert len(words.stdout.split()) == 4
    choice = invoke("predict", str(run), "choice", "--device", "cpu", stdin="the dog\teats\tsees\trome\n")
    assert choice.stdout.strip() in {"0", "1", "2"}


def test_the_model_says_the_same_from_python(run: Path) -> None:
    import mtk

    model = mtk.load(run, device="cpu")
    (tags,) = model.predict("ner", ["the dog sees rome"])
    assert len(tags) == 4
    (scores,) = model.predict("rank", [("what is 3", ["joy 1", "fear 2"])])
    assert len(scores) == 2
    with pytest.raises(mtk.UsageError, match="takes a text and a list of its candidates"):
        model.predict("rank", [("what is 3", "joy")])


def test_probabilities_of_words_are_no_table(run: Path, data: Path) -> None:
    said = invoke("predict", str(run), "ner", str(data / "ner-dev.conll"), "--probabilities", "--device", "cpu")
    assert said.exit_code == 2
    assert "are no table. --json prints them" in said.output
