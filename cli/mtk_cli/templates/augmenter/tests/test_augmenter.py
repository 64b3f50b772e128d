"""What mtk asks of every augmenter, and room for what this one promises beyond that."""

import pytest
from mtk.testing import Check, checks

from mtk_newcomer.augmenter import NewcomerAugmenter


@pytest.mark.parametrize("check", checks(NewcomerAugmenter), ids=str)
def test_contract(check: Check) -> None:
    check()
