"""What mtk asks of every head, and room for what this one promises beyond that."""

import pytest
from mtk.testing import Check, checks

from mtk_newcomer.head import NewcomerHead


@pytest.mark.parametrize("check", checks(NewcomerHead), ids=str)
def test_contract(check: Check) -> None:
    check()
