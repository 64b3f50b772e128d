"""A sweep at work: a line for each cell's beginning and end in a log; on a terminal as much of it as there are lines for."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from command_line import EVALUATION, PLAN, RESULT, progress

from mtk.study.cells import Cell
from mtk.study.sweep import Begun, Failed, Left
from mtk_cli.board import Board
from mtk_cli.output import Screen

CELLS = [Cell(f"row {number} [x]", number, f"row-{number}", {}) for number in range(40)]


def tell(board: Board) -> None:
    for event in (Begun(False), PLAN, progress(1), EVALUATION, progress(150), RESULT):
        board.tell(CELLS[0], event)
    board.tell(CELLS[1], Left("running"))
    board.tell(CELLS[2], Failed("out of memory\nmore"))
    for event in (Begun(True), PLAN, progress(50)):
        board.tell(CELLS[3], event)


def test_a_log_has_a_line_for_each_beginning_and_end() -> None:
    file = io.StringIO()
    with Board(Screen(file=file, width=200), Path("s"), CELLS, is_shown=True) as board:
        tell(board)
    assert file.getvalue().splitlines()[:5] == [
        "[1/40] row 0 [x], seed 0  begins",
        "[1/40] row 0 [x], seed 0  done: average 0.6250, in 0:01:15",
        "[2/40] row 1 [x], seed 1  is at work in another process",
        "[3/40] row 2 [x], seed 2  failed: out of memory",
        "more",
    ]
    assert board.failed == 1


@pytest.mark.parametrize("height", [8, 24, 80])
def test_a_terminal_shows_what_is_at_work_and_how_many_there_are(height: int) -> None:
    file = io.StringIO()
    screen = Screen(file=file, width=100, height=height, force_terminal=True, _environ={"TERM": "xterm"})
    with Board(screen, Path("s"), CELLS, is_shown=True) as board:
        tell(board)
        shown = Screen(file=io.StringIO(), width=100, height=height)
        shown.print(board._render())
    lines = shown.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert len(lines) <= height
    assert any("row 3 [x]" in line for line in lines)
    assert "1 done, 1 failed, 2 running, 36 waiting" in lines[-1]
    assert "failed: out of memory" in file.getvalue(), "what a table forgets is said"


def test_with_json_it_says_nothing() -> None:
    file = io.StringIO()
    with Board(Screen(file=file), Path("s"), CELLS, is_shown=False) as board:
        tell(board)
        board.note(["x"])
    assert file.getvalue() == ""
