"""What mtk asks of every combiner, and room for what this one promises beyond that."""

import pytest
from mtk.testing import Check, checks

from mtk_newcomer.combiner import NewcomerCombiner


@pytest.mark.parametrize("check", checks(NewcomerCombiner), ids=str)
def test_contract(check: Check) -> None:
    check()
