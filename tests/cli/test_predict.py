"""`mtk predict`: an answer for each line, or what is wrong with one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from command_line import SAMPLE, invoke

from mtk_cli import cli


@pytest.mark.slow
def test_predict_answers_each_line(finished: Path) -> None:
    run = str(finished)
    labels = invoke("predict", run, "sst", stdin="a great film\nawful\n").stdout.split()
    assert len(labels) == 2
    assert set(labels) <= set("01234")
    record = json.loads(invoke("predict", run, "sts", "--json", stdin="one text\tanother\n").stdout)
    assert record["id"] == "0"
    assert 0 <= record["prediction"] <= 5
    file = str(SAMPLE / "para-dev.csv")
    assert len(invoke("predict", run, "para", file).stdout.split()) == len(Path(file).read_text().splitlines()) - 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "stdin", "code", "message"),
    [
        (["st"], "a\n", 2, "Did you mean"),
        (["sst"], "a\n\nb\n", 1, "standard input:2: "),
        (["sst"], b"a \xff\n", 1, "standard input: this is not utf-8"),
        (["sst", "nowhere.csv"], "", 1, "nowhere.csv"),
        (["sst", "--device", "gpu"], "a\n", 2, "it takes auto, cpu, cuda or cuda:N"),
    ],
)
def test_predict_says_what_is_wrong(
    finished: Path, arguments: list[str], stdin: str | bytes, code: int, message: str
) -> None:
    result = CliRunner().invoke(cli, ["predict", str(finished), *arguments], input=stdin)
    assert (result.exit_code, result.stdout) == (code, "")
    assert message in result.stderr


@pytest.mark.parametrize("command", [["eval"], ["predict"]])
def test_no_run_is_no_traceback(command: list[str], tmp_path: Path) -> None:
    result = invoke(*command, str(tmp_path), *(["sst"] if command == ["predict"] else []))
    assert result.exit_code == 1
    assert result.stderr.startswith("error: ")
