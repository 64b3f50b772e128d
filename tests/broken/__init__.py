"""Parts that break a promise on purpose, and the checks that they fail."""

from __future__ import annotations

from typing import Any

import building

from mtk.errors import UsageError
from mtk.testing import BrokenPromise, checks


def built_in(kind: str) -> list[type[Any]]:
    """The parts of a kind that come with mtk, and whose extra is installed."""
    classes = [component.load() for component in building.REGISTRY.components if component.kind == kind]
    return [cls for cls in classes if kind != "listener" or _is_there(cls)]


def _is_there(listener: type[Any]) -> bool:
    try:
        listener()
    except UsageError:
        return False
    return True


def caught(component: type[Any]) -> dict[str, str]:
    """The checks that a component fails, and what they say."""
    messages = {}
    for check in checks(component):
        try:
            check()
        except BrokenPromise as error:
            messages[check.name] = str(error)
    return messages
