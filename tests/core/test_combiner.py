"""The combiner contract: its smallest example works, and what a combiner need not say is what the docstrings have."""

from __future__ import annotations

import pytest
import torch
from docstring_examples import smallest
from torch import Tensor

from mtk import combiner
from mtk.combiner import Combiner, GradientCombiner, GramianCombiner, LossCombiner

TASKS = ["a", "b", "c"]


def test_the_smallest_combiner_is_one() -> None:
    gradients = torch.randn(3, 50, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    gradients[1] *= 1000
    weights = smallest(combiner, "EqualLength")(TASKS).weights(gradients @ gradients.T)
    torch.testing.assert_close((weights.unsqueeze(1) * gradients).norm(dim=1), torch.ones(3, dtype=torch.float64))
    assert smallest(combiner, "EqualLength")(TASKS).weights(torch.zeros(3, 3)).isfinite().all(), "nothing to go by"


def test_what_it_need_not_say() -> None:
    built = smallest(combiner, "EqualLength")(TASKS)
    assert built.turns() == [("a", "b", "c")]
    assert (built.scope, built.uses_host, built.declares) == ("encoder", False, frozenset())

    def ask() -> Tensor:
        raise AssertionError("asking costs a forward pass")

    assert built.after_step(losses=ask) is None


@pytest.mark.parametrize(
    ("kind", "method"), [(LossCombiner, "scalarize"), (GramianCombiner, "weights"), (GradientCombiner, "combine")]
)
def test_each_kind_has_its_own_decision_to_make(kind: type[Combiner], method: str) -> None:
    with pytest.raises(TypeError, match=method):
        type("Unfinished", (kind,), {})(TASKS)


def test_its_parameters_and_buffers_are_its_state() -> None:
    class Learned(LossCombiner):
        def __init__(self, tasks: list[str]) -> None:
            super().__init__(tasks)
            self.weights = torch.nn.Parameter(torch.ones(len(tasks)))
            self.register_buffer("seen", torch.zeros(()))

        def scalarize(self, losses: Tensor) -> Tensor:
            return losses @ self.weights

    assert set(Learned(TASKS).state_dict()) == {"weights", "seen"}
