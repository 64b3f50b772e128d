"""`mtk tasks` looks at files and writes what a run can begin with."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner
from kinds import KINDS

from mtk.data.tasks_toml import read_layout, read_task
from mtk_cli import cli

PUBLIC = {
    "GLUE with quotes": (
        {"train.tsv": 'index\tsentence1\tsentence2\tlabel\n0\tA "man runs.\tHe runs.\tyes\n1\tNo one.\tA man.\tno\n'},
        {"kind": "binary", "text": ["sentence1", "sentence2"], "label": "label", "id": "index", "quote": "none"},
    ),
    "without a header": (
        {"train.csv": '"3","Fears for it","Unions say so now."\n"4","The race is","A second team wins."\n' * 9},
        {"kind": "binary", "labels": ["3", "4"], "text": ["column2", "column3"], "label": "column1"},
    ),
    "a semicolon and latin-1": (
        {
            "train.csv": "text;stars\nA caf\xe9 that is good;4.5\nA bar that is bad;1\n",
            "dev.csv": "text;stars\nSo it is;2\n",
        },
        {"kind": "regression", "range": [1, 5], "separator": ";", "encoding": "latin-1", "dev": "dev.csv"},
    ),
    "JSON with objects in it": (
        {"x.train.jsonl": '{"data": {"text": "a good film"}, "y": true}\n{"data": {"text": "a bad film"}, "y": false}\n'},
        {"kind": "binary", "text": "data.text", "label": "y", "dev": 0.1},
    ),
    "several files a split": (
        {f"train-{i:05d}-of-00002.csv": "text,label\ngood film here,a\nbad film here,b\nso so film,c\n" for i in range(2)},
        {"kind": "classification", "train": ["train-00000-of-00002.csv", "train-00001-of-00002.csv"]},
    ),
}


@pytest.mark.parametrize("name", PUBLIC)
def test_what_it_writes_describes_the_files(name: str, tmp_path: Path) -> None:
    files, keys = PUBLIC[name]
    for file, content in files.items():
        (tmp_path / file).write_bytes(content.encode("latin-1"))
    printed = CliRunner().invoke(cli, ["tasks", str(tmp_path)])
    assert printed.exit_code == 0, printed.output
    assert not (tmp_path / "tasks.toml").exists()
    assert CliRunner().invoke(cli, ["tasks", str(tmp_path), "--write"]).exit_code == 0
    assert (tmp_path / "tasks.toml").read_text().strip() == printed.stdout.strip()
    (table,) = msgspec.toml.decode(printed.stdout).values()
    assert table | keys == table
    for source in read_layout(tmp_path, KINDS).values():
        assert len(read_task(source).train) >= 1
    again = CliRunner().invoke(cli, ["tasks", str(tmp_path), "--write"])
    assert again.exit_code == 2 and "exists already" in again.stderr


def test_a_directory_without_data_says_what_it_passed_over(tmp_path: Path) -> None:
    (tmp_path / "notes.pdf").write_bytes(b"%PDF")
    (tmp_path / "test.csv").write_text("text,label\na b c,1\n")
    result = CliRunner().invoke(cli, ["tasks", str(tmp_path)])
    assert result.exit_code == 1
    assert "notes.pdf" in result.stderr and "without training files" in result.stderr
    assert CliRunner().invoke(cli, ["tasks", str(tmp_path / "none")]).exit_code == 2
