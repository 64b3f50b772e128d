"""Whatever is written in a spec, on a command line, in config.toml, in tasks.toml or in a file of data: an answer of a few
lines, an exit status of 0, 1 or 2, no traceback, no waiting, and no more than a gigabyte of memory.

MTK_FUZZ is the number of cases of each property: 300 unless it is set, 3,000 in all. What is fuzzed is refused, or would be:
its encoder is no directory, or an empty one, so that nothing is trained.
"""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import os
import resource
import shutil
import string
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import tomli_w
from click.testing import CliRunner, Result
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mtk.config import RunConfig
from mtk.host.registry import Registry
from mtk_cli import cli, run
from mtk_cli.escape import visible

CASES = int(os.environ.get("MTK_FUZZ", "300"))
SECONDS, KILOBYTES = 10.0, 1_000_000  # of a case
LINES, CHARACTERS = 12, 2000  # of an answer

fuzz = settings(
    max_examples=CASES,
    deadline=None,
    database=None,
    derandomize="MTK_FUZZ" not in os.environ,  # the same ones in every run of the tests
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.large_base_example],
)


def answered(*arguments: str) -> Result:
    """What a command says, if it says it as it should."""
    began, used = time.monotonic(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    result = CliRunner().invoke(cli, arguments)
    assert time.monotonic() - began < SECONDS
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - used < KILOBYTES
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code in (0, 1, 2), result.output
    if result.exit_code:
        assert result.stderr.strip(), "it ends without a word"
        assert len(result.stderr.splitlines()) <= LINES, result.stderr
        assert len(result.stderr) <= CHARACTERS
    assert "Traceback" not in result.output
    assert visible(result.output) == result.output
    return result


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


# Words ---------------------------------------------------------------------------------------------------------------------


def is_argument(text: str) -> bool:
    """Whether a command line can hold it: bytes that are no UTF-8, but no other half of a surrogate, and no NUL."""
    try:
        return b"\0" not in os.fsencode(text)
    except UnicodeEncodeError:
        return False


NAMES = sorted({component.name for component in Registry().components})
FLAGS = sorted(flag for parameter in run.command.params for flag in parameter.opts)
NUMBERS = st.one_of(
    st.integers().map(str),
    st.floats().map(str),
    st.sampled_from(
        ["0", "-1", "1e400", "nan", "inf", "0x10", "1_000", "9" * 4301, str(2**63), str(2**64), "٣", "1e-400", "+1", "1."]
    ),
)
ODD = st.one_of(
    st.text(max_size=30),
    st.text(string.printable, max_size=30),
    st.text(st.characters(categories=["Cc", "Cf", "Cs", "Zl", "Zs"]), max_size=5),
    st.sampled_from(["", " ", "=", ":", ",", "/", "//", "..", "-", "--", "*"]),
    st.sampled_from(["~", "x" * 300, "x/" * 2000, "\x1b[31m", "é" * 200]),
).filter(is_argument)
WORDS = st.one_of(st.sampled_from(NAMES), NUMBERS, ODD)


@st.composite
def specs(draw: st.DrawFn) -> str:
    """NAME:key=value,… with any of it odd."""
    name = draw(st.one_of(st.sampled_from(NAMES), WORDS))
    keys = st.sampled_from(["dropout", "hidden", "kernel", "alpha", "copies"]) | WORDS
    options = draw(st.lists(st.tuples(keys, WORDS), max_size=3))
    glue = draw(st.sampled_from(["=", "=", "=", "", "=="]))
    task = draw(st.sampled_from(["", "", "sst=", "para=", "*=", "=", "nowhere="]))
    return task + name + (":" if options else "") + ",".join(f"{key}{glue}{value}" for key, value in options)


@given(flag=st.sampled_from(["--head", "--combiner", "--augment", "--listen", "--data", "--encoder"]), spec=specs())
@fuzz
def test_specs(flag: str, spec: str) -> None:
    place = "./" if flag == "--encoder" else ""  # what could be an id is looked for on the hub, where there is a network
    result = answered("run", "--encoder", "./nowhere", f"{flag}={place}{spec}")
    assert result.exit_code, "nothing is trained"


@given(words=st.lists(st.one_of(st.sampled_from(FLAGS), WORDS, specs()), max_size=6))
@fuzz
def test_command_lines(words: list[str]) -> None:
    if not {"--help", "-h"} & set(words):
        answered("run", *words, "--encoder", "./nowhere", "--out", "./nowhere/out")


OTHERS = st.sampled_from(["show", "check", "list", "eval", "predict", "augment", "new"])


@given(command=OTHERS, words=st.lists(WORDS, max_size=3))
@fuzz
def test_other_commands(command: str, words: list[str]) -> None:
    if command == "check":
        words = [word for word in words if word not in NAMES]  # whose checks take their time
    answered(command, *words)


# config.toml ---------------------------------------------------------------------------------------------------------------

SETTINGS = st.sampled_from([*RunConfig.__struct_fields__, "nothing"])
LARGE = st.sampled_from([2**63, 2**64, -(2**64)])
SCALARS = st.one_of(st.booleans(), st.integers(), st.floats(), ODD, st.sampled_from(NAMES), LARGE)
TASKS = st.sampled_from(["sst", "*", "para"])
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TASKS | ODD, inner, max_size=3),
    max_leaves=6,
)


@given(fields=st.dictionaries(SETTINGS, VALUES, max_size=4))
@fuzz
def test_configurations(fields: dict[str, object]) -> None:
    try:
        Path("config.toml").write_text(tomli_w.dumps(fields), encoding="utf-8")
    except UnicodeEncodeError:  # what is no Unicode is in no TOML
        return
    answered("run", "--config", "config.toml", "--encoder", "./nowhere")


@given(content=st.binary(max_size=200) | st.text(string.printable + "[[]]{}..==\"'", max_size=200).map(str.encode))
@fuzz
def test_what_is_no_configuration(content: bytes) -> None:
    Path("config.toml").write_bytes(content)
    answered("run", "--config", "config.toml", "--encoder", "./nowhere")


# Bounds --------------------------------------------------------------------------------------------------------------------

LONG = "x" * 300
BOUNDS: dict[str, tuple[str, str]] = {  # config.toml, and what is said of it
    "arrays in arrays": ("data = " + "[" * 30_000, "this is not TOML"),
    "tables in tables": ("data = " + "{a=" * 20_000, "this is not TOML"),
    "dots": ("heads." + ".".join("a" * 30_000) + " = 1", "more than 1,000 dots"),
    "digits": (f"seed = {'9' * 5000}", "this is not TOML"),
    "hexadecimal digits": (f"seed = 0x{'f' * 9000}", "seed is a number too large"),
    "a seed of 65 bits": (f"seed = {2**64}", "seed is a number too large"),
    "bytes": ("# " + "x" * 2**20, "bytes are too many for the configuration"),
    "infinity": ("learning_rate = inf", "learning_rate is inf"),
}


@pytest.mark.parametrize("case", BOUNDS)
def test_a_configuration_beyond_bounds(case: str) -> None:
    content, message = BOUNDS[case]
    Path("config.toml").write_text(content)
    result = answered("run", "--config", "config.toml")
    assert result.exit_code == 1
    assert message in result.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("run", "--seed", str(2**64)), 2, "seed"),
        (("run", "--seed", "9" * 4301), 2, "seed"),
        (("run", "--head", f"cnn:kernel={'9' * 4301}", "--encoder", "./nowhere"), 2, "./nowhere"),
        (("run", "--out", LONG, "--encoder", ".", "--head", "linear"), 2, f"--out {LONG} cannot be a directory"),
        (("run", "--data", LONG), 2, f"--data: {LONG} cannot be read"),
        (("run", "--encoder", f"./{LONG}"), 2, "--encoder: there is no directory"),
        (("run", "--head", LONG), 2, "There is no head"),
        (("run", "--from", LONG, "--encoder", "."), 2, LONG),
        (("run", "--config", LONG), 1, "cannot be read"),
        (("eval", LONG), 1, "cannot be read"),
        (("show", LONG), 2, "Nothing is called"),
        (("check", LONG), 2, "There is no package"),
    ],
)
def test_names_and_numbers_beyond_bounds(arguments: tuple[str, ...], code: int, message: str) -> None:
    result = answered(*arguments)
    assert (result.exit_code, message in result.stderr.replace("\n", " ")) == (code, True), result.stderr


@pytest.fixture
def pipe(tmp_path: Path) -> Iterator[str]:
    os.mkfifo(tmp_path / "pipe")
    yield str(tmp_path / "pipe")


WAITING = [("run", "--config"), ("eval",), ("run", "--resume"), ("run", "--from"), ("run", "--data")]


@pytest.mark.parametrize("arguments", WAITING)
def test_nobody_waits_for_a_pipe(pipe: str, arguments: tuple[str, ...]) -> None:
    assert answered(*arguments, pipe).exit_code in (1, 2)


# tasks.toml ----------------------------------------------------------------------------------------------------------------

ROWS = "id,text,other,label\n1,the dog,a cat,0\n2,a bird,the fish,1\n3,the cat,a dog,0\n"
COLUMNS = st.sampled_from(["id", "text", "other", "label", "a.b"])
SPLITS = st.sampled_from(["file", "separator", "map", "encoding", "columns", "main", "hard"])
ENCODINGS = ["utf-8", "latin-1", "utf-16", "utf-32-be", "utf-7", "idna", "undefined", "hex", "unicode_escape"]
FILES = st.sampled_from(["data.csv", "*.csv", "nowhere.csv", "../data.csv", ".", "**", "[", "data.csv/"])
LABELS = st.sampled_from(["0", "1", "-1", "no", "yes", "1.0"])
KEYS = {
    "kind": st.sampled_from(["classification", "binary", "regression", "nothing"]),
    "classes": st.integers(-1, 4) | LARGE,
    "labels": st.lists(LABELS, max_size=4),
    "range": st.lists(st.integers(-2, 9) | st.floats(), max_size=3),
    "text": COLUMNS | st.lists(COLUMNS, max_size=3),
    "label": COLUMNS,
    "id": COLUMNS,
    "train": FILES | st.lists(FILES, max_size=3),
    "dev": FILES | st.floats(0, 1) | st.dictionaries(SPLITS, FILES | ODD),
    "test": FILES | st.dictionaries(SPLITS, FILES | st.lists(COLUMNS)),
    "separator": st.sampled_from([",", ";", "\t", "", "ab", '"']),
    "quote": st.sampled_from(["none", "double", "single"]),
    "encoding": st.sampled_from(ENCODINGS),
    "columns": st.lists(COLUMNS, max_size=4),
    "unlabelled": st.lists(LABELS, max_size=2),
    "map": st.dictionaries(LABELS | st.sampled_from(["*", "[", "?"]), LABELS, max_size=2),
    "prediction": ODD,
}
SOUND = {"kind": "binary", "text": "text", "label": "label", "train": "data.csv", "dev": 0.5}


@st.composite
def tables(draw: st.DrawFn) -> dict[str, object]:
    """A task that is sound but for some of its keys."""
    table: dict[str, object] = dict(SOUND)
    for key in draw(st.lists(st.sampled_from([*KEYS, "nothing"]), max_size=5)):
        table[key] = draw(st.one_of(KEYS.get(key, VALUES), KEYS.get(key, VALUES), KEYS.get(key, VALUES), VALUES))
    return table


@pytest.fixture
def corpus() -> Path:
    root = Path("corpus")
    (root / "empty").mkdir(parents=True, exist_ok=True)
    (root / "data.csv").write_text(ROWS)
    return root


def read(root: Path, *more: str) -> None:
    """Data is read before the encoder is found not to be one."""
    assert answered("run", "--data", str(root), "--encoder", str(root / "empty"), "--out", "out", *more).exit_code


@given(tasks=st.dictionaries(st.sampled_from(["t", "include", "a b"]) | ODD, tables() | VALUES, min_size=1, max_size=2))
@fuzz
def test_tasks(corpus: Path, tasks: dict[str, object]) -> None:
    try:
        (corpus / "tasks.toml").write_text(tomli_w.dumps(tasks), encoding="utf-8")
    except UnicodeEncodeError:
        return
    read(corpus)


@given(content=st.binary(max_size=200) | st.text("[t]\n= \"',{}.#abkind01", max_size=200).map(str.encode))
@fuzz
def test_what_are_no_tasks(corpus: Path, content: bytes) -> None:
    (corpus / "tasks.toml").write_bytes(content)
    read(corpus)


# Data files ----------------------------------------------------------------------------------------------------------------

WRITTEN = ["the dog", "a cat", "0", "1", "id", "text", "label", "-", "nan", "1,5", "1e999", "\u200b", "\ufeff", "😀"]
CELLS = st.one_of(st.sampled_from(WRITTEN), st.text(max_size=12), st.text('",;|\t\r\n\0 a', max_size=8))
PACKERS = {"": bytes, ".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress}
SUFFIXES = [".csv", ".tsv", ".jsonl", ".json", ".txt", ".parquet", ".arrow", ".zip", ""]


@st.composite
def contents(draw: st.DrawFn) -> bytes:
    """A table or JSON, perhaps in an odd encoding, and with some of its bytes others."""
    rows = draw(st.lists(st.tuples(CELLS, CELLS, CELLS), max_size=6))
    mark = draw(st.sampled_from([",", ",", "\t", ";", "|"]))
    match draw(st.sampled_from(["table", "table", "quoted", "lines", "array", "odd"])):
        case "table":
            text = "\n".join(mark.join(row) for row in [("id", "text", "label"), *rows])
        case "quoted":
            text = "\r\n".join(mark.join(json.dumps(cell) for cell in row) for row in [("id", "text", "label"), *rows])
        case "lines":
            text = "\n".join(json.dumps({"id": a, "text": b, "label": c}) for a, b, c in rows)
        case "array":
            text = json.dumps([{"id": a, "text": {"text": b}, "label": [c]} for a, b, c in rows])
        case _:
            text = draw(st.text(max_size=60))
    written = text.encode(draw(st.sampled_from(["utf-8", "utf-8", "utf-8-sig", "utf-16", "utf-16-be"])), "surrogatepass")
    if draw(st.booleans()):
        at, other = draw(st.integers(0, len(written))), draw(st.binary(max_size=6))
        written = written[:at] + other + written[at + draw(st.integers(0, 9)) :]
    return written


@st.composite
def files(draw: st.DrawFn) -> tuple[str, bytes]:
    """A name, and what is in it; packed or not, and not always as the name says."""
    suffix, packing = draw(st.sampled_from(SUFFIXES)), draw(st.sampled_from(list(PACKERS)))
    named = draw(st.sampled_from([packing, packing, packing, "", ".gz"]))
    return f"data{suffix}{named}", PACKERS[packing](draw(contents()))


FORM = {"separator": ";", "quote": "none", "encoding": "utf-16-le", "columns": "id,text,label"}
FORMS = st.lists(st.sampled_from(list(FORM)), max_size=2, unique=True)


def flags(keys: list[str]) -> list[str]:
    return [word for key in keys for word in (f"--{key}", FORM[key])]


@given(file=files(), bad_rows=st.sampled_from(["error", "skip"]), keys=FORMS)
@fuzz
def test_data(corpus: Path, file: tuple[str, bytes], bad_rows: str, keys: list[str]) -> None:
    name, content = file
    (corpus / name).write_bytes(content)
    form = {key: FORM[key].split(",") if key == "columns" else FORM[key] for key in keys}
    (corpus / "tasks.toml").write_text(tomli_w.dumps({"t": {**SOUND, "train": name, **form}}))
    read(corpus, "--bad-rows", bad_rows)
    (corpus / name).unlink()


@given(file=files(), keys=FORMS)
@fuzz
def test_a_file_that_is_looked_at(file: tuple[str, bytes], keys: list[str]) -> None:
    name, content = file
    Path("looked").mkdir(exist_ok=True)
    (Path("looked") / name).write_bytes(content)
    answered("tasks", "looked")
    out = Path("out" + Path(name.removesuffix(".gz").removesuffix(".bz2").removesuffix(".xz")).suffix)
    if answered("augment", f"looked/{name}", "--with", "random-swap", "--out", str(out), *flags(keys)).exit_code == 0:
        assert out.is_file()
        out.unlink()
    assert not out.exists(), "half of a file is left"
    shutil.rmtree("looked")


@given(file=files(), keys=FORMS)
@settings(fuzz, max_examples=max(20, CASES // 10))  # a model is loaded each time
def test_a_file_that_is_predicted(fuzzed_run: Path, file: tuple[str, bytes], keys: list[str]) -> None:
    name, content = file
    Path(name).write_bytes(content)
    answered("predict", str(fuzzed_run), "t", name, "--device", "cpu", *flags(keys))
    Path(name).unlink()


@pytest.fixture(scope="module")
def fuzzed_run(tmp_path_factory: pytest.TempPathFactory, tiny_encoder: Path) -> Path:
    root = tmp_path_factory.mktemp("fuzzed")
    (root / "data.csv").write_text(ROWS)
    (root / "tasks.toml").write_text(tomli_w.dumps({"t": SOUND}))
    quick = ["--steps", "1", "--head", "linear", "--device", "cpu", "--max-length", "16", "--out", str(root / "run")]
    assert answered("run", "--data", str(root), "--encoder", str(tiny_encoder), *quick).exit_code == 0
    return root / "run"
