"""Every block that a section may hold has a look in the template."""

from __future__ import annotations

from typing import get_args

import pytest

from mtk.study.report import blocks
from mtk.study.report.blocks import Beside, Charts, Facts, Heading, Page, Section, Sentences, Table, Text
from mtk.study.report.page import rendered

pytest.importorskip("vl_convert")

BLOCKS = {
    Charts: Charts([]),
    Table: Table(["h1", "h2"], [["cell-a", "cell-b"]], "name-t", [1], [0]),
    Beside: Beside([Table(["h"], [["cell-c"]]), Table(["h"], [["cell-d"]])]),
    Facts: Facts([("name-f", "value-f", "more-f")]),
    Sentences: Sentences({"topic-s": ["said-s"]}),
    Text: Text("text-t"),
    Heading: Heading("heading-h"),
}
SHOWN = {
    Charts: ['<div class="charts">'],
    Table: ["cell-a", "cell-b", "name-t", 'class="strong"', 'class="n"'],
    Beside: ["cell-c", "cell-d"],
    Facts: ["name-f", "value-f", "more-f"],
    Sentences: ["topic-s", "said-s"],
    Text: ["text-t"],
    Heading: ["heading-h"],
}


@pytest.mark.parametrize("kind", get_args(blocks.Block))
def test_it_is_shown_with_all_that_it_says(kind: type) -> None:
    html = rendered(Page("title", "lead", [Section("section", "its lead", [BLOCKS[kind]])]))
    for text in SHOWN[kind]:
        assert text in html, text
