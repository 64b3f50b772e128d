"""AuxiNash: its weights solve the bargain, and its preferences step as those of its authors' code do for losses without a
Hessian."""

from __future__ import annotations

import pytest
import torch
from published import TASKS, by_halves, equals, step

from mtk_optimizers.auxinash import AuxiNash


def test_equals_the_published_code() -> None:
    combiner = AuxiNash(TASKS, rate=0.05, every=1).double()
    equals(by_halves(combiner, 0), [1.8049119392449746, 1.6891502469664006, 0.5849125007009595], tolerance=1e-6)
    equals(combiner.preferences, [1.0404166208507815, 0.9777557879053616, 0.9818275912438571], tolerance=1e-6)
    by_halves(combiner, 1)
    equals(combiner.preferences, [1.077347955478872, 0.9444146925918134, 0.9782373519293142], tolerance=1e-6)
    equals(by_halves(combiner, 2), [0.381522043668955, 1.0017198382784054, 0.6636997245371131], tolerance=1e-6)
    equals(combiner.preferences, [1.1121439697820845, 0.9170554841524324, 0.9708005460654829], tolerance=1e-6)


def test_preferences_step_every_so_often() -> None:
    combiner = AuxiNash(TASKS, every=3).double()
    by_halves(combiner, 0)
    by_halves(combiner, 1)
    assert combiner.preferences.tolist() == [1, 1, 1]
    by_halves(combiner, 2)
    assert combiner.preferences.tolist() != [1, 1, 1]


def test_a_task_that_helps_the_main_one_gains_power() -> None:
    combiner = AuxiNash(TASKS, main="two", rate=0.1, every=1).double()
    helps = torch.tensor([[0.5, 0.5, 0], [0, 1, 0], [0, -0.3, 1]], dtype=torch.float64)
    for _ in range(20):
        combiner.weights(helps @ helps.T, step(0)[2], helps @ helps.T)
    assert combiner.preferences[0] > combiner.preferences[2]


def test_the_main_task_is_one() -> None:
    with pytest.raises(ValueError, match="main is a task, one, two, three, and not 'four'"):
        AuxiNash(TASKS, main="four")
