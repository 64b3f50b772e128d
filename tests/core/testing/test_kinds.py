"""A kind that breaks a promise is caught by the check meant for it; mtk's own break none."""

from __future__ import annotations

from typing import Any

import pytest
from broken import caught
from broken.kinds import CAUGHT, Kind
from building import REGISTRY

from mtk.testing import checks

OWN = [component for component in REGISTRY.components if component.kind == "kind"]


@pytest.mark.parametrize(("component", "names"), CAUGHT, ids=[component.__name__ for component, _ in CAUGHT])
def test_it_is_caught_by_the_check_meant_for_it(component: type[Any], names: set[str]) -> None:
    assert caught(component).keys() == names


def test_every_promise_is_broken_by_someone() -> None:
    assert set().union(*(names for _, names in CAUGHT)) == {check.name for check in checks(Kind)}


@pytest.mark.parametrize("component", OWN, ids=lambda component: component.name)
def test_mtks_own_keep_every_promise(component: Any) -> None:
    assert caught(component.load()) == {}
