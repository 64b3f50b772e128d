"""What a run says while it goes on: plain lines in a log, a bar on a terminal."""

from __future__ import annotations

import io
import re

import msgspec
import pytest
from command_line import PLAN, RESULT, tell
from rich.console import Console

from mtk_cli.console import Quiet, Report


def report_on(terminal: bool) -> tuple[Report, io.StringIO]:
    file = io.StringIO()
    console = Console(file=file, force_terminal=terminal, markup=False, emoji=False, highlight=False, width=120)
    return Report(console), file


def test_a_log_is_plain_lines() -> None:
    report, file = report_on(terminal=False)
    with report:
        tell(report)
    text = file.getvalue()
    assert "\x1b" not in text
    assert "\r" not in text
    for words in (
        "classification(5)",
        "binary, pairs",
        "2,700 by eda:copies=9",
        "3,000",
        "22.7 M parameters",
        "pcgrad",
        "2 epochs, 200 steps",
        "runs/[1]",
        "sst: 7 bad rows left out",
        "sst-train.csv:2: '[red]' is none of the labels",
        "and 4 more",
        "torch was [2.12]",
        "epoch 1, step 100: average 0.6250  best so far",
        "Best: epoch 1, step 100, average 0.6250",
    ):
        assert words in text
    assert len(re.findall(r"step \d+/200  loss  sst 1.5000  para 0.2500  1,234 examples/s", text)) == 20
    assert re.search(r"sst +accuracy +0.5000 +macro_f1 +0.4500", text)


def test_a_terminal_shows_a_bar_with_losses() -> None:
    report, file = report_on(terminal=True)
    with report:
        tell(report)
    text = file.getvalue()
    assert "epoch 2/2" in text
    assert "200/200" in text
    assert "loss  sst 1.5000  para 0.2500" in text
    assert "Best: epoch 1" in text


def test_the_cursor_comes_back_whatever_happens() -> None:
    report, file = report_on(terminal=True)
    with pytest.raises(RuntimeError), report:
        report.mtk_run_started(PLAN)
        raise RuntimeError
    hidden, shown = file.getvalue().rfind("\x1b[?25l"), file.getvalue().rfind("\x1b[?25h")
    assert 0 <= hidden < shown


def test_an_interrupted_run_says_what_is_saved() -> None:
    file = io.StringIO()
    quiet = Quiet(Console(file=file, width=200))
    quiet.mtk_run_finished(msgspec.structs.replace(RESULT, interrupted=True, steps=1))
    quiet.mtk_run_finished(msgspec.structs.replace(RESULT, interrupted=True, best=None))
    saved, nothing = file.getvalue().splitlines()
    assert saved == "Interrupted after 1 step. runs/[1] holds the best model so far, of epoch 1: average 0.6250."
    assert nothing == "Interrupted after 200 steps. runs/[1] holds the model as it was then, not yet evaluated."
