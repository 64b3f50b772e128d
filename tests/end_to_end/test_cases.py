"""Files as people really have them, through the real command line: each is read as what it is, or refused in one message.

The inputs that stand in ../shared/cases are run as they are, where that folder is there; the same kinds of input are made
here, so that nothing depends on it.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from mtk_cli import cli

CASES = Path(__file__).parents[3] / "shared" / "cases"

ONE = 'text = "text"\nlabel = "label"\n'
BINARY = f'kind = "binary"\n{ONE}'
FILES = 'train = "train.csv"\ndev = "train.csv"\n'
ROWS = "text,label\nthe dog is happy,1\nthe cat is awful,0\nthe dog eats bread,1\nthe cat eats fish,0\n"

Mtk = Callable[..., Result]


@pytest.fixture
def mtk(tiny_encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Mtk:
    """The command line; `run` on the tiny encoder, into tmp_path/run."""
    monkeypatch.chdir(tmp_path)

    def mtk(command: str, *arguments: object, stdin: bytes | str = "") -> Result:
        given = [command, *map(str, arguments)]
        if command == "run":
            given += ["--encoder", str(tiny_encoder), "--epochs", "1", "--batch-size", "4", "--max-length", "16"]
            given += ["--head", "linear", "--device", "cpu", "--out", "run"]
        return CliRunner().invoke(cli, given, input=stdin)

    return mtk


def corpus(root: Path, table: str, **files: str | bytes) -> Path:
    """A directory of one task t; `train_csv` is the file train.csv."""
    root.mkdir(exist_ok=True)
    (root / "tasks.toml").write_text(f"[t]\n{table}")
    for name, content in files.items():
        path = root / name.replace("_", ".")
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return root


def case(name: str, tmp_path: Path) -> Path:
    """A copy of a shared case, to add to."""
    if not (CASES / name).is_dir():
        pytest.skip(f"{CASES / name} is not there")
    return Path(shutil.copytree(CASES / name, tmp_path / "case"))


def say(root: Path, line: str) -> Path:
    """Add a key to the (only) task."""
    path = root / "tasks.toml"
    path.write_text(f"{path.read_text()}\n{line}\n")
    return root


def good(result: Result) -> str:
    assert result.exit_code == 0, result.output
    return result.output


def refused(result: Result, *words: str) -> None:
    assert result.exit_code in (1, 2), result.output
    assert result.stderr.count("error:") == 1 and "Traceback" not in result.output
    for word in words:
        assert word in result.stderr, result.stderr


def sizes(output: str, task: str = "t") -> tuple[int, int, int]:
    """Training, development and test rows, as the table of tasks says them."""
    (line,) = (line for line in output.splitlines() if line.split()[:1] == [task] and "linear" in line)
    numbers = [word for word in line.split()[-5:] if word.isdigit()]
    train, dev, test = (int(word) for word in numbers[-3:])
    return train, dev, test


# ---------------------------------------------------------------- the shared cases

SHARED = {
    "01-glue-tsv-quotes": ('quote = "none"', (3, 3, 0)),
    "02-txt-with-separator": ("", (3, 3, 0)),
    "03-hf-test-minus-1": ('unlabelled = ["-1"]', (4, 4, 4)),
    "08-no-header": ('columns = ["label", "title", "description"]', (4, 4, 0)),
    "12-kaggle-spam": ("", (4, 4, 0)),
    "15-test-partly-labelled": ("", (4, 4, 3)),
    "27-no-dev": ("dev = 0.1", (3, 1, 0)),
    "32-nested-json": ("", (1, 1, 0)),
}


@pytest.mark.parametrize(("name", "key", "expected"), [(n, *v) for n, v in SHARED.items()], ids=SHARED)
def test_a_shared_case_runs(name: str, key: str, expected: tuple[int, int, int], tmp_path: Path, mtk: Mtk) -> None:
    assert sizes(good(mtk("run", "--data", say(case(name, tmp_path), key)))) == expected


def test_a_list_of_files_and_a_pattern(tmp_path: Path, mtk: Mtk) -> None:
    table = f'{BINARY}train = ["a.csv", "b.csv"]\ndev = "part-*.csv"\n'
    root = corpus(tmp_path / "data", table, a_csv=ROWS, b_csv=ROWS)
    for number in (1, 0):
        (root / f"part-{number}.csv").write_text(ROWS)
    assert sizes(good(mtk("run", "--data", root))) == (8, 8, 0)
    (root / "b.csv").unlink()
    refused(mtk("run", "--data", root), "b.csv", "cannot be read")
    (root / "tasks.toml").write_text(f'[t]\n{BINARY}train = "x-*.csv"\ndev = 0.5\n')
    refused(mtk("run", "--data", root), "x-*.csv", "no file")


# ---------------------------------------------------------------- silent before, said now


def test_labels_from_one_are_named_and_never_shifted(tmp_path: Path, mtk: Mtk) -> None:
    table = f'kind = "classification"\nclasses = 4\n{ONE}{FILES}'
    rows = "text,label\n" + "".join(f"the dog {i},{i % 4 + 1}\n" for i in range(8))
    root = corpus(tmp_path / "data", table, train_csv=rows)
    for bad_rows in ("error", "skip"):
        refused(mtk("run", "--data", root, "--bad-rows", bad_rows), 'labels = ["1", "2", "3", "4"]')


def test_a_systematic_label_is_not_skipped_and_a_slip_is(tmp_path: Path, mtk: Mtk) -> None:
    often = "".join(f"the dog {i},maybe\n" for i in range(3))
    root = corpus(tmp_path / "data", BINARY + FILES, train_csv=ROWS + often)
    refused(mtk("run", "--data", root, "--bad-rows", "skip"), "'maybe'", "3 of 7", 'unlabelled = ["maybe"]')
    (root / "train.csv").write_text(ROWS + "the dog,maybe\n")
    assert sizes(good(mtk("run", "--data", root, "--bad-rows", "skip")))[0] == 4


def test_another_arity_is_refused_with_both_forms(tmp_path: Path, mtk: Mtk) -> None:
    pair = BINARY.replace('"text"\n', '["text", "other"]\n', 1)
    pairs = "text,other,label\nthe dog,the cat,1\nthe cat,the dog,0\nthe dog,the dog,1\n"
    one, two = (
        corpus(tmp_path / "one", BINARY + FILES, train_csv=ROWS),
        corpus(tmp_path / "two", pair + FILES, train_csv=pairs),
    )
    for trained, other in ((one, two), (two, one)):
        shutil.rmtree("run", ignore_errors=True)
        good(mtk("run", "--data", trained))
        refused(mtk("eval", "run", "--data", other, "--device", "cpu"), "'t'", "two texts (text, other)", "one text (text)")


def test_only_the_asked_split_is_read_and_its_labelled_rows_are_scored(tmp_path: Path, mtk: Mtk) -> None:
    root = corpus(tmp_path / "data", f'{BINARY}{FILES}test = "test.csv"\n', train_csv=ROWS)
    (root / "test.csv").write_text("text,label\nthe dog,1\nthe cat,\nthe bread,0\n")
    good(mtk("run", "--data", root))
    (root / "train.csv").unlink()
    result = mtk("eval", "run", "--split", "test", "--device", "cpu", "--json")
    assert set(json.loads(result.stdout)["metrics"]) == {"t"}
    assert "1 of 3 rows have no label and are not scored" in result.stderr
    refused(mtk("eval", "run", "--split", "train", "--device", "cpu"), "train.csv")
    (root / "test.csv").write_text("text\nthe dog\n")
    refused(mtk("eval", "run", "--split", "test", "--device", "cpu"), "No task has a test split with labels")


def test_a_task_with_an_empty_label_stays_in_the_average(tmp_path: Path, mtk: Mtk) -> None:
    root = case("45-eval-drops-half-labelled-task", tmp_path)
    good(mtk("run", "--data", root, "--bad-rows", "skip"))
    result = mtk("eval", "run", "--split", "test", "--bad-rows", "skip", "--device", "cpu", "--json")
    assert set(json.loads(result.stdout)["metrics"]) == {"senti", "nli", "sim"}
    assert "senti" in result.stderr and "1 of 12 rows have no label" in result.stderr


def test_a_limit_draws_from_a_sorted_file_and_one_class_is_pointed_out(tmp_path: Path, mtk: Mtk) -> None:
    rows = "text,label\n" + "".join(f"the dog {i},{i // 40}\n" for i in range(80))
    root = corpus(tmp_path / "data", BINARY + FILES, train_csv=rows)
    output = good(mtk("run", "--data", root, "--limit", "12"))
    assert (
        "t: 12 of 80 train, 12 of 80 dev rows at random, as --limit asks" in output
        and "every row has the label" not in output
    )
    (root / "train.csv").write_text("".join(rows.splitlines(keepends=True)[:9]))
    shutil.rmtree("run")
    assert "every row has the label 0" in good(mtk("run", "--data", root))


@pytest.mark.parametrize("suffix", ["csv", "tsv", "jsonl", "txt"])
def test_a_bare_carriage_return_moves_no_row(suffix: str, tmp_path: Path, mtk: Mtk) -> None:
    good(mtk("run", "--data", corpus(tmp_path / "data", BINARY + FILES, train_csv=ROWS.replace("dog is", "dog\ris"))))
    path = tmp_path / f"x.{suffix}"
    header = {"jsonl": "", "txt": ""}.get(suffix, "text\tid\n" if suffix == "tsv" else "text,id\n")
    row = {"jsonl": '{{"text": "{}"}}\n', "txt": "{}\n", "csv": "{},7\n", "tsv": "{}\t7\n"}[suffix]
    texts = ["good\rfilm", "bad film", '"a\rb"' if suffix in ("csv", "tsv") else "a\rb"]
    path.write_bytes((header + "".join(row.format(text) for text in texts)).encode())
    assert len(good(mtk("predict", "run", "t", path, "--device", "cpu")).splitlines()) == 3


# ---------------------------------------------------------------- predictions


@pytest.fixture
def trained(tmp_path: Path, mtk: Mtk) -> Path:
    good(mtk("run", "--data", corpus(tmp_path / "data", BINARY + FILES, train_csv=ROWS)))
    return tmp_path / "run"


PREDICTED = {
    "x.json": '{"text": "good film", "label": 1}\n{"text": "bad film", "label": 0}\n',
    "y.JSON": '[{"text": "good film"}, {"text": "bad film"}]',
    "x.CSV": "id,text\n7,good film\n8,bad film\n",
    "x.Tsv": "id\ttext\n7\tgood film\n8\tbad film\n",
    "x.txt": "good film\nbad film\n",
    "x.csv.gz": "text,other\ngood film,1\nbad film,2\n",
}


@pytest.mark.parametrize("name", PREDICTED)
def test_a_file_is_read_by_its_suffix_in_any_case(name: str, trained: Path, mtk: Mtk) -> None:
    content = PREDICTED[name].encode()
    Path(name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    found = good(mtk("predict", trained, "t", name, "--device", "cpu")).split()
    Path("plain.txt").write_text("good film\nbad film\n")
    assert found == good(mtk("predict", trained, "t", "plain.txt", "--device", "cpu")).split()


def test_a_table_is_never_predicted_line_by_line(trained: Path, mtk: Mtk) -> None:
    for content in ("id,text\n7,good film\n", "id;text\n7;x\n", '{"text": "good film"}\n'):
        for name in ("x.txt", "x"):
            Path(name).write_text(content)
            refused(mtk("predict", trained, "t", name), "would be read as a text")
        refused(mtk("predict", trained, "t", stdin=content), "would be read as a text")
    Path("x.data").write_text("good film\n")
    refused(mtk("predict", trained, "t", "x.data"), "x.data", "suffix", ".jsonl")
    Path("x.data").write_text("id;text\n7;good film\n")
    assert len(good(mtk("predict", trained, "t", "x.data", "--separator", ";")).split()) == 1


def test_predictions_are_csv_or_json_with_probabilities(tmp_path: Path, mtk: Mtk) -> None:
    good(mtk("run", "--data", corpus(tmp_path / "data", f'{BINARY}{FILES}id = "id"\n', train_csv=ROWS)))
    trained = Path("run")
    Path("x.csv").write_text('id,text\n"a, ""b""",good film\nc,bad film\n')
    good(mtk("predict", trained, "t", "x.csv", "--probabilities", "--out", "p.csv"))
    with Path("p.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["id"] for row in rows] == ['a, "b"', "c"]
    for row in rows:
        likely = {label: float(row[f"probability of {label}"]) for label in "01"}
        assert sum(likely.values()) == pytest.approx(1)
        assert max(likely, key=likely.__getitem__) == row["prediction"]
    printed = list(csv.DictReader(io.StringIO(good(mtk("predict", trained, "t", "x.csv", "--probabilities")))))
    assert printed == rows
    good(mtk("predict", trained, "t", "x.csv", "--probabilities", "--out", "p.jsonl"))
    records = [json.loads(line) for line in Path("p.jsonl").read_text().splitlines()]
    assert [r["prediction"] for r in records] == [row["prediction"] for row in rows]
    assert [r["probabilities"]["1"] for r in records] == [float(row["probability of 1"]) for row in rows]
    refused(mtk("predict", trained, "t", "x.csv", "--out", "p.csv"), "exists already")
    refused(mtk("predict", trained, "t", "x.csv", "--out", "p.xlsx"), ".csv")


def test_a_runs_own_predictions_are_plain_csv(trained: Path) -> None:
    with (trained / "predictions" / "t-dev-output.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["id"] for row in rows] == ["0", "1", "2", "3"]
    assert {row["prediction"] for row in rows} <= {"0", "1"}


def test_a_long_text_is_read_and_counted_as_cut(tmp_path: Path, mtk: Mtk) -> None:
    rows = ROWS + f"{'word ' * 30_000},1\n"
    output = good(mtk("run", "--data", corpus(tmp_path / "data", BINARY + FILES, train_csv=rows)))
    assert sizes(output) == (5, 5, 0) and "1 of 5 sequences" in output and "are cut at 16 tokens" in output


# ---------------------------------------------------------------- the forms of public data sets

GLUE = "Quality\t#1 ID\t#2 ID\t#1 String\t#2 String\n" + '1\t1\t2\tIt "fits.\t"It fits.\n0\t3\t4\tShe left.\tHe stayed."\n'
NLI = 'kind = "classification"\nlabels = ["entailment", "neutral", "contradiction"]\n'
PAIR = 'text = ["sentence1", "sentence2"]\n'
FORMS: dict[str, tuple[str, str, str, int]] = {
    "MRPC": ("tsv", 'kind = "binary"\ntext = ["#1 String", "#2 String"]\nlabel = "Quality"\nquote = "none"', GLUE, 2),
    "CoLA": (
        "tsv",
        'kind = "binary"\ntext = "s"\nlabel = "y"\ncolumns = ["source", "y", "star", "s"]\nquote = "none"',
        'gj04\t1\t\tThe "dog ran.\ngj04\t0\t*\tDog the ran.\n',
        2,
    ),
    "QNLI": (
        "tsv",
        'kind = "binary"\nlabels = ["not_entailment", "entailment"]\ntext = ["question", "sentence"]\nlabel = "label"\n'
        'id = "index"\nquote = "none"',
        'index\tquestion\tsentence\tlabel\n0\tWho "ran?\tDogs.\tentailment\n1\tWhy?\tNo.\tnot_entailment\n',
        2,
    ),
    "SNLI": (
        "jsonl",
        f'{NLI}{PAIR}label = "gold_label"\nunlabelled = ["-"]',
        '{"gold_label": "neutral", "sentence1": "a dog", "sentence2": "a cat"}\n'
        '{"gold_label": "-", "sentence1": "a dog", "sentence2": "a cat"}\n'
        '{"gold_label": "entailment", "sentence1": "a dog", "sentence2": "a dog"}\n',
        2,
    ),
    "STS-B as published": (
        "csv",
        f'kind = "regression"\nrange = [0, 5]\n{PAIR}label = "score"\nquote = "none"\nseparator = "\\t"\n'
        'columns = ["genre", "file", "year", "id", "score", "sentence1", "sentence2"]',
        'main\tMSR\t2012\t1\t0.5\tA "man\tA dog\thttp://x\tx\nmain\tMSR\t2012\t2\t3.5\tA man\tA man"\n',
        2,
    ),
    "AG News": (
        "csv",
        'kind = "classification"\nlabels = ["1", "2", "3", "4"]\ntext = ["title", "description"]\nlabel = "label"\n'
        'columns = ["label", "title", "description"]',
        '"3","Fears, ""new""","Unions say."\n"4","Race","Team."\n',
        2,
    ),
    "TREC": (
        "txt",
        'kind = "classification"\nlabels = ["DESC", "ENTY"]\ntext = "text"\nlabel = "label"\n'
        'separator = " "\nquote = "none"\ncolumns = ["label", "text"]\nencoding = "latin-1"\n'
        'map = {"DESC:*" = "DESC", "ENTY:*" = "ENTY"}',
        'DESC:manner How did caf\xe9s "open ?\nENTY:cremat What films ?\n',
        2,
    ),
    "Kaggle spam": (
        "csv",
        'kind = "binary"\nlabels = ["ham", "spam"]\ntext = "v2"\nlabel = "v1"',
        'v1,v2,,,\nham,"Go there, now",,,\nspam,Free entry,,,\n',
        2,
    ),
    "SICK": (
        "txt",
        f'{NLI}text = ["sentence_A", "sentence_B"]\nlabel = "e"\nmap = {{NEUTRAL = "neutral", ENTAILMENT = "entailment"}}\n'
        'separator = "\\t"',
        "pair_ID\tsentence_A\tsentence_B\te\n1\ta dog\ta cat\tNEUTRAL\n2\ta dog\ta dog\tENTAILMENT\n",
        2,
    ),
}


@pytest.mark.parametrize("name", FORMS)
def test_the_form_of_a_public_data_set_is_read(name: str, tmp_path: Path, mtk: Mtk) -> None:
    suffix, table, content, rows = FORMS[name]
    root = corpus(tmp_path / "data", f'{table}\ntrain = "f.{suffix}"\ndev = "f.{suffix}"\ntest = "f.{suffix}"\n')
    (root / f"f.{suffix}").write_bytes(content.encode("latin-1"))
    output = good(mtk("run", "--data", root))
    assert sizes(output)[:2] == (rows, rows)
    if name == "SNLI":
        assert "1 of 3 rows have no label and are left out" in output and sizes(output)[2] == 3


def test_what_a_directory_was_taken_for_is_said(tmp_path: Path, mtk: Mtk) -> None:
    for split in ("train", "dev"):
        (tmp_path / f"sts-{split}.csv").write_text(FORMS["STS-B as published"][2])
    refused(mtk("run", "--data", "."), "CS224N", "mtk tasks")


def test_a_split_may_have_a_form_of_its_own(tmp_path: Path, mtk: Mtk) -> None:
    table = f'{BINARY}id = "id"\n{FILES}test = {{file = "test.dat", separator = "|"}}\n'
    root = corpus(tmp_path / "data", table, train_csv=ROWS, test_dat="id|text\nq1|the dog\nq2|the cat\n")
    output = good(mtk("run", "--data", root))
    assert sizes(output) == (4, 4, 2) and "4 rows have no 'id' and are numbered" in output
    written = (tmp_path / "run" / "predictions" / "t-test-output.csv").read_text().splitlines()
    assert [line.split(",")[0] for line in written] == ["id", "q1", "q2"]


def test_a_share_of_the_training_rows_is_stratified_and_the_same_again(tmp_path: Path, mtk: Mtk) -> None:
    rows = "id,text,label\n" + "".join(f"r{i},the dog {i},{int(i >= 80)}\n" for i in range(100))
    root = corpus(tmp_path / "data", f'{BINARY}id = "id"\ntrain = "train.csv"\ndev = 0.1\n', train_csv=rows)
    output = good(mtk("run", "--data", root))
    assert sizes(output) == (90, 10, 0) and "10 of 100 rows are the development set" in output
    predictions = tmp_path / "run" / "predictions" / "t-dev-output.csv"
    ids = [row["id"] for row in csv.DictReader(predictions.read_text().splitlines())]
    assert sum(int(row[1:]) >= 80 for row in ids) == 2
    metrics = json.loads(mtk("eval", "run", "--device", "cpu", "--json").stdout)["metrics"]
    best = json.loads((tmp_path / "run" / "summary.json").read_text())["best"]["metrics"]
    assert metrics["t"] == pytest.approx(best["t"])


def test_the_courses_tasks_beside_ones_own(tmp_path: Path, mtk: Mtk) -> None:
    (tmp_path / "tasks.toml").write_text(f'include = "cs224n"\n[t]\n{BINARY}{FILES}')
    (tmp_path / "train.csv").write_text(ROWS)
    for split in ("train", "dev"):
        (tmp_path / f"ids-sst-{split}.csv").write_text("\tid\tsentence\tsentiment\n0\ta\tgood\t3\n1\tb\tbad\t0\n")
    output = good(mtk("run", "--data", "."))
    assert sizes(output, "sst") == (2, 2, 0) and sizes(output) == (4, 4, 0)


def test_augment_writes_what_it_reads(wordnet: None, tmp_path: Path, mtk: Mtk) -> None:
    Path("in.csv").write_bytes(b"text;label;;\ngood film here;1;;x\nbad\rfilm here;0;y;\n")
    good(mtk("augment", "in.csv", "--with", "eda:copies=1", "--out", "out.csv", "--separator", ";"))
    rows = list(csv.reader(Path("out.csv").read_text().splitlines(), delimiter=";"))
    assert rows[0] == ["text", "label", "", ""]
    assert [row[1:] for row in rows[1:]] == [["1", "", "x"]] * 2 + [["0", "y", ""]] * 2


# ---------------------------------------------------------------- parquet and saved data sets


def test_parquet_and_a_saved_data_set(trained: Path, tmp_path: Path, mtk: Mtk) -> None:
    try:
        import pyarrow as arrow
        import pyarrow.parquet as parquet
    except ImportError:
        Path("x.parquet").write_bytes(b"PAR1 PAR1")
        refused(mtk("predict", trained, "t", "x.parquet"), "multitask-toolkit[hub]")
        return
    table = arrow.table({"text": ["good film", "bad film"], "label": [1, 0]})
    parquet.write_table(table, "data/train.parquet")
    saved = Path("data/saved")
    saved.mkdir()
    with arrow.OSFile(str(saved / "d.arrow"), "wb") as file, arrow.ipc.new_stream(file, table.schema) as stream:
        stream.write_table(table)
    (saved / "state.json").write_text('{"_data_files": [{"filename": "d.arrow"}]}')
    (tmp_path / "data" / "tasks.toml").write_text(f'[t]\n{BINARY}train = "train.parquet"\ndev = "saved"\n')
    assert len(good(mtk("predict", trained, "t", "data/train.parquet")).split()) == 2
    shutil.rmtree("run")
    assert sizes(good(mtk("run", "--data", "data"))) == (2, 2, 0)


# ---------------------------------------------------------------- bounds


def test_what_is_too_much_is_answered(tmp_path: Path, mtk: Mtk) -> None:
    root = corpus(tmp_path / "data", BINARY + FILES)
    (root / "train.csv").write_bytes(b"text,label\n" + b"x" * 200_000_000 + b",1\n")
    refused(mtk("run", "--data", root), "train.csv:2", "longer than")
    (root / "train.csv").unlink()
    os.mkfifo(root / "train.csv")
    refused(mtk("run", "--data", root), "train.csv", "a pipe, a socket or a device")


@pytest.mark.parametrize(
    "table",
    [
        f'[t]\nkind = "classification"\nclasses = 300000000\n{ONE}{FILES}',
        "[t]\nx = " + "[" * 50_000,
        "[t]\nx = " + "{a = " * 50_000,
        f"[t]\nx = {'9' * 4301}",
        f"[t]\nkind = {'9' * 4300}",
        f"[{'n' * 300}]\n{BINARY}{FILES}",
        f'[t]\n{BINARY}train = "{"n" * 300}.csv"\ndev = 0.1',
        f'[t]\n{BINARY}{FILES}encoding = "utf-9"',
        f'[t]\n{BINARY}{FILES}columns = ["a", "a"]',
        f'[t]\n{BINARY}train = "train.csv"\ndev = 1.5',
        f'[t]\n{BINARY}{FILES}map = {{good = "2"}}',
        f'include = "glue"\n[t]\n{BINARY}{FILES}',
        f'[t]\n{BINARY}{FILES}test = {{file = "x.csv", seperator = ";"}}',
    ],
    ids=range(13),
)
def test_a_tasks_toml_beyond_sense_is_answered(table: str, tmp_path: Path, mtk: Mtk) -> None:
    (tmp_path / "tasks.toml").write_text(table)
    (tmp_path / "train.csv").write_text(ROWS)
    refused(mtk("run", "--data", "."))


def test_a_label_of_many_digits_is_a_bad_row(tmp_path: Path, mtk: Mtk) -> None:
    root = corpus(tmp_path / "data", BINARY + FILES.replace("csv", "jsonl"))
    (root / "train.jsonl").write_text(f'{{"text": "x", "label": {"9" * 5000}}}\n')
    refused(mtk("run", "--data", root), "train.jsonl:1")
