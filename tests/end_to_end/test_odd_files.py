"""Files that are odd in every way that people's files are: through the real command line, each is read as what it is, with
what is odd about it said, or refused in one message that says what to do."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from mtk_cli import cli

SPLITS = 'train = "train.csv"\ndev = "dev.csv"\ntest = "test.csv"\n'
BINARY = 'kind = "binary"\ntext = "text"\nlabel = "label"\n'
SCORE = 'kind = "regression"\nrange = [0, 5]\ntext = "text"\nlabel = "label"\n'
MOODS = 'kind = "classification"\nlabels = ["Good", "bad", "ok"]\ntext = "text"\nlabel = "label"\n'
LATIN = f'encoding = "latin-1"\n{BINARY}{SPLITS}'
PLAIN, SCORES, CLASSES = BINARY + SPLITS, SCORE + SPLITS, MOODS + SPLITS
TRAIN = "text,label\nthe dog is happy,1\nthe cat is awful,0\nthe dog eats bread,1\nthe cat eats fish,0\n"
DEV = "text,label\na dog is happy,1\na cat is awful,0\na dog eats bread,1\na cat eats fish,0\n"
TEST = "text\none dog is happy\none cat is awful\n"

Run = Callable[..., Result]


@pytest.fixture
def run(tiny_encoder: Path, tmp_path: Path) -> Run:
    """Trains on a task t of these files; what is not given is as it should be."""

    def run(table: str, *flags: str, **files: str | bytes) -> Result:
        root = tmp_path / "data"
        root.mkdir(exist_ok=True)
        (root / "tasks.toml").write_text(f"[t]\n{table}")
        sound = {"train_csv": TRAIN, "dev_csv": DEV, "test_csv": TEST} if SPLITS in table else {}
        for name, content in {**sound, **files}.items():
            encoded = content if isinstance(content, bytes) else content.encode()
            (root / name.replace("_", ".")).write_bytes(encoded)
        common = ["--encoder", str(tiny_encoder), "--steps", "1", "--head", "linear", "--max-length", "16"]
        out = ["--device", "cpu", "--out", str(tmp_path / "run")]
        return CliRunner().invoke(cli, ["run", "--data", str(root), *common, *out, *flags])

    return run


def labelled(text: str, *labels: str) -> str:
    """The same rows with these labels."""
    header, *rows = text.splitlines()
    return (
        "\n".join([header, *(f"{row.rpartition(',')[0]},{label}" for row, label in zip(rows, labels, strict=True))]) + "\n"
    )


SAID = {  # table, files, and what is said of them
    "nothing": (PLAIN, {}, ""),
    "an empty cell for no label": (
        f'unlabelled = [""]\n{PLAIN}',
        {"train_csv": TRAIN + "the dog,\n"},
        "train.csv: 1 of 5 rows have no label and are left out",
    ),
    "UTF-16 with a mark": (PLAIN, {"train_csv": TRAIN.encode("utf-16")}, ""),
    "a mark that encoding contradicts": (
        LATIN,
        {"dev_csv": DEV.encode("utf-8-sig")},
        "",
    ),
    "UTF-8 read as latin-1": (
        LATIN,
        {"train_csv": TRAIN.replace("dog", "café")},
        "train.csv: it seems to be UTF-8",
    ),
    "cp1252 read as latin-1": (
        LATIN,
        {"train_csv": TRAIN.replace("dog", "dog’s").encode("cp1252")},
        'is `encoding = "cp1252"` meant?',
    ),
    "rows that a stray quote made one": (
        BINARY + SPLITS,
        {"train_csv": 'text,label\n"the dog,1\nthe cat",0\nthe bread,1\n'},
        "1 of 2 texts hold what looks like rows of their own",
    ),
    "training rows in dev": (PLAIN, {"dev_csv": TRAIN}, "4 of 4 dev rows stand in the training rows too"),
    "training rows in test": (
        BINARY + SPLITS,
        {"test_csv": TEST + "the dog is happy\n"},
        "1 of 3 test rows stand in the training rows too",
    ),
    "a label that no training row has": (
        MOODS + SPLITS,
        {"train_csv": labelled(TRAIN, "Good", "bad", "bad", "bad"), "dev_csv": labelled(DEV, "ok", "bad", "ok", "Good")},
        "2 of 4 dev rows have a label that no training row has: ok",
    ),
    "an imbalanced dev": (
        BINARY + SPLITS,
        {"dev_csv": "text,label\n" + "".join(f"dog {i},{int(i > 0)}\n" for i in range(40))},
        "39 of 40 rows have the label 1: who always says so is right in 97.5%",
    ),
    "test labels all equal": (
        BINARY + SPLITS,
        {"test_csv": "text,label\nx,1\ny,1\n"},
        "test.csv: every row has the label 1",
    ),
    "ids that come again": (
        f'id = "id"\n{BINARY}{SPLITS}',
        {"test_csv": "id,text\n7,the dog\n7,the cat\n"},
        "test.csv: 1 of 2 rows have an id that stands before, such as '7'",
    ),
    "one row": (PLAIN, {"train_csv": "text,label\nthe dog,1\n"}, "train.csv: there is one row in it"),
    "texts that the encoder cannot read": (
        BINARY + SPLITS,
        {"train_csv": TRAIN + "你好,1\n"},
        "1 of 5 sequences have no token that the encoder knows",
    ),
    "emoji and right to left": (PLAIN, {"train_csv": TRAIN + "the 😀👩‍👧 \u202edog,1\nthe שלום עולם,0\n"}, ""),
    "spaces around labels": (PLAIN, {"train_csv": labelled(TRAIN, " 1", "0 ", "1\u00a0", "0")}, ""),
    "an array under another name": (
        f'{BINARY}train = "train.jsonl"\ndev = 0.5',
        {"train_jsonl": json.dumps([{"text": "a dog", "label": 1}, {"text": "a cat", "label": 0}])},
        "1 of 2 rows are the development set",
    ),
}


@pytest.mark.parametrize("case", SAID)
def test_what_is_odd_is_said(case: str, run: Run) -> None:
    table, files, said = SAID[case]
    result = run(table, **files)
    assert result.exit_code == 0, result.output
    assert said in result.output
    notes = [line for line in result.output.splitlines() if line.startswith("t: ") and "is no better than" not in line]
    if not said:
        assert not notes, "nothing is odd about it"


JSON = f'{BINARY}train = "train.json"\ndev = 0.5'
REFUSED = {
    "UTF-16 without a mark": (PLAIN, {"train_csv": TRAIN.encode("utf-16-le")}, "utf-16-le"),
    "UTF-16 that is none": (f'encoding = "utf-16"\n{BINARY}{SPLITS}', {}, "this is not utf-16"),
    "a NUL": (PLAIN, {"train_csv": TRAIN + "the \0 dog,1\n"}, "train.csv:6: there is a NUL"),
    "a quote that never closes": (
        BINARY + SPLITS,
        {"train_csv": TRAIN + '"the dog,1\n'},
        "train.csv:6: the row that starts",
    ),
    "the header twice": (PLAIN, {"train_csv": TRAIN + TRAIN}, "train.csv:6: the header stands here again"),
    "the header twice, unlabelled": (PLAIN, {"test_csv": TEST + TEST}, "test.csv:4: the header stands here again"),
    "a column twice": (PLAIN, {"dev_csv": "text,label,text\na,1,b\n"}, "2 columns are named 'text'"),
    "columns of another case": (PLAIN, {"dev_csv": DEV.upper()}, "did you mean TEXT?"),
    "a semicolon": (PLAIN, {"dev_csv": DEV.replace(",", ";")}, 'separator = ";"'),
    "a bar": (PLAIN, {"dev_csv": DEV.replace(",", "|")}, 'separator = "|"'),
    "JSON in a table": (PLAIN, {"dev_csv": '{"text": "a", "label": 1}\n'}, "this is JSON"),
    "a page": (PLAIN, {"dev_csv": "<!DOCTYPE html>\n<html>404</html>\n"}, "a web page"),
    "a table in JSON": (JSON, {"train_json": TRAIN}, "If it is a table"),
    "an object with the rows": (JSON, {"train_json": '{"data": [{"text": "a", "label": 1}]}'}, "the rows in 'data'"),
    "an object of several lines": (JSON, {"train_json": '{\n "text": "a",\n "label": 1\n}\n'}, "goes over several lines"),
    "a zip archive": (PLAIN, {"train_csv": b"PK\x03\x04\x14\0"}, "a zip archive"),
    "gzip under another name": (PLAIN, {"train_csv": b"\x1f\x8b\x08\0"}, "packed with gzip"),
    "a suffix of an archive": (f'{BINARY}train = "train.zip"\ndev = 0.5', {"train_zip": b"PK"}, "Unpack an archive"),
    "an empty file": (PLAIN, {"dev_csv": ""}, "dev.csv: the file is empty"),
    "a header alone": (PLAIN, {"test_csv": "text\n"}, "test.csv: there is not one row"),
    "a text of white space": (PLAIN, {"dev_csv": DEV + "\u00a0 ,1\n"}, "dev.csv:6: 'text' is empty"),
    "a text that nobody sees": (PLAIN, {"dev_csv": DEV + "\u200b,1\n"}, "dev.csv:6: 'text' is empty"),
    "labels of another case": (
        MOODS + SPLITS,
        {"train_csv": labelled(TRAIN, "good", "bad", "ok", "Bad")},
        '"good" = "Good"',
    ),
    "decimal commas": (SCORES, {"train_csv": labelled(TRAIN, '"1,5"', '"2,5"', "3", "4")}, "with a decimal point"),
    "thousands": (
        SCORE + SPLITS,
        {"train_csv": labelled(TRAIN, '"1,500"', '"2,500"', "3", "4")},
        "no separator of thousands",
    ),
    "per cent": (SCORES, {"train_csv": labelled(TRAIN, "1%", "2%", "3", "4")}, "no percent sign"),
    "-1 and 1": (PLAIN, {"train_csv": labelled(TRAIN, "1", "-1", "1", "-1")}, 'labels = ["-1", "1"]'),
    "an id that is the label": (f'id = "label"\n{BINARY}{SPLITS}', {}, "`id` and `label` name one column"),
    "a label that stands for none": (f'unlabelled = ["1"]\n{BINARY}{SPLITS}', {}, "cannot stand for none"),
}
SLIPS = ("the header twice", "a text of white space", "a text that nobody sees", "the header twice, unlabelled")


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_meant_is_refused(case: str, run: Run, tmp_path: Path) -> None:
    table, files, said = REFUSED[case]
    for flags in ([], ["--bad-rows", "skip"]):
        result = run(table, *flags, **files)
        if flags and case in SLIPS:
            assert result.exit_code == 0 and "t: 1 bad row left out" in result.output
            continue
        assert result.exit_code == 1, result.output
        assert said in result.stderr and result.stderr.count("error:") == 1
        assert "Traceback" not in result.output and not (tmp_path / "run").exists()


@pytest.mark.parametrize("label", ["nan", "inf", "-inf", "", "1_0", "0x1", "1e999"])
def test_a_score_that_is_no_number_is_a_slip(label: str, run: Run) -> None:
    files = {"train_csv": labelled(TRAIN, "1", label, "2", "3"), "dev_csv": labelled(DEV, "1", "2", "3", "4")}
    refused = run(SCORES, **files)
    assert refused.exit_code == 1 and "train.csv:3" in refused.stderr
    assert "1 bad row left out" in run(SCORES, "--bad-rows", "skip", **files).output


@pytest.mark.parametrize("kind", ["directory", "socket", "loop", "nothing behind a link"])
def test_what_is_no_file(kind: str, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "data").mkdir()
    monkeypatch.chdir(tmp_path / "data")
    path = Path("x.csv")
    if kind == "directory":
        path.mkdir()
    elif kind == "socket":
        socket.socket(socket.AF_UNIX).bind(str(path))
    else:
        path.symlink_to("x.csv" if kind == "loop" else "nowhere")
    result = run(f'{BINARY}train = "x.csv"\ndev = 0.5')
    assert result.exit_code == 1 and "x.csv: it cannot be read: " in result.stderr
    for command in (["augment", "x.csv", "--with", "random-swap", "--out", "y.csv"], ["tasks", "."]):
        said = CliRunner().invoke(cli, command)
        assert said.exit_code == 1 and "x.csv" in said.stderr and not Path("y.csv").exists()


def test_a_test_file_may_have_ids_alone_and_several_tasks_one_file(run: Run, tmp_path: Path) -> None:
    rows = "text,mood,score\nthe dog is happy,Good,4.5\nthe cat is awful,bad,0.5\nthe dog eats,ok,2\nthe cat eats,bad,1.5\n"
    table = MOODS.replace('"label"', '"mood"') + 'id = "id"\ntrain = "all.csv"\ndev = 0.5\ntest = "test.csv"\n'
    table += "\n[u]\n" + SCORE.replace('"label"', '"score"') + 'train = "all.csv"\ndev = 0.25\n'
    result = run(table, all_csv=rows, test_csv="id,text\nq7,a dog\nq9,a cat\n")
    assert result.exit_code == 0, result.output
    written = tmp_path / "run" / "predictions"
    assert [line.split(",")[0] for line in (written / "t-test-output.csv").read_text().split()] == ["id", "q7", "q9"]
    assert len((written / "u-dev-output.csv").read_text().split()) == 2, "a share of its own"


def test_flags_say_of_other_files_what_the_tasks_toml_does_not(run: Run, tmp_path: Path) -> None:
    assert run(PLAIN).exit_code == 0
    root, out = tmp_path / "data", str(tmp_path / "run")
    (root / "test.csv").write_bytes("text|label\nthe “dog|yes\nthe cat|no\nthe fish|?\n".encode("cp1252"))
    form = ["--separator", "|", "--encoding", "cp1252", "--quote", "none"]
    labels = ["--map", "yes=1", "--map", "no=0", "--unlabelled", "?"]
    result = CliRunner().invoke(cli, ["eval", out, "--split", "test", "--device", "cpu", *form, *labels])
    assert result.exit_code == 0 and "1 of 3 rows have no label and are not scored" in result.stderr, result.output
    (tmp_path / "x.csv").write_text("key|review\nq1|the dog\nq2|the cat\n")
    named = ["--text", "review", "--id", "key", "--separator", "|", "--json", "--device", "cpu"]
    result = CliRunner().invoke(cli, ["predict", out, "t", str(tmp_path / "x.csv"), *named])
    assert [json.loads(line)["id"] for line in result.stdout.splitlines()] == ["q1", "q2"], result.output
    result = CliRunner().invoke(cli, ["predict", out, "t", str(tmp_path / "x.csv"), *named, "--text", "key"])
    assert result.exit_code == 2 and "--text: task 't' is of 1 texts, and 2 columns are named" in result.stderr
