"""A corpus is found, and a mistake in its `tasks.toml` named; the sample and the CS224N data are what they should be."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from building import read_tasks
from kinds import KINDS, Binary, Classification, Regression

from mtk.data.split import TaskData
from mtk.data.tasks_toml import read_layout
from mtk.errors import DataError, UsageError
from mtk.host.registry import Registry
from mtk.plan import find_data

CS224N = Path(os.environ.get("MTK_CS224N") or Path(__file__).parents[4] / "shared" / "data" / "cs224n")
needs_cs224n = pytest.mark.skipif(
    not CS224N.is_dir(), reason=f"the CS224N data is not in {CS224N}; MTK_CS224N may name its place"
)

COLUMNS = 'text = ["a", "b"]\nlabel = "y"\ntrain = "train.csv"\ndev = "dev.csv"\n'


def corpus(root: Path, tasks: str) -> Path:
    """A directory with a `tasks.toml` and a file each of training, development and test."""
    (root / "tasks.toml").write_text(tasks)
    for split in ("train", "dev", "test"):
        (root / f"{split}.csv").write_text("a,b,y\n" + f"{split},two,0\nthree,four,1\nfive,six,1\n")
    return root


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ('kind = "classification"\nclasses = 3', Classification(("0", "1", "2"))),
        ('kind = "classification"\nlabels = ["0", "1"]', Classification(("0", "1"))),
        ('kind = "binary"', Binary()),
        ('kind = "binary"\nlabels = ["1", "0"]', Binary(("1", "0"))),
        ('kind = "regression"\nrange = [-1, 2.5]', Regression(-1, 2.5)),
    ],
)
def test_a_kind_is_what_its_table_says(tmp_path: Path, kind: str, expected: object) -> None:
    tasks = read_tasks(corpus(tmp_path, f"[my-task_1]\n{kind}\n{COLUMNS}"))
    assert list(tasks) == ["my-task_1"]
    assert tasks["my-task_1"].task.kind == expected
    assert tasks["my-task_1"].test is None


def test_every_key_reaches_the_task(tmp_path: Path) -> None:
    keys = 'text = "a"\nlabel = "y"\nid = "b"\nseparator = ","\nprediction = "Guess"\n'
    files = f'train = "train.csv"\ndev = "{tmp_path}/dev.csv"\ntest = "test.csv"\n'
    data = read_tasks(corpus(tmp_path, f'[mood]\nkind = "binary"\n{keys}{files}'))["mood"]
    task = data.task
    assert (task.name, task.text, task.label) == ("mood", ("a",), "y")
    assert (task.id, task.separator, task.prediction) == ("b", ",", "Guess")
    assert data.train.ids == ["two", "four", "six"]
    assert [split and split.texts[0][0] for split in (data.train, data.dev, data.test)] == ["train", "dev", "test"]


BINARY = f'kind = "binary"\n{COLUMNS}'
REGRESSION = f'kind = "regression"\n{COLUMNS}'
CLASSES = f'kind = "classification"\n{COLUMNS}'
BAD_TABLES = {
    "unknown key": (BINARY + 'lable = "y"', "there is no key 'lable'. Did you mean label"),
    "missing key": (BINARY.replace('label = "y"\n', ""), "`label`"),
    "missing file": (BINARY.replace('dev = "dev.csv"\n', ""), "`dev`"),
    "missing kind": (COLUMNS, "`kind`"),
    "unknown kind": (BINARY.replace("binary", "rankin"), "There is no kind 'rankin'. Did you mean ranking? - at `kind`"),
    "wrong type": (BINARY.replace('label = "y"', "label = 1"), "in `label`"),
    "three texts": (BINARY.replace('"b"]', '"b", "c"]'), "in `text`"),
    "no text": (BINARY.replace('["a", "b"]', "[]"), "in `text`"),
    "one column twice": (BINARY.replace('"b"]', '"a"]'), "`text` and `label` name a column twice: a, a, y"),
    "label among texts": (BINARY.replace('"b"]', '"y"]'), "`text` and `label` name a column twice: a, y, y"),
    "long separator": (BINARY + 'separator = "::"', "`separator` is one character"),
    "quote as separator": (BINARY + "separator = '\"'", "`separator` is one character"),
    "three labels of binary": (BINARY + 'labels = ["a", "b", "c"]', "and 3 are named"),
    "range of binary": (
        BINARY + "range = [0, 1]",
        "1, 2 …, and no `range`",
    ),
    "classes of regression": (REGRESSION + "classes = 2", "needs `range`, the lowest score and the highest"),
    "classes beside range": (
        REGRESSION + "range = [0, 5]\nclasses = 2",
        "and no `labels`",
    ),
    "no range": (REGRESSION, "the kind 'regression' needs `range`, the lowest score and the highest"),
    "range reversed": (REGRESSION + "range = [5, 0]", "the lowest score and the highest"),
    "range empty": (REGRESSION + "range = [5, 5]", "the lowest score and the highest"),
    "range without end": (REGRESSION + "range = [0, inf]", "the lowest score and the highest"),
    "range of one": (REGRESSION + "range = [5]", "in `range`"),
    "one class": (CLASSES + "classes = 1", "in `classes`"),
    "no classes": (CLASSES, "the kind 'classification' needs `labels`, or `classes`"),
    "classes and labels": (CLASSES + 'classes = 2\nlabels = ["a", "b"]', "one of the two is enough"),
    "one label": (CLASSES + 'labels = ["a"]', "in `labels`"),
    "labels twice": (CLASSES + 'labels = ["a", "b", "a"]', "two of `labels` are equal"),
    "empty label": (CLASSES + 'labels = ["a", ""]', "one is empty"),
    "label with space": (CLASSES + 'labels = ["a", "b "]', "white space"),
}


@pytest.mark.parametrize(("table", "reason"), BAD_TABLES.values(), ids=BAD_TABLES)
def test_a_mistake_in_a_table_is_named(tmp_path: Path, table: str, reason: str) -> None:
    with pytest.raises(DataError) as error:
        read_tasks(corpus(tmp_path, f"[good]\n{BINARY}\n[bad]\n{table}"))
    assert str(error.value).startswith(f"{tmp_path / 'tasks.toml'}: in [bad]: ")
    assert reason in str(error.value)
    assert "$" not in str(error.value)  # the library's name for the whole table


@pytest.mark.parametrize(
    ("tasks", "reason"),
    [
        ("", "there is no task in it"),
        ("# nothing yet\n", "there is no task in it"),
        ("[good\n", "this is not TOML"),
        (f"[good]\n{BINARY}[good]\n{BINARY}", "this is not TOML"),
        ("good = 3\n", "in [good]: Expected"),
        (f'["a b"]\n{BINARY}', "in [a b]: the name of a task"),
        (f'["../x"]\n{BINARY}', "in [../x]: the name of a task"),
        (f'["*"]\n{BINARY}', "in [*]: the name of a task"),
    ],
)
def test_a_mistake_in_the_file_is_named(tmp_path: Path, tasks: str, reason: str) -> None:
    with pytest.raises(DataError, match=re.escape(f"{tmp_path / 'tasks.toml'}: {reason}")):
        read_tasks(corpus(tmp_path, tasks))


def test_a_tasks_toml_in_another_encoding_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "tasks.toml").write_bytes(b"# caf\xe9\n")
    with pytest.raises(DataError, match="this is not TOML"):
        read_tasks(tmp_path)


@pytest.mark.parametrize("split", ["train", "dev", "test"])
def test_a_file_that_tasks_toml_names_must_be_there(tmp_path: Path, split: str) -> None:
    root = corpus(tmp_path, f'[para]\n{BINARY}test = "test.csv"')
    (root / f"{split}.csv").unlink()
    with pytest.raises(DataError, match=rf"{split}\.csv: it cannot be read"):
        read_tasks(root)


def test_what_is_no_directory_is_a_mistake_of_usage(tmp_path: Path) -> None:
    for data in (tmp_path / "absent", corpus(tmp_path, f"[para]\n{BINARY}") / "tasks.toml"):
        with pytest.raises(UsageError, match=re.escape(f"--data: {data} ")):
            find_data(str(data), Registry())


def test_what_no_file_system_holds_is_an_error() -> None:
    with pytest.raises(UsageError, match="cannot be read: File name too long"):
        find_data("x" * 5000, Registry())


@pytest.mark.parametrize(("data", "answer"), [("sampel", "Did you mean sample?"), ("/no/where", "Known: hub, sample.")])
def test_what_is_neither_a_directory_nor_a_task_set_is_answered_with_the_nearest(data: str, answer: str) -> None:
    with pytest.raises(UsageError, match=f"--data: {data} does not exist.*{re.escape(answer)}"):
        find_data(data, Registry())


def test_a_task_set_is_found_by_its_name_wherever_one_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sample").mkdir()
    monkeypatch.chdir(tmp_path)
    found = find_data("sample", Registry())
    assert (found / "tasks.toml").is_file()
    assert find_data("multitask-toolkit/sample", Registry()) == found
    assert find_data("./sample", Registry()) == Path("sample")
    assert list(read_layout(found, KINDS)) == ["sst", "para", "sts"]


def test_a_directory_without_a_corpus_says_what_was_looked_for(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no tasks\.toml, .* ids-sst-train\.csv, quora-train\.csv, sts-train\.csv"):
        read_tasks(tmp_path)


def test_bad_rows_are_an_error_or_skipped(tmp_path: Path) -> None:
    root = corpus(tmp_path, f"[para]\n{BINARY}")
    with (root / "dev.csv").open("a") as dev:
        dev.write("seven,eight,\n")
    with pytest.raises(DataError, match=r"dev\.csv:5: 'y' is empty"):
        read_tasks(root)
    data = read_tasks(root, bad_rows="skip")["para"]
    assert len(data.dev) == 3
    assert data.dev.skipped == [f"{root / 'dev.csv'}:5: 'y' is empty"]
    assert data.train.skipped == []


@pytest.mark.parametrize(("limits", "lengths"), [({}, [3, 3]), ({"one": 1}, [1, 3]), ({"one": 9, "two": 2}, [3, 2])])
def test_a_limit_caps_every_split(tmp_path: Path, limits: dict[str, int], lengths: list[int]) -> None:
    table = BINARY + 'test = "test.csv"\n'
    tasks = read_tasks(corpus(tmp_path, f"[one]\n{table}[two]\n{table}"), limits)
    for data, length in zip(tasks.values(), lengths, strict=True):
        assert data.test is not None
        assert [len(data.train), len(data.dev), len(data.test)] == [length] * 3
        assert [len(data.train.texts[0]), len(data.train.texts[1]), len(data.train.labels or [])] == [length] * 3


SST = "\tid\tsentence\tsentiment\n0\ta\t one .\t3\n"


def test_the_cs224n_layout_may_come_in_part(tmp_path: Path) -> None:
    (tmp_path / "ids-sst-train.csv").write_text(SST)
    (tmp_path / "ids-sst-dev.csv").write_text(SST)
    tasks = read_tasks(tmp_path)
    assert list(tasks) == ["sst"]
    assert tasks["sst"].train.texts == (["one ."],)
    assert tasks["sst"].test is None


@pytest.mark.parametrize(("there", "missing"), [("train", "dev"), ("dev", "train")])
def test_a_task_of_the_cs224n_layout_needs_both_files(tmp_path: Path, there: str, missing: str) -> None:
    (tmp_path / f"ids-sst-{there}.csv").write_text(SST)
    with pytest.raises(DataError, match=f"ids-sst-{missing}.csv: the file is missing"):
        read_tasks(tmp_path)


def test_of_a_layout_that_is_included_nobody_says_it_was_guessed(tmp_path: Path) -> None:
    (tmp_path / "sts-train.csv").write_text("id\tsentence1\tsentence2\tsimilarity\n0\ta\tb\t1\n")
    for toml, told in ((None, "has no tasks.toml"), ('include = "cs224n"', "sts-dev.csv")):
        if toml:
            (tmp_path / "tasks.toml").write_text(toml)
        with pytest.raises(DataError, match=told) as raised:
            read_tasks(tmp_path)
    assert "has no tasks.toml" not in str(raised.value)


@needs_cs224n
def test_the_cs224n_data_has_two_broken_rows() -> None:
    with pytest.raises(DataError, match=r"quora-dev\.csv:2577: 'is_duplicate' is empty \(and 1 more\)"):
        read_tasks(CS224N)
    tasks = read_tasks(CS224N, bad_rows="skip")
    sizes = {name: (len(data.train), len(data.dev)) for name, data in tasks.items()}
    assert sizes == {"sst": (8544, 1101), "para": (13507, 20212), "sts": (6040, 863)}
    skipped = {name: data.train.skipped + data.dev.skipped for name, data in tasks.items()}
    assert skipped["sst"] == skipped["sts"] == []
    assert [row.split("quora-dev.csv")[1].split(": ")[0] for row in skipped["para"]] == [":2577", ":14222"]
    assert [data.test and data.test.labels for data in tasks.values()] == [None, None, None]


@pytest.fixture(scope="module")
def sample() -> dict[str, TaskData]:
    return read_tasks(find_data("sample", Registry()))


@pytest.mark.parametrize("name", ["sst", "para", "sts"])
def test_the_sample_is_large_enough_to_learn_from_and_to_judge_by(sample: dict[str, TaskData], name: str) -> None:
    assert len(sample[name].train) >= 300
    assert len(sample[name].dev) >= 100


@pytest.mark.parametrize("name", ["sst", "para", "sts"])
def test_the_sample_trains_on_no_text_that_it_is_judged_by(sample: dict[str, TaskData], name: str) -> None:
    train, dev = (
        {text.casefold() for column in split.texts for text in column} for split in (sample[name].train, sample[name].dev)
    )
    assert not train & dev


@pytest.mark.parametrize("name", ["sst", "para", "sts"])
def test_every_label_occurs_in_the_sample(sample: dict[str, TaskData], name: str) -> None:
    for split in (sample[name].train, sample[name].dev):
        labels = split.labels or []
        kind = sample[name].task.kind
        if kind.range:
            low, high = map(round, kind.range)
            assert {round(label) for label in labels if isinstance(label, float)} == set(range(low, high + 1))
        else:
            assert set(labels) == {float(index) for index in range(len(kind.labels))}
