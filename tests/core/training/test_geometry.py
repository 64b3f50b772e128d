"""How the tasks' gradients lie to one another is that of the gradients themselves, whatever their lengths; a conflict is one
before the combiner by their own inner products, and after it by those with what it made."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from mtk.engine.gradients import Outcome
from mtk.engine.gramian import combined
from mtk.training.geometry import ROUNDING, Geometry, geometry

LAYERS = ("embeddings", "layer.0")


def outcome(gramian: Tensor | None, weights: Tensor | None = None, tasks: str = "abcdef") -> Outcome:
    """A step of as many tasks as the Gramian has, whose rows the combiner adds up with these weights, or with ones."""
    names = tuple(tasks[: 1 if gramian is None else gramian.shape[-1]])
    fit = torch.tensor(True)
    if gramian is None:
        return Outcome(names, torch.zeros(1), {}, None, None, fit)
    weights = torch.ones(gramian.shape[:-1], dtype=gramian.dtype) if weights is None else weights
    made = combined(gramian, weights)
    return Outcome(names, torch.zeros(len(names)), {}, gramian, weights, fit, combined=made)


def of(*gramians: Tensor | None, **how: str) -> Geometry:
    return geometry([outcome(gramian, **how) for gramian in gramians], LAYERS)


def two(cosine: float, one: float = 1.0, other: float = 1.0) -> Tensor:
    """The Gramian of two rows of these lengths."""
    inner = cosine * one * other
    return torch.tensor([[one**2, inner], [inner, other**2]])


def rows(tasks: int, seed: int, layers: int = 1) -> Tensor:
    """Gradients of tasks [layers, tasks, 9]."""
    return torch.randn(layers, tasks, 9, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_without_a_gramian_there_is_nothing() -> None:
    assert of() == of(None, None) == Geometry({}, {}, {}, None, {})


def test_cosines_are_means_over_the_steps_and_do_not_depend_on_the_lengths() -> None:
    found = of(two(0.5, one=100.0), two(-1.0, other=0.01), None)
    assert found.cosines == pytest.approx({"a/b": -0.25})
    assert found.norms == pytest.approx({"a": 50.5, "b": 0.505})


def test_by_layer_there_is_one_for_each_and_one_for_the_encoder() -> None:
    found = of(torch.stack([two(1.0), two(-1.0, one=3.0, other=3.0)]))
    assert found.layer_cosines == {
        "embeddings": pytest.approx({"a/b": 1.0}), "layer.0": pytest.approx({"a/b": -1.0}),
    }  # fmt: skip
    assert found.cosines == pytest.approx({"a/b": (1 - 9) / 10}), "that of the gradients end to end"
    assert {layer: told.before for layer, told in found.layer_conflicts.items()} == {"embeddings": 0, "layer.0": 1}
    assert found.conflict and found.conflict.before == 1


def test_pairs_are_named_in_the_order_of_the_tasks() -> None:
    assert set(of(torch.eye(3), tasks="cab").cosines) == {"c/a", "c/b", "a/b"}


def test_a_task_alone_conflicts_with_nobody() -> None:
    found = of(torch.eye(1), torch.eye(1))
    assert (found.norms, found.cosines, found.conflict) == ({"a": 1.0}, {}, None)


def test_shares_are_of_the_steps_that_could_tell() -> None:
    found = of(two(-0.5), two(0.5), two(0.5), two(0.5), torch.eye(1), None).conflict
    assert found and (found.steps, found.before, found.pairs) == (4, 0.25, {"a/b": 0.25})


def test_a_long_gradient_wins_over_one_that_it_is_in_conflict_with() -> None:
    """<g_a, g_a + g_b> is 0.01 - 0.05, and <g_b, g_a + g_b> is 1 - 0.05."""
    found = of(two(-0.5, one=0.1)).conflict
    assert found and (found.before, found.after, found.tasks) == (1, 1, {"a": 1.0, "b": 0.0})


def test_a_right_angle_is_no_conflict_however_it_is_rounded() -> None:
    for cosine in (0.0, -ROUNDING / 2):
        found = of(two(cosine)).conflict
        assert found and (found.before, found.after) == (0, 0)


@given(st.integers(2, 5), st.integers(0, 50), st.sampled_from([1, 2]), st.booleans())
def test_it_is_what_the_rows_say(tasks: int, seed: int, layers: int, opposed: bool) -> None:
    gradients, weights = rows(tasks, seed, layers), rows(tasks, seed + 1, layers)[..., 0]
    gramian = gradients @ gradients.transpose(1, 2)
    if layers == 1:
        gramian, weights = gramian[0], weights[0]
    found = geometry([outcome(gramian, -weights if opposed else weights)], LAYERS)
    made = (-weights if opposed else weights).reshape(layers, tasks, 1) * gradients
    whole, update = gradients.transpose(0, 1).flatten(1), made.sum(dim=1).flatten()
    assert found.conflict
    for number, task in enumerate("abcdef"[:tasks]):
        assert found.norms[task] == pytest.approx(float(whole[number].norm()))
        assert found.conflict.tasks[task] == float(torch.dot(whole[number], update) < 0)
        for other in range(number):
            inner = float(torch.dot(whole[number], whole[other]))
            pair = f"{'abcdef'[other]}/{task}"
            assert found.conflict.pairs[pair] == float(inner < 0)
            assert found.cosines[pair] == pytest.approx(inner / float(whole[number].norm() * whole[other].norm()))
    assert found.conflict.before == max(found.conflict.pairs.values())
    assert found.conflict.after == max(found.conflict.tasks.values())
    assert set(found.layer_conflicts) == (set(LAYERS) if layers > 1 else set())


def test_the_device_is_waited_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the number of steps, tasks and layers: a transfer ends in `tolist`, and nothing else here does."""
    counted = []
    tolist: Callable[[Tensor], object] = Tensor.tolist
    monkeypatch.setattr(Tensor, "tolist", lambda self: counted.append(1) or tolist(self))
    for name in ("item", "__float__", "__bool__", "__int__"):
        monkeypatch.setattr(Tensor, name, lambda self: pytest.fail("it waits for the device"))
    of(*[torch.stack([torch.eye(3), torch.eye(3)])] * 5)
    assert counted == [1]
