"""What is followed over the steps: an average, saved and taken up again."""

from __future__ import annotations

import torch
from published import TASKS, step

from mtk_optimizers.db_mtl import DBMTL
from mtk_optimizers.tracking import Tracking


class Followed(Tracking):
    def combine(self, gradients: torch.Tensor) -> torch.Tensor:
        return self.track(gradients, torch.tensor(0.25)).sum(dim=0)


def test_the_share_is_that_of_the_latest() -> None:
    combiner = Followed(TASKS)
    ones = torch.ones(3, 4)
    assert combiner.combine(ones).tolist() == [0.75] * 4
    assert combiner.combine(ones).tolist() == [3 * 0.4375] * 4


def test_a_fresh_one_goes_on_from_what_was_saved() -> None:
    first, fresh = DBMTL(TASKS), DBMTL(TASKS)
    assert not first.state_dict()
    first.combine(*step(0)[1:])
    fresh.load_state_dict({key: value.clone() for key, value in first.state_dict().items()})
    assert torch.equal(fresh.combine(*step(1)[1:]), first.combine(*step(1)[1:]))
