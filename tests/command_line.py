"""What tests of the command line share: how it is called, and a run as it tells of itself."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from click.testing import CliRunner, Result

import mtk_tasks
from mtk.events import Evaluation, Plan, PlannedTask, Progress
from mtk.events import Result as RunResult
from mtk_cli import cli
from mtk_cli.console import Report


def invoke(*arguments: str, stdin: str = "") -> Result:
    return CliRunner().invoke(cli, arguments, input=stdin)


def python(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ, **environment}, check=False
    )


PLAN = Plan(
    tasks=[
        PlannedTask(
            name="sst",
            kind="classification(5)",
            pair=False,
            head="cnn:dropout=0.3",
            augmenter="eda:copies=9",
            batch_size=8,
            train=3000,
            augmented=2700,
            dev=60,
            test=0,
            skipped=[f"sst-train.csv:{n}: '[red]' is none of the labels" for n in range(2, 9)],
        ),
        PlannedTask(
            name="para",
            kind="binary",
            pair=True,
            head="concat-mlp",
            augmenter=None,
            batch_size=16,
            train=300,
            augmented=0,
            dev=60,
            test=60,
            skipped=[],
        ),
    ],
    encoder="minilm",
    parameters=22_700_000,
    combiner="pcgrad",
    device="cpu",
    precision="fp32",
    recorded=False,
    epochs=2,
    steps=200,
    plain=None,
    notes=["torch was [2.12] in the run that this one repeats, and is 2.13 here"],
    out=Path("runs/[1]"),
)


def progress(step: int) -> Progress:
    return Progress(
        step=step,
        steps=200,
        epoch=1 + (step > 100),
        losses={"sst": 1.5, "para": 0.25},
        own_losses={},
        cosines={},
        layer_cosines={},
        learning_rate=1e-5,
        examples_per_second=1234.5,
    )


EVALUATION = Evaluation(
    step=100,
    epoch=1,
    metrics={"sst": {"accuracy": 0.5, "macro_f1": 0.45}, "para": {"accuracy": 0.75, "f1": 0.7}},
    average=0.625,
    best=True,
)


RESULT = RunResult(
    out=Path("runs/[1]"),
    epochs=2,
    steps=200,
    seconds=75.2,
    examples_per_second=1234.5,
    best=EVALUATION,
    interrupted=False,
)


def tell(report: Report) -> None:
    report.mtk_run_started(PLAN)
    for step in range(1, 201):
        report.mtk_progressed(progress(step))
        if step == 100:
            report.mtk_evaluated(EVALUATION)
    report.mtk_run_finished(RESULT)


REGISTERS = """
import mtk
import mtk_tasks

@mtk.hookimpl
def mtk_register(registry):
    registry.{kind}("{name}", "{module}:Thing", summary="a [thing]")
"""


TINY = ("--limit", "8", "--batch-size", "8", "--max-length", "16", "--device", "cpu", "--head", "linear")


SAMPLE = Path(mtk_tasks.__file__).parent / "sample"
