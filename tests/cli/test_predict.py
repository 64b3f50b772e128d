"""`mtk predict`: an answer for each line, or what is wrong with one."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import pytest
from click.testing import CliRunner
from command_line import SAMPLE, invoke

from mtk.data import reading
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


@pytest.mark.slow
def test_several_tasks_are_answered_in_one_pass(finished: Path, tmp_path: Path) -> None:
    run, file = str(finished), str(SAMPLE / "sts-dev.csv")
    together = invoke("predict", run, "sts,para", file, "--json", "--device", "cpu").stdout.splitlines()
    for task in ("para", "sts"):
        printed = invoke("predict", run, task, file, "--json", "--device", "cpu").stdout
        alone = [json.loads(line) for line in printed.splitlines()]
        assert len(alone) == len(together)
        for line, wanted in zip(together, alone, strict=True):
            found = json.loads(line)
            assert found["id"] == wanted["id"]
            assert found["answers"][task]["prediction"] == pytest.approx(wanted["prediction"])
    out = tmp_path / "x.tsv"
    assert invoke("predict", run, "para,sts", file, "--out", str(out), "--device", "cpu").stdout == ""
    header, *rows = out.read_text().splitlines()
    assert header.split("\t") == ["id", "para", "sts"]
    assert len(rows) == len(together)
    assert "do not go together" in invoke("predict", run, "sst,para", stdin="a\n").stderr
    assert "no task 'st'" in invoke("predict", run, "para,st", stdin="a\tb\n").stderr


@pytest.mark.slow
def test_rows_are_answered_as_they_come(finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = ["awful", "a great film, if a long one", "fine", "a dog", "nothing that I would see again"]
    run, stdin = str(finished), "".join(f"{text}\n" for text in texts)
    whole = invoke("predict", run, "sst", "--device", "cpu", stdin=stdin).stdout
    monkeypatch.setattr(reading, "windows_of_lines", partial(reading.windows_of_lines, size=2))
    assert invoke("predict", run, "sst", "--device", "cpu", stdin=stdin).stdout == whole
    broken = invoke("predict", run, "sst", "--device", "cpu", stdin=f"{stdin}\n")
    assert broken.exit_code == 1
    assert broken.stdout.split() == whole.split()[:4]
    assert "standard input:6: the line is blank. Mend it or take it out; 4 rows above it were predicted" in broken.stderr
    long = "".join(f"{text} {'and so on ' * 20}\n" for text in texts)
    said = invoke("predict", run, "sst", "--device", "cpu", stdin=long).stderr.splitlines()
    assert ["2 of 2 sequences" in said[0], "the same of 2 more windows" in said[1], len(said)] == [True, True, 2]
    out = tmp_path / "x.csv"
    assert invoke("predict", run, "sst", "--out", str(out), "--device", "cpu", stdin=f"{stdin}\n").exit_code == 1
    assert not list(tmp_path.iterdir())
