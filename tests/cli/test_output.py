"""Standard output: lines that a pipe gets unbroken and without spaces at their ends, and a terminal with whole words."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from mtk_cli.output import Screen, scores, stdout, table


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
    assert "".join(file.getvalue().split()) == "a-namesummaryabcdefghijklmnopqrstuvwxyz"


def test_scores_are_a_line_for_each_task_with_its_first_metric_first() -> None:
    file = io.StringIO()
    Console(file=file, width=80).print(scores({"sst": {"accuracy": 0.5, "macro_f1": 1 / 3}, "sts": {"pearson": -1.0}}))
    assert [line.split() for line in file.getvalue().splitlines()] == [
        ["sst", "accuracy", "0.5000", "macro_f1", "0.3333"],
        ["sts", "pearson", "-1.0000"],
    ]


ROWS = [
    ("head", "concat-mlp", "a two-layer perceptron on the embedding of the joint pair", "17"),
    ("combiner", "mtk-elsewhere/pcgrad-again", "", "1,234"),
]


@pytest.mark.parametrize("width", [30, 50, 80, 120, 200])
def test_words_are_whole_and_lines_within_the_width(width: int) -> None:
    listing, file = table("kind", "name", "summary", "rows", right=("rows",)), io.StringIO()
    for row in ROWS:
        listing.add_row(*row)
    Screen(file=file, force_terminal=True, width=width, color_system=None).print(listing)
    text = file.getvalue()
    assert max(map(len, text.splitlines())) <= width
    assert {word for row in ROWS for cell in row for word in cell.split()} <= set(text.split())


def test_a_table_that_has_room_is_as_narrow_as_its_cells() -> None:
    listing, file = table("kind", "name", "rows", right=("rows",)), io.StringIO()
    listing.add_row("head", "cnn", "7")
    Screen(file=file, width=200).print(listing)
    assert file.getvalue() == "kind  name  rows\nhead  cnn      7\n"


def test_a_pipe_gets_no_spaces_at_the_ends_of_lines(capsys: pytest.CaptureFixture[str]) -> None:
    grid = table("name", "summary")
    grid.add_row("x", "short")
    grid.add_row("y", "much longer")
    stdout().print(grid)
    assert [line for line in capsys.readouterr().out.splitlines() if line != line.rstrip()] == []


def test_a_path_stays_whole_and_other_words_go_to_the_next_line() -> None:
    path, file = "/a/directory" * 6, io.StringIO()
    Screen(file=file, force_terminal=True, width=50, color_system=None).say(
        f"  Model, predictions and metrics are all in {path}"
    )
    assert file.getvalue().splitlines() == ["  Model, predictions and metrics are all in", f"  {path}"]


def test_brackets_are_no_markup_and_escapes_are_shown() -> None:
    file = io.StringIO()
    screen = Screen(file=file, width=80)
    screen.say("[bold]\x1b[31m", "bold")
    screen.print("[red]\u202e")
    assert file.getvalue() == "[bold]\\x1b[31m\n[red]\\u202e\n"
