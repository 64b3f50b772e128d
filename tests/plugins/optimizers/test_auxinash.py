"""AuxiNash: its weights solve the bargain, and its preferences step as those of its authors' code do for losses without a
Hessian."""

from __future__ import annotations

import pytest
import torch
from published import TASKS, by_halves, equals, step

from mtk_optimizers.auxinash import AuxiNash


def test_equals_the_published_code() -> None:
    combiner = AuxiNash(TASKS, rate=0.05, every=1).double()
    equals(by_halves(combiner, 0), [1.804911938635921, 1.6891502460057746, 0.5849124989902783], tolerance=1e-6)
    equals(combiner.preferences, [1.0404166208664578, 0.9777557885122331, 0.9818275906213094], tolerance=1e-6)
    by_halves(combiner, 1)
    equals(combiner.preferences, [1.1141814360674658, 0.9240879337614523, 0.9617306301710817], tolerance=1e-6)
    equals(by_halves(combiner, 2), [0.3902299722239208, 0.9904420095061465, 0.6540886408147074], tolerance=1e-6)
    equals(combiner.preferences, [1.2150836553569908, 0.8483383587895232, 0.936577985853486], tolerance=1e-6)


def test_the_hessian_hardly_matters() -> None:
    """What the published code gave for losses with Hessians, whose largest eigenvalues are 9, 19 and 6."""
    combiner = AuxiNash(TASKS, rate=0.05, every=1).double()
    for number in range(3):
        by_halves(combiner, number)
    equals(combiner.preferences, [1.215128371627594, 0.8484082157674233, 0.9364634126049827], tolerance=2e-4)


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
