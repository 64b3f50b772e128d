"""A kind is made of what a table says, and of its card again; what does not fit is named."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from kinds import KINDS, make

from mtk.errors import UsageError
from mtk.host.kinds import KindCard, card_of


@pytest.mark.parametrize(
    "kind",
    [
        make("classification", ("a", "b"), label_smoothing=0.1, class_weights=[1.0, 2.0]),
        make("binary"),
        make("regression", range=(0, 5)),
        make("multilabel", ("a", "b"), class_weights="balanced"),
        make("ranking", cutoff=10),
    ],
    ids=str,
)
def test_a_card_makes_the_same_kind_again(kind: Any) -> None:
    card = msgspec.json.decode(msgspec.json.encode(card_of(kind)), type=KindCard)
    assert KINDS.restore(card) == kind
    assert card.package == "multitask-toolkit"


def test_other_options_make_another_kind() -> None:
    assert make("classification", ("a", "b")) != make("classification", ("a", "b"), label_smoothing=0.1)
    assert make("classification", ("a", "b")) != make("classification", ("b", "a"))


@pytest.mark.parametrize(
    ("name", "given", "reason"),
    [
        ("classificaton", {}, "There is no kind 'classificaton'. Did you mean classification"),
        ("classification", {}, "needs `labels`, or `classes`"),
        ("regression", {"labels": ("a", "b"), "range": (0, 1)}, "and no `labels`"),
        ("regression", {}, "needs `range`"),
        ("binary", {"labels": ("a", "b", "c")}, "3 are named"),
        ("classification", {"labels": ("a", "b"), "label_smoothing": 2}, "`label_smoothing` takes float"),
        ("classification", {"labels": ("a", "b"), "class_weights": [1.0]}, "1 weights for 2 labels"),
        ("classification", {"labels": ("a", "b"), "label_smothing": 0.1}, "Did you mean label_smoothing"),
        ("tokens", {"labels": ("O", "B LOC")}, "white space"),
        ("multilabel", {"labels": ("a,b", "c")}, "label_separator"),
    ],
)
def test_what_does_not_fit_is_named(name: str, given: dict[str, Any], reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        make(name, **given)
