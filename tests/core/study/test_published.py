"""The study's figures stand beside rows that are its: plain heads, summed losses, texts as they are."""

from __future__ import annotations

import pytest

from mtk.config import RunConfig
from mtk.study import published
from mtk.study.entries import decisive


@pytest.mark.parametrize(
    ("settings", "plain"),
    [
        ({"heads": {"*": "linear"}}, True),
        ({"heads": {"sst": "multitask-toolkit/linear:dropout=0.3", "para": "linear", "sts": "linear"}}, True),
        ({"heads": {"sst": "cnn", "*": "linear"}}, False),
        ({"heads": {"*": "linear"}, "combiner": "pcgrad"}, False),
        ({"heads": {"*": "linear"}, "augment": {"sst": "eda"}}, False),
        ({}, False),
    ],
)
def test_the_first_row_is_known_by_its_settings(settings: dict[str, object], plain: bool) -> None:
    assert published.is_plain(decisive(RunConfig(**settings))) is plain  # type: ignore[arg-type]


def test_its_main_finding_is_the_distance_of_its_ends() -> None:
    assert pytest.approx(published.BY_HEADS, abs=0.005) == published.BEST - published.PLAIN
