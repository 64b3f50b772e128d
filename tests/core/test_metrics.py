"""The mean over tasks is of what counts in each."""

from __future__ import annotations

import pytest

from mtk.metrics import average


def test_the_average_is_over_first_metrics() -> None:
    assert average({"sst": {"accuracy": 0.5, "f1": 0.0}, "sts": {"pearson": -0.1, "spearman": 1.0}}) == pytest.approx(0.2)
