"""A head that breaks a promise is caught by the check meant for it, and by no other."""

from __future__ import annotations

from typing import Any

import pytest
from broken import caught
from broken.heads import CAUGHT

from mtk.testing import checks


@pytest.mark.parametrize(("component", "names"), CAUGHT, ids=[component.__name__ for component, _ in CAUGHT])
def test_it_is_caught_by_the_check_meant_for_it(component: type[Any], names: set[str]) -> None:
    assert caught(component).keys() == names


def test_every_promise_is_broken_by_someone() -> None:
    promises = {check.name for component, _ in CAUGHT for check in checks(component)}
    assert set().union(*(names for _, names in CAUGHT)) == promises
