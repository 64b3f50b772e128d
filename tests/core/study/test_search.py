"""A search draws within what was given, goes on where it was, and ends early what falls behind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import mtk
from mtk.config import check
from mtk.events import Evaluation
from mtk.study.cells import read_plan
from mtk.study.grid import Row, axes_of
from mtk.study.search import STARTUP, _Pruning, search

optuna = pytest.importorskip("optuna")
ROW = Row("", {})


def hear(cell: Any, told: Any) -> None:
    pass


def test_trials_are_drawn_within_the_bounds_and_a_search_goes_on_as_it_would_have(
    tiny: dict[str, Any], tmp_path: Path
) -> None:
    space = {"learning_rate": "1e-5..1e-3", "combiner": ["sum", "pcgrad"]}
    axes = axes_of({**tiny, "epochs": 1, "limit": 8, "checkpoint_every": "0", **space})
    assert search(tmp_path / "whole", ROW, axes, 3, hear)
    cells = read_plan(tmp_path / "whole").cells
    configs = [check(cell.settings) for cell in cells]
    assert len({config.learning_rate for config in configs}) == 3
    assert all(1e-5 <= config.learning_rate <= 1e-3 for config in configs)
    assert [cell.row.partition(":")[0] for cell in cells] == ["trial 1", "trial 2", "trial 3"]
    for trials in (1, 3):
        assert search(tmp_path / "parts", ROW, axes, trials, hear)
    assert read_plan(tmp_path / "parts") == read_plan(tmp_path / "whole")


def test_a_run_below_the_median_of_those_before_is_ended() -> None:
    study = optuna.create_study(direction="maximize", pruner=optuna.pruners.MedianPruner(n_startup_trials=STARTUP))
    for _ in range(STARTUP):
        study.add_trial(optuna.trial.create_trial(value=0.6, intermediate_values={1: 0.5, 2: 0.6}))
    for average, stops in ((0.55, False), (0.45, True)):
        evaluation = Evaluation(step=1, epoch=1, metrics={}, average=average, best=True)
        stop = _Pruning(study.ask()).mtk_evaluated(evaluation)
        assert (stop is not None) is stops
        assert stop is None or stop.reason.startswith("pruned: an average of 0.4500")


def test_nothing_to_draw_and_another_search_are_told(tiny: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(mtk.UsageError, match="nothing to draw"):
        search(tmp_path / "a", ROW, axes_of(tiny), 1, hear)
