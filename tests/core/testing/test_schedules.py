"""A schedule that breaks a promise is caught by the check meant for it; mtk's own break none."""

from __future__ import annotations

from typing import Any

import pytest
from broken import built_in, caught
from broken.schedules import CAUGHT, Line

from mtk.testing import checks


@pytest.mark.parametrize(("component", "names"), CAUGHT, ids=[component.__name__ for component, _ in CAUGHT])
def test_it_is_caught_by_the_check_meant_for_it(component: type[Any], names: set[str]) -> None:
    assert caught(component).keys() == names


def test_every_promise_is_broken_by_someone() -> None:
    assert set().union(*(names for _, names in CAUGHT)) == {check.name for check in checks(Line)}


@pytest.mark.parametrize("component", [Line, *built_in("schedule")])
def test_what_keeps_every_promise_passes(component: type[Any]) -> None:
    assert caught(component) == {}
