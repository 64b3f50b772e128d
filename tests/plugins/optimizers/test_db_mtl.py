"""DB-MTL: equal to its authors' code, LibMTL's, in the third step."""

from __future__ import annotations

import torch
from published import TASKS, equals, step

from mtk_optimizers.db_mtl import DBMTL


def test_equals_the_published_code() -> None:
    combiner = DBMTL(TASKS, decay=0.5)
    given = [combiner.combine(step(number)[1], step(number)[2]) for number in range(3)]
    equals(given[2], [-1.909681735069035, 1.096692554121101, -0.20574733447410606, -0.40731516057532413])


def test_without_a_past_all_gradients_become_as_long_as_the_longest() -> None:
    losses, _, about = step(0)
    gradients = torch.diag(torch.tensor([1.0, 5.0, 0.1], dtype=torch.float64))
    combined = DBMTL(TASKS, beta=0.0).combine(gradients, about)
    longest = (gradients.diagonal() / losses).max()
    torch.testing.assert_close(combined, longest.expand(3), rtol=1e-6, atol=0)
