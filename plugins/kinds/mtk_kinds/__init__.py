"""What a task can ask."""

from __future__ import annotations

import mtk


@mtk.hookimpl
def mtk_register(registry: mtk.Registration) -> None:
    registry.kind("classification", "mtk_kinds.classification:Classification", summary="one of several labels")
    registry.kind("binary", "mtk_kinds.binary:Binary", summary="yes or no")
    registry.kind("regression", "mtk_kinds.regression:Regression", summary="a score between two bounds")
    registry.kind("multilabel", "mtk_kinds.multilabel:Multilabel", summary="any number of several labels")
    registry.kind("ordinal", "mtk_kinds.ordinal:Ordinal", summary="one of several labels that have an order")
    registry.kind("tokens", "mtk_kinds.tokens:Tokens", summary="a label for each word of a text")
    registry.kind("ranking", "mtk_kinds.ranking:Ranking", summary="the order of several candidates")
    registry.kind("multiple-choice", "mtk_kinds.multiple_choice:MultipleChoice", summary="one of several candidates")
