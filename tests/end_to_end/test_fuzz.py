"""Whatever is written in a spec, on a command line or in config.toml: an answer of a few lines, an exit status of 0, 1 or 2,
no traceback, and no waiting.

MTK_FUZZ is the number of cases of each property: a few hundred unless it is set. What is fuzzed is refused, or would be: its
encoder is no directory, so that nothing is trained.
"""

from __future__ import annotations

import os
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
SECONDS = 10.0
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
    began = time.monotonic()
    result = CliRunner().invoke(cli, arguments)
    assert time.monotonic() - began < SECONDS
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


# Data files and tasks.toml: their properties are to be `answered("run", "--data", …, "--encoder", "./nowhere")` too.
