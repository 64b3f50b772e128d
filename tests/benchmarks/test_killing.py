"""The benchmark of deaths finds nothing wrong in a few of them, and finds what is wrong where the former model is removed
first, or its predictions are replaced by themselves: its judgement is worth something."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"

REMOVED_FIRST = """
def replaced(fills):
    for path in fills:
        shutil.rmtree(path, ignore_errors=True)
    files.write_directories(fills)
"""
ONE_BY_ONE = """
def replaced(fills):
    for path, fill in fills.items():
        files.write_directories({path: fill})
"""

# A run that goes on with its directories replaced so: what is wrong after a death at a change, the last ones first.
SEARCH = """
import shutil, sys, tempfile
from pathlib import Path
import torch
import dying, killing
from mtk import files
from mtk.training import run_directory

torch.set_num_threads(1)
with tempfile.TemporaryDirectory() as directory:
    place = Path(directory).resolve()
    scenario = killing.scenarios((*killing.made(place), *killing.SHORT), place)["goes on"]
    run_directory.write_directories = replaced
    whole, _ = killing.died(*scenario, place / "run", dying.Watch(place / "run"))
    for number in range(whole.changes, 0, -6):
        shutil.rmtree(place / "run")
        _, wrong = killing.died(*scenario, place / "run", dying.Watch(place / "run", number, "SIGKILL"))
        if wrong:
            sys.exit(wrong)
"""


def python(*command: str) -> tuple[int, str]:
    done = subprocess.run([sys.executable, *command], cwd=BENCHMARKS, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.slow
def test_a_death_at_a_change_leaves_a_run_that_goes_on() -> None:
    status, said = python("killing.py", "--only", "changes", "--every", "60")
    assert status == 0, said
    assert "| changes | 12 | 0 |" in said


@pytest.mark.slow
@pytest.mark.parametrize(
    ("spoiled", "told"),
    [(REMOVED_FIRST, "the model that there was is gone"), (ONE_BY_ONE, "is not what the model predicts")],
    ids=["removed first", "one by one"],
)
def test_what_is_known_to_be_wrong_is_found(spoiled: str, told: str) -> None:
    status, said = python("-c", spoiled + SEARCH)
    assert (status, told in said) == (1, True), said
