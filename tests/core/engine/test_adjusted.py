"""Options of any Gramian method: what it is shown, and what becomes of its weights, around the method itself."""

from __future__ import annotations

import building
import pytest
import torch
from building import REGISTRY
from published import TASKS, step
from torch import Tensor

import mtk
from mtk.engine.adjusted import Adjusted
from mtk_optimizers.cagrad import averse
from mtk_optimizers.simplex import shortest

GRAMIAN = [c.name for c in REGISTRY.components if c.kind == "combiner" and c.plugin == "optimizers"]
GRAMIAN = [name for name in GRAMIAN if issubclass(REGISTRY.find("combiner", name).load(), mtk.GramianCombiner)]


def weights(combiner: mtk.Combiner, gradients: Tensor, about: mtk.Step) -> Tensor:
    """As the engine has them."""
    from mtk.calling.failures import call

    gramian = gradients @ gradients.T
    found: Tensor = call(combiner, "weights", gramian=gramian, cross=gramian, step=about)
    return found


def test_nothing_is_around_a_method_that_nobody_adjusts() -> None:
    assert type(building.combiner("cagrad:c=0.3", TASKS)).__name__ == "CAGrad"
    assert type(building.combiner("cagrad:normalize=false,smoothing=0", TASKS)).__name__ == "CAGrad"


@pytest.mark.parametrize("name", GRAMIAN)
def test_normalized_gradients_are_those_of_length_one(name: str) -> None:
    _, gradients, about = step(0)
    lengths = gradients.norm(dim=1, keepdim=True)
    torch.manual_seed(0)
    spec = f"{name}:baseline=0.5/0.5/0.5" if name == "pivrg" else name
    options = f"{spec}{',' if ':' in spec else ':'}normalize=true"
    combined = weights(building.combiner(options, TASKS).double(), gradients, about) @ gradients
    torch.manual_seed(0)
    plain = weights(building.combiner(spec, TASKS).double(), gradients / lengths, about) @ (gradients / lengths)
    torch.testing.assert_close(combined, plain)


def test_a_preferred_task_has_a_larger_gradient_and_a_larger_loss() -> None:
    losses, gradients, about = step(0)
    combiner = building.combiner("cagrad:preference=1/2/4", TASKS).double()
    larger = gradients * torch.tensor([[1.0], [2.0], [4.0]])
    expected = averse(larger @ larger.T, 0.5, 1e-4) @ larger
    torch.testing.assert_close(weights(combiner, gradients, about) @ gradients, expected)
    combiner = building.combiner("log-mgda:preference=1/2/4", TASKS).double()  # to which units do not matter
    of_logarithms = gradients / losses.unsqueeze(1)
    expected = 3 * shortest(of_logarithms @ of_logarithms.T) @ of_logarithms
    torch.testing.assert_close(weights(combiner, gradients, about) @ gradients, expected)


def test_smoothed_weights_are_the_moving_average_of_the_methods() -> None:
    plain, smooth = building.combiner("cagrad", TASKS), building.combiner("cagrad:smoothing=0.75", TASKS)
    average = None
    for number in range(5):
        _, gradients, about = step(number)
        own = weights(plain, gradients, about)
        average = own if average is None else 0.75 * average + 0.25 * own
        torch.testing.assert_close(weights(smooth, gradients, about), average)


def test_a_task_that_a_step_leaves_out_keeps_its_weight() -> None:
    combiner = building.combiner("mgda:smoothing=0.5", TASKS)
    assert isinstance(combiner, Adjusted)
    _, gradients, about = step(0)
    first = weights(combiner, gradients, about)
    two = mtk.Step(("three", "one"), about.losses[[2, 0]], about.examples[:2], about.number)
    weights(combiner, gradients[[2, 0]], two)
    assert combiner.past is not None
    assert combiner.past[1] == first[1]
    assert combiner.past[0] != first[0]


@pytest.mark.parametrize("scope", ["encoder", "layer"])
def test_it_goes_on_from_a_saved_state(scope: str) -> None:
    spec = f"pcgrad:smoothing=0.5,normalize=true,scope={scope}"
    first, second = building.combiner(spec, TASKS), building.combiner(spec, TASKS)

    def after(combiner: mtk.Combiner, number: int) -> Tensor:
        _, gradients, about = step(number)
        gramian = torch.stack([part @ part.T for part in gradients.split(2, dim=1)])
        torch.manual_seed(number)
        found: Tensor = combiner.weights(gramian if scope == "layer" else gramian.sum(dim=0), about)  # type: ignore[operator]
        return found

    for number in range(3):
        after(first, number)
    second.load_state_dict(first.state_dict())
    torch.testing.assert_close(after(second, 3), after(first, 3), rtol=0, atol=0)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("sum:normalize=true", "'sum' has no option 'normalize'"),
        ("db-mtl:smoothing=0.5", "'db-mtl' has no option 'smoothing'"),
        ("mgda:smoothing=1", "'1' is no value for option 'smoothing' of 'mgda': it takes float, ≥ 0, < 1"),
        (
            "mgda:preference=1/0/1",
            "'1/0/1' is no value for option 'preference' of 'mgda': it takes float/float…, > 0",
        ),
        ("mgda:preference=1/2", r"preference takes a number for each task \(one, two, three\), such as 1/1/1"),
    ],
)
def test_what_does_not_fit_is_said(spec: str, message: str) -> None:
    with pytest.raises(mtk.UsageError, match=message):
        building.combiner(spec, TASKS)


def test_a_broken_promise_is_the_methods() -> None:
    class Wrong(mtk.GramianCombiner):
        def weights(self, gramian: Tensor) -> Tensor:
            return gramian

    _, gradients, about = step(0)
    with pytest.raises(mtk.UsageError, match="Wrong is broken: its weights promises a tensor"):
        weights(Adjusted(Wrong(TASKS), normalize=True, smoothing=0.0, preference=None), gradients, about)
