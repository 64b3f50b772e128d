"""What a run says of itself beside the losses of its tasks."""

from __future__ import annotations

import io

import msgspec
from rich.console import Console

from mtk.events import Plan, Progress, StageProgress
from mtk_cli.console import Report, pace, setup
from mtk_cli.output import Screen

PLAN = Plan(
    tasks=[], encoder="minilm", parameters=22_700_000, combiner="pcgrad", device="cpu", precision="fp32", recorded=False,
    plain=None, epochs=1, steps=10, notes=[], out="run",  # type: ignore[arg-type]
)  # fmt: skip


def printed(plan: Plan) -> str:
    file = io.StringIO()
    Console(file=file, width=200).print(setup(plan))
    return file.getvalue()


def test_why_tasks_pass_one_after_the_other_is_told_and_nothing_where_they_do_not() -> None:
    assert "one task after the other" not in printed(PLAN)
    reason = "rotary.freqs is used in a way that has no packed form"
    lines = printed(msgspec.structs.replace(PLAN, plain=reason)).splitlines()
    assert lines[0].startswith("encoder")
    assert lines[1].strip() == f"one task after the other: {reason}"


def test_a_heads_own_losses_stand_behind_its_tasks() -> None:
    progress = Progress(
        step=1, steps=10, epoch=1, losses={"sst": 1.5, "para": 0.25}, own_losses={"para/margin": 0.125, "sst/prior": 0.5},
        cosines={}, layer_cosines={}, learning_rate=1e-5, examples_per_second=1234.5,
    )  # fmt: skip
    assert pace(progress) == "loss  sst 1.5000  sst/prior 0.5000  para 0.2500  para/margin 0.1250  1,234 examples/s"


def test_steps_that_fp16_could_not_hold_are_counted() -> None:
    progress = Progress(
        step=9, steps=10, epoch=1, losses={"sst": 1.5}, own_losses={}, cosines={}, layer_cosines={}, learning_rate=1e-5,
        examples_per_second=10, loss_scale=1024.0, skipped=2,
    )  # fmt: skip
    assert pace(progress) == "loss  sst 1.5000  10 examples/s  2 steps left out"


def test_a_stage_is_announced_and_its_end_is_always_told() -> None:
    assert printed(msgspec.structs.replace(PLAN, stages=["mlm:epochs=2"], pooling="max")).count("mlm:epochs=2") == 1
    file = io.StringIO()
    report = Report(Screen(file=file, width=200), clock=lambda: 0.0)
    for step in (1, 2, 3):
        progress = StageProgress(
            stage="mlm:epochs=2", number=1, step=step, steps=3, epoch=1, loss=2.5, learning_rate=1e-5, texts_per_second=99.6
        )  # fmt: skip
        report.mtk_stage_progressed(progress)
    lines = [line.rstrip() for line in file.getvalue().splitlines()]
    assert lines == [f"stage mlm:epochs=2  step {step}/3  loss 2.5000  100 texts/s" for step in (1, 3)], (
        "the second is too near the first"
    )
