"""What a run says while it goes on: a few plain lines in a log, a bar on a terminal; nothing that a terminal obeys."""

from __future__ import annotations

import io
import re
import time
from pathlib import Path

import msgspec
import pytest
from command_line import EVALUATION, PLAN, RESULT, invoke, progress, tell

from mtk.events import EvaluationProgress, EvaluationStart, Preparation
from mtk_cli.console import Line, Means, Quiet, Report, Rows, setup, tasks
from mtk_cli.output import Screen


def report_on(terminal: bool) -> tuple[Report, io.StringIO]:
    file = io.StringIO()
    return Report(Screen(file=file, force_terminal=terminal, width=120)), file


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
        "Best: epoch 1, step 100, average 0.6250, the last one",
    ):
        assert words in text
    assert re.findall(r"step (\d+)/200  loss  sst 1.5000  para 0.2500  1,234 examples/s", text) == ["1", "100"]
    assert not [line for line in text.splitlines() if line != line.rstrip()]
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
    quiet = Quiet(Screen(file=file, width=200))
    quiet.mtk_run_finished(msgspec.structs.replace(RESULT, interrupted=True, steps=1))
    quiet.mtk_run_finished(msgspec.structs.replace(RESULT, interrupted=True, best=None))
    saved, nothing = file.getvalue().splitlines()
    assert saved == "Interrupted after 1 step. runs/[1] holds the best model so far, of epoch 1: average 0.6250."
    assert nothing == "Interrupted after 200 steps. runs/[1] holds the model as it was then, not yet evaluated."


class Clock:
    """Seconds, as a test has them pass."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_log_has_a_few_lines_a_minute_and_the_last_report_of_each_epoch() -> None:
    file, clock = io.StringIO(), Clock()
    with Report(Screen(file=file, width=200), clock) as report:
        report.mtk_run_started(PLAN)
        for step in range(1, 151):
            clock.now += 1.0
            report.mtk_progressed(progress(step))
            if step == 95:
                report.mtk_evaluated(EVALUATION)
    steps = [int(step) for step in re.findall(r"step (\d+)/200  loss", file.getvalue())]
    assert steps == [1, 21, 41, 61, 81, 95, 101, 121, 141]


def test_a_log_says_what_takes_its_time_before_the_run_and_a_terminal_says_it_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("mtk_cli.console.PATIENCE", 0.2)
    report, file = report_on(terminal=False)
    with report:
        for stage in ("reading 3 tasks", "tokenizing"):
            report.mtk_run_preparing(Preparation(stage))
        time.sleep(0.5)
        report.mtk_run_preparing(Preparation("a dry run"))
    time.sleep(0.3)
    assert file.getvalue() == "tokenizing\n"

    report, file = report_on(terminal=True)
    with report:
        time.sleep(0.3)  # it moves in a thread of its own
        assert "starting" in file.getvalue()


def test_the_best_evaluation_is_not_shown_twice() -> None:
    for last, tables in ((EVALUATION, 1), (msgspec.structs.replace(EVALUATION, epoch=2, best=False), 3)):
        report, file = report_on(terminal=False)
        report.mtk_evaluated(EVALUATION)
        if last is not EVALUATION:
            report.mtk_evaluated(last)
        report.mtk_run_finished(RESULT)
        assert file.getvalue().count("macro_f1") == tables


def test_an_evaluation_comes_with_the_mean_cosines_since_the_one_before() -> None:
    report, file = report_on(terminal=False)
    for step, cosine in ((10, 0.5), (40, -0.5)):
        report.mtk_progressed(msgspec.structs.replace(progress(step), cosines={"sst/para": cosine}))
    report.mtk_evaluated(EVALUATION)
    report.mtk_evaluated(EVALUATION)
    assert file.getvalue().count("cosines of the gradients  sst/para -0.250\n") == 1


def test_means_weigh_a_report_by_its_steps() -> None:
    means = Means()
    means.add(1, {"a/b": 1.0})
    means.add(4, {"a/b": -1.0, "a/c": 0.5})
    assert means.taken() == {"a/b": -0.5, "a/c": 0.5}
    assert means.taken() == {}


@pytest.mark.parametrize("width", [50, 80, 120, 200])
def test_a_plan_has_whole_words_at_any_width(width: int) -> None:
    file = io.StringIO()
    screen = Screen(file=file, force_terminal=True, width=width, color_system=None)
    screen.print(tasks(PLAN))
    screen.print(setup(PLAN))
    text = file.getvalue()
    assert max(map(len, text.splitlines())) <= width
    for word in ("classification(5)", "cnn:dropout=0.3", "concat-mlp", "eda:copies=9", "3,000", "parameters", "augmented"):
        assert word in text.split()


def test_nothing_of_a_run_is_obeyed_by_a_terminal() -> None:
    evil = "\x1b[2J\u202e\x07"
    task = msgspec.structs.replace(PLAN.tasks[0], name=evil, head=evil, kind=evil, skipped=[evil])
    plan = msgspec.structs.replace(PLAN, tasks=[task], encoder=evil, combiner=evil, notes=[evil], out=evil)
    report, file = report_on(terminal=False)
    report.mtk_run_started(plan)
    report.mtk_progressed(msgspec.structs.replace(progress(1), losses={evil: 1.0}))
    report.mtk_evaluated(msgspec.structs.replace(EVALUATION, metrics={evil: {evil: 1.0}}))
    report.mtk_run_finished(msgspec.structs.replace(RESULT, out=evil))
    text = file.getvalue()
    assert not set(text) & set(evil.replace("[2J", ""))
    assert text.count("\\x1b[2J\\u202e\\x07") >= 9


def test_rows_that_are_read_move_a_bar_on_a_terminal_alone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with Rows("predicting sst", total=8) as rows:
        rows.done(4)
    assert capsys.readouterr() == ("", "")
    monkeypatch.setenv("FORCE_COLOR", "1")  # which rich takes for a terminal
    monkeypatch.setenv("TERM", "xterm")
    with Rows("predicting sst", total=8) as rows:
        rows.done(4)
        rows.done(8)
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "predicting sst" in shown.err
    assert "8/8" in shown.err


def test_eval_and_predict_show_a_bar_and_their_answer_is_the_same(finished: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = invoke("eval", str(finished), "--device", "cpu")
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    shown = invoke("predict", str(finished), "sst", "--device", "cpu", stdin="a great film\nawful\n")
    assert "2/2" in shown.stderr
    assert len(shown.stdout.split()) == 2
    assert all(line.startswith("warning: ") and "are cut at 16 tokens" in line for line in plain.stderr.splitlines())
    assert "dev: average" in plain.stdout


def seen(written: str) -> list[str]:
    """The lines that a notebook shows, where a carriage return lets what follows overwrite the line."""
    lines = []
    for line in written.split("\n"):
        shown = ""
        for part in line.split("\r"):
            shown = part + shown[len(part) :]
        lines.append(shown.rstrip())
    return lines


def test_a_notebook_has_one_line_that_moves_and_nothing_remains_of_it() -> None:
    notebook, log = io.StringIO(), io.StringIO()
    with Report(Screen(file=notebook, width=200, is_notebook=True)) as report:
        report.mtk_run_preparing(Preparation("reading 3 [tasks]"))
        tell(report)
    tell(Report(Screen(file=log, width=200)))
    written = notebook.getvalue()
    assert "\rstarting" in written and "\rreading 3 [tasks]" in written and "\repoch 1/2  step 1/200  loss" in written
    assert "\x1b" not in written, "a notebook's text is no terminal"
    told = [line for line in log.getvalue().splitlines() if not line.startswith("step ")]
    assert [line for line in seen(written) if line] == [line for line in told if line]


def test_a_notebooks_line_moves_on_in_an_evaluation_and_not_at_every_batch() -> None:
    notebook, now = io.StringIO(), [0.0]
    line = Line(Screen(file=notebook, is_notebook=True), clock=lambda: now[0])
    line.begin_evaluation(EvaluationStart(step=1, epoch=1, examples={"sst": 64, "para": 36}))
    for task, done in (("sst", 32), ("sst", 64), ("para", 36)):
        line.show_evaluation(EvaluationProgress(task=task, done=done, examples=64))
        now[0] += 0.3
    assert seen(notebook.getvalue()) == ["evaluation 100/100"]
    assert "64/100" not in notebook.getvalue()
