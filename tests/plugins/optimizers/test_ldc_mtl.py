"""LDC-MTL: equal to its authors' code, for the tasks and for the learned weights."""

from __future__ import annotations

import pytest
import torch
from published import TASKS, equals, slopes

from mtk_optimizers.ldc_mtl import LDCMTL


def test_equals_the_published_code() -> None:
    combiner = LDCMTL(TASKS, discrepancy=0.1).double()
    equals(slopes(combiner, 0), [0.16982911567987624, 0.3809072479176082, 0.2602274754703328])
    combiner.zero_grad()
    equals(slopes(combiner, 1), [0.16982911567987624, 0.26476987488091613, 0.4064391911963338])
    assert combiner.learned.grad is not None
    equals(combiner.learned.grad, [0.025625594263902318, 0.0515937776905481, 0.08025991887368371])


@pytest.mark.parametrize("scale", [1.0, 1000.0])
def test_the_weights_make_the_losses_equal_whatever_their_units(scale: float) -> None:
    from published import step

    combiner = LDCMTL(TASKS, discrepancy=10.0).double()
    optimizer = torch.optim.Adam(combiner.parameters(), lr=0.003)
    losses = torch.tensor([0.5, 0.4, 0.3], dtype=torch.float64)
    units = torch.tensor([1.0, scale, 1.0], dtype=torch.float64)
    _, _, about = step(0)
    about = type(about)(TASKS, units, about.examples, about.number)
    combiner.scalarize(units, about)  # the first step, in which all were 1, in their units
    later = type(about)(TASKS, losses * units, about.examples, torch.tensor(1))
    for _ in range(800):
        optimizer.zero_grad()
        combiner.scalarize(losses * units, later).backward()
        optimizer.step()
    weighted = combiner.learned.sigmoid() * losses
    assert weighted.max() / weighted.min() < 1.1
