"""An attribute that nearly is one of the contract's is a mistake; an author's own attribute is nobody's business."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import mtk
from mtk.host.attributes import attributes
from mtk.host.contracts import why_not
from mtk.host.registry import Registry


def head(**attributes: Any) -> type[mtk.Head]:
    class Head(mtk.Head):
        def __init__(self, width: int, outputs: int, inputs: int) -> None:
            super().__init__()

        def forward(self, first: mtk.Encoding) -> torch.Tensor:
            return first.embedding

    for name, value in attributes.items():
        setattr(Head, name, value)
    return Head


def combiner(base: type[mtk.Combiner] = mtk.GramianCombiner, **attributes: Any) -> type[mtk.Combiner]:
    class Combiner(base):  # type: ignore[valid-type,misc]
        def weights(self, gramian: torch.Tensor) -> torch.Tensor:
            return torch.ones(len(gramian))

        def scalarize(self, losses: torch.Tensor) -> torch.Tensor:
            return self.weights(losses) @ losses

        def combine(self, gradients: torch.Tensor) -> torch.Tensor:
            return gradients.sum(0)

    for name, value in attributes.items():
        setattr(Combiner, name, value)
    return Combiner


def augmenter(**attributes: Any) -> type[mtk.Augmenter]:
    class Augmenter(mtk.Augmenter):
        def __call__(self, words: Any, rng: Any) -> list[str]:
            return list(words)

    for name, value in attributes.items():
        setattr(Augmenter, name, value)
    return Augmenter


@pytest.mark.parametrize(
    ("kind", "cls", "meant"),
    [
        ("head", head(pairs="joint"), "pair_encoding"),
        ("head", head(pair_encodings="joint"), "pair_encoding"),
        ("head", head(pairEncoding="joint"), "pair_encoding"),
        ("head", head(encoding="joint"), "pair_encoding"),
        ("head", head(reading="both"), "pair_encoding"),
        ("combiner", combiner(use_host=True), "uses_host"),
        ("combiner", combiner(host=True), "uses_host"),
        ("combiner", combiner(declare=frozenset()), "declares"),
        ("combiner", combiner(level="layer"), "scope"),
        ("combiner", combiner(mtk.LossCombiner, is_additive=True), "additive"),
        ("combiner", combiner(afterstep=lambda self, losses: None), "after_step"),
        ("combiner", combiner(turn=lambda self: []), "turns"),
        ("augmenter", augmenter(num_copies=9), "copies"),
    ],
)
def test_an_attribute_that_nearly_is_one_of_the_contracts_is_named_with_it(kind: str, cls: type, meant: str) -> None:
    reason = why_not(kind, cls)
    assert reason is not None
    assert reason.endswith(f"is it `{meant}`?")


@pytest.mark.parametrize(
    ("kind", "cls", "reason"),
    [
        ("head", head(pair_encoding="seperate"), "sets `pair_encoding` to 'seperate'; it takes joint|separate|both"),
        ("combiner", combiner(scope="layers"), "sets `scope` to 'layers'; it takes encoder|layer"),
        ("combiner", combiner(uses_host="yes"), "sets `uses_host` to 'yes'; it takes bool"),
        ("combiner", combiner(declares="single-task-identity"), "sets `declares` to 'single-task-identity'; it takes froz"),
        ("augmenter", augmenter(copies="nine"), "sets `copies` to 'nine'; it takes int"),
        (
            "combiner",
            combiner(mtk.LossCombiner, scope="layer"),
            "sets `scope`, which only a subclass of mtk.GramianCombiner",
        ),
        ("combiner", combiner(additive=True), "sets `additive`, which only a subclass of mtk.LossCombiner may"),
    ],
)
def test_a_value_that_the_attribute_cannot_have_is_named_with_what_it_takes(kind: str, cls: type, reason: str) -> None:
    assert (why_not(kind, cls) or "").startswith(reason)


class OwnAttributes(mtk.GramianCombiner):
    """Names as near to the contract's as an author's own may be: all of them are read."""

    scale, host, level = 2.0, "a", "layer"

    def __init__(self, tasks: list[str], *, weight: float = 1.0) -> None:
        super().__init__(tasks)
        self.weight, self.turn, self.score, self.step, self.copy = weight, 0, 0.0, 0, None
        self.register_buffer("weighted", torch.ones(1))

    @property
    def declared(self) -> str:
        return self.host + self.level

    def pair(self) -> float:
        return getattr(self, "scale") * self.weight  # noqa: B009

    def weights(self, gramian: torch.Tensor) -> torch.Tensor:
        self.turn += 1
        return torch.full([len(gramian)], self.pair() + len(self.declared))


@pytest.mark.parametrize(
    ("kind", "cls"),
    [
        ("combiner", OwnAttributes),
        ("combiner", combiner(mtk.LossCombiner)),  # whose `weights` is its own method, and no contract's
        ("combiner", combiner(scope="layer", declares={"scale-equivariant"}, uses_host=True)),
        ("combiner", combiner(scope=property(lambda self: "layer"))),
        ("head", head(score=1, layers=2, scale=3, weight=4, copy=5, step=6, width=7, name="a", labels=[])),
        ("augmenter", augmenter(score=1, copy=2, word="a", rate=0.5, rng=None)),
    ],
)
def test_an_attribute_of_the_authors_own_is_left_alone(kind: str, cls: type) -> None:
    assert why_not(kind, cls) is None


@pytest.mark.parametrize("component", Registry().components, ids=lambda c: f"{c.kind} {c.name}")
def test_nothing_that_comes_with_mtk_is_suspected(component: Any) -> None:
    if component.kind in ("head", "combiner", "augmenter", "listener") and component.target != "mtk_torchjd.missing:Missing":
        assert why_not(component.kind, component.load()) is None


def test_the_contract_is_what_mtks_own_classes_annotate() -> None:
    assert set(attributes(mtk.Head)) == {"pair_encoding", "level"}
    assert set(attributes(mtk.GramianCombiner)) == {"uses_host", "declares", "scope"}
    assert set(attributes(mtk.LossCombiner)) == {"uses_host", "declares", "additive"}
    assert set(attributes(mtk.Augmenter)) == {"copies"}


def test_a_name_set_in_the_constructor_is_one_of_the_class(install: Callable[..., Path]) -> None:
    class Set(head()):  # type: ignore[misc]
        def __init__(self, width: int, *, pair_encodings: str = "joint") -> None:
            super().__init__(width, 1, 1)
            self.pair_encodings = pair_encodings

    assert "is it `pair_encoding`?" in (why_not("head", Set) or "")
