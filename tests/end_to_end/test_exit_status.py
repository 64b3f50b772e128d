"""The table of exit statuses in docs/running.md holds, for each thing that it names. 130, and a full disk, are in the
tests of interruption and of files."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from command_line import invoke

ROOT = Path(__file__).parents[2]
TABLE = dict(re.findall(r"^\| (\d+) \| (.*) \|$", (ROOT / "docs" / "running.md").read_text(), re.MULTILINE))
CASES = {  # a word of the table -> what has that status
    "done": (0, ["list"]),
    "data": (1, ["run", "--data", "{broken}"]),
    "a configuration": (1, ["run", "--config", "{broken}/config.toml"]),
    "a run": (1, ["eval", "{empty}"]),
    "a model": (1, ["predict", "{broken}", "sst"]),
    "a command": (2, ["rnu"]),
    "a flag": (2, ["run", "--combinr", "sum"]),
    "a name": (2, ["run", "--combiner", "smu"]),
    "a value": (2, ["run", "--epochs", "none"]),
    "a part's option": (2, ["run", "--combiner", "pcgrad:scop=layer"]),
    "could not be checked": (2, ["check", "no-such-package"]),
}


@pytest.fixture
def places(tmp_path: Path) -> dict[str, str]:
    broken, empty = tmp_path / "broken", tmp_path / "empty"
    (broken / "model").mkdir(parents=True)
    empty.mkdir()
    (broken / "tasks.toml").write_text('[t]\nkind = "binary"\ntext = "a"\nlabel = "y"\ntrain = "t.csv"\ndev = "t.csv"\n')
    (broken / "t.csv").write_text("a,y\na dog,maybe\n")
    (broken / "config.toml").write_text("epochs = [")
    (broken / "model" / "model.json").write_text("{")
    return {"broken": str(broken), "empty": str(empty)}


@pytest.mark.parametrize("what", CASES)
def test_each_has_the_status_that_is_documented(what: str, places: dict[str, str]) -> None:
    status, arguments = CASES[what]
    assert what in TABLE[str(status)]
    result = invoke(*(text.format(**places) for text in arguments))
    assert result.exit_code == status, result.output
    assert "Traceback" not in result.output
