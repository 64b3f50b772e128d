"""Global generators are watched, and put back."""

from __future__ import annotations

import random

import numpy as np

from mtk.testing.randomness import global_generators


def test_who_draws_is_seen_and_everything_is_put_back() -> None:
    before, of_numpy = random.getstate(), np.random.get_state()[1].tolist()
    with global_generators(3) as moved:
        assert moved() is None
        random.random()
        assert moved() == "Python's global random generator moved"
    with global_generators(3) as moved:
        np.random.rand()
        assert moved() == "NumPy's global random generator moved"
    assert random.getstate() == before
    assert np.random.get_state()[1].tolist() == of_numpy
