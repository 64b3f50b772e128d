"""What mtk asks of every head, combiner and augmenter, and room for what yours promise
beyond that."""

from mtk.testing import Check


def test_contract(check: Check) -> None:
    check()
