"""Any Gramian method in each layer by itself."""

from __future__ import annotations

from collections.abc import Callable

import building
import pytest
import torch
from building import REGISTRY
from published import TASKS, step
from torch import Tensor

import mtk
from mtk.calling.failures import call
from mtk.engine.around import ByLayer, wants_cross

GRAMIAN = [c.name for c in REGISTRY.components if c.kind == "combiner" and c.plugin == "optimizers"]
GRAMIAN = [name for name in GRAMIAN if issubclass(REGISTRY.find("combiner", name).load(), mtk.GramianCombiner)]
SIZES = (1, 3)  # parameters of two layers
SPECS = {"pivrg": ":baseline=0.5/0.6/0.7"}


def statistics(number: int) -> tuple[Tensor, Tensor, mtk.Step]:
    """Gramians [2, 3, 3] of two layers, and the products of halves."""
    _, gradients, about = step(number)
    other = gradients + 0.1 * step(number + 100)[1]
    layers = list(zip(gradients.split(SIZES, dim=1), other.split(SIZES, dim=1), strict=True))
    return torch.stack([a @ a.T for a, _ in layers]), torch.stack([a @ b.T for a, b in layers]), about


@pytest.mark.parametrize("name", GRAMIAN)
def test_each_layer_is_decided_for_as_if_it_were_the_encoder(name: str) -> None:
    """With a state of its own, over three steps."""
    spec = name + SPECS.get(name, "")
    options = f"{spec}{',' if ':' in spec else ':'}scope=layer"
    if name in ("pcgrad", "gradvac"):  # which draw
        pytest.skip("its draws are not those of two encoders")
    whole = building.combiner(options, TASKS).double()
    alone = [building.combiner(spec, TASKS).double() for _ in SIZES]
    for number in range(3):
        gramians, crosses, about = statistics(number)
        found = call(whole, "weights", gramian=gramians, cross=crosses, step=about)
        for layer, method in enumerate(alone):
            own = call(method, "weights", gramian=gramians[layer], cross=crosses[layer], step=about)
            torch.testing.assert_close(found[layer], own)


def test_copies_are_made_before_a_state_is_loaded() -> None:
    first, second = (building.combiner("gradnorm:scope=layer,smoothing=0.5", TASKS).double() for _ in range(2))
    for combiner in (first, second):
        combiner.prepare(2)  # type: ignore[operator]

    def after(combiner: mtk.Combiner, number: int) -> Tensor:
        gramians, _, about = statistics(number)
        found: Tensor = call(combiner, "weights", gramian=gramians, step=about)
        return found

    for number in range(3):
        after(first, number)
    second.load_state_dict(first.state_dict())
    torch.testing.assert_close(after(second, 3), after(first, 3), rtol=0, atol=0)


class Asks(mtk.GramianCombiner):
    """For the losses after a step."""

    def weights(self, gramian: Tensor) -> Tensor:
        return gramian.diagonal()

    def after_step(self, losses: Callable[[], Tensor]) -> None:
        self.seen = losses()


def test_losses_after_a_step_are_computed_once() -> None:
    combiner, asked = ByLayer(Asks(TASKS)), []
    combiner.prepare(4)

    def losses() -> Tensor:
        asked.append(1)
        return torch.ones(3)

    combiner.after_step(losses)
    assert len(asked) == 1


def test_what_stands_around_a_method_asks_for_what_it_asks() -> None:
    assert wants_cross(building.combiner("modo:scope=layer,normalize=true", TASKS))
    assert not wants_cross(building.combiner("mgda:scope=layer,normalize=true", TASKS))


def test_a_scope_that_a_class_has_settled_is_no_option() -> None:
    from mtk.host.contracts import framework_options

    class Layered(Asks):
        scope = "layer"

    assert "scope" not in framework_options("combiner", Layered)
    assert "scope" in framework_options("combiner", Asks)
