"""mtk's own kinds, made as a run makes them, in a few letters."""

from __future__ import annotations

from typing import Any

from mtk.host.kinds import Kinds
from mtk.host.registry import Registry
from mtk.kind import Kind

KINDS = Kinds(Registry())


def make(name: str, labels: tuple[str, ...] | None = None, range: tuple[float, float] | None = None, **options: Any) -> Kind:
    return KINDS.make(name, labels, range, options)


def Classification(labels: tuple[str, ...], **options: Any) -> Kind:  # noqa: N802
    return make("classification", labels, **options)


def Binary(labels: tuple[str, str] | None = None, **options: Any) -> Kind:  # noqa: N802
    return make("binary", labels, **options)


def Regression(low: float, high: float) -> Kind:  # noqa: N802
    return make("regression", range=(low, high))
