"""What mtk asks of every part of this kind, and room for what yours promise
beyond that."""

from mtk.testing import Check


def test_contract(check: Check) -> None:
    check()
