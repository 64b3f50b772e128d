"""Parts that break a promise on purpose, and the checks that they fail."""

from __future__ import annotations

from typing import Any

from mtk.testing import BrokenPromise, checks


def caught(component: type[Any]) -> dict[str, str]:
    """The checks that a component fails, and what they say."""
    messages = {}
    for check in checks(component):
        try:
            check()
        except BrokenPromise as error:
            messages[check.name] = str(error)
    return messages
