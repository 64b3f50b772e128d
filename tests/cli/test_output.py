"""Standard output: tables that a pipe gets unfolded and a narrow terminal uncut."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from mtk_cli.output import scores, stdout, table


def test_a_pipe_gets_lines_that_are_never_folded(capsys: pytest.CaptureFixture[str]) -> None:
    grid = table("name", "summary")
    grid.add_row("[bold]x", "word " * 400)
    stdout().print(grid)
    header, row = capsys.readouterr().out.splitlines()
    assert header.split() == ["name", "summary"]
    assert row.split() == ["[bold]x", *["word"] * 400], "brackets are no markup"


def test_a_narrow_terminal_folds_cells_and_cuts_none() -> None:
    file, grid = io.StringIO(), table("name", "summary")
    grid.add_row("a-name", "abcdefghijklmnopqrstuvwxyz")
    Console(file=file, width=20).print(grid)
    assert "…" not in file.getvalue()
    cells = [line[6:].strip() for line in file.getvalue().splitlines()[1:]]
    assert "".join(cells) == "abcdefghijklmnopqrstuvwxyz"


def test_scores_are_a_line_for_each_task_with_its_first_metric_first() -> None:
    file = io.StringIO()
    Console(file=file, width=80).print(scores({"sst": {"accuracy": 0.5, "macro_f1": 1 / 3}, "sts": {"pearson": -1.0}}))
    assert [line.split() for line in file.getvalue().splitlines()] == [
        ["sst", "accuracy", "0.5000", "macro_f1", "0.3333"],
        ["sts", "pearson", "-1.0000"],
    ]
