"""What makes a class no part of its kind: said once, with what was wanted."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import msgspec
import pytest
import torch

import mtk
from mtk.host.contracts import CONTRACTS, why_not

HEAD = "__init__(self, width, outputs, inputs, task, *, OPTION=DEFAULT)"


def head(constructor: Any, forward: Any = lambda self, first: first) -> type:
    return type("Head", (mtk.Head,), {"__init__": constructor, "forward": forward})


def combiner(base: type, **methods: Any) -> type:
    return type("Combiner", (base,), methods)


class Unasked(mtk.Head):
    def __init__(self, width: int, *, table: dict[str, int] | None = None) -> None: ...
    def forward(self, first: mtk.Encoding) -> torch.Tensor: ...  # type: ignore[empty-body]


class Nothing(mtk.GramianCombiner):
    pass


def weights(self: Any, gramian: Any) -> Any: ...


@pytest.mark.parametrize(
    ("kind", "cls", "reason"),
    [
        ("head", lambda first: first, "is a function and not a class; write a subclass of mtk.Head"),
        ("augmenter", print, "is a function and not a class; write a subclass of mtk.Augmenter"),
        ("combiner", 3, "is not a class; write a subclass of mtk.Combiner"),
        ("head", torch.nn.Linear, "is not a subclass of mtk.Head"),
        ("combiner", combiner(mtk.Combiner, weights=weights), "subclasses mtk.Combiner itself; subclass one of mtk.L"),
        ("combiner", Nothing, "does not define `weights(self, gramian, step)`"),
        ("head", head(lambda self, width, rank=4: None), "has an option `rank` that nobody can set, since it stands"),
        (
            "head",
            head(lambda self, width, depth: None),
            f"has a constructor that asks for `depth`, which nobody gives it; it should be {HEAD}",
        ),
        (
            "head",
            head(lambda self, width, input=1: None),
            "has a constructor with an argument `input`, which is never given: is it `inputs`?",
        ),
        ("head", head(lambda self, *, width: None), "has a constructor with `width` after the `*`, where a user's options"),
        ("head", Unasked, "has an option `table` of a type that cannot be written as table=VALUE: dict[str, int] or none"),
        (
            "head",
            head(lambda self: None, lambda self, first, label=None: None),
            "has a method `forward` with an argument `label`, which is never given: is it `labels`?",
        ),
        (
            "head",
            head(lambda self: None, lambda self, first, third: None),
            "has a method `forward` that cannot be called: it asks for `third`, and it is offered first, second, joi",
        ),
        (
            "combiner",
            combiner(mtk.GramianCombiner, weights=lambda self, steps: None),
            "has a method `weights` with an argument `steps`, which gets `gramian`: is it `step`?",
        ),
    ],
)
def test_a_class_that_does_not_fit_is_answered_with_what_would(kind: str, cls: Any, reason: str) -> None:
    assert (why_not(kind, cls) or "").startswith(reason)


class Bounded(mtk.Augmenter):
    def __init__(self, *, shares: list[Annotated[float, msgspec.Meta(ge=0)]], place: Path | None = None) -> None: ...
    def __call__(self, tokens: Any, rng: Any) -> list[str]: ...  # type: ignore[empty-body]


@pytest.mark.parametrize(
    ("kind", "cls"),
    [
        ("head", head(lambda self: None)),
        ("head", head(lambda self, dimensions, task: None)),  # the first may have a name of its own
        ("head", head(lambda self, **given: None, lambda self, text, **rest: None)),
        ("combiner", combiner(mtk.GramianCombiner, weights=lambda self, given, step: None)),
        ("augmenter", Bounded),
    ],
)
def test_a_constructor_and_a_method_take_what_they_name(kind: str, cls: Any) -> None:
    assert why_not(kind, cls) is None


def test_every_method_of_a_contract_is_one_of_its_bases() -> None:
    for contract in CONTRACTS.values():
        bases = [getattr(mtk, name) for name in contract.bases or (contract.base,)]
        assert all(any(hasattr(base, name) for base in bases) for name in contract.methods)


PART = """
import mtk, torch

class Part(mtk.{base}):
    def __init__(self, {arguments}):
        {body}
    def {method}: ...
"""
HEADS = {"base": "Head", "arguments": "width, outputs, inputs", "method": "forward(self, first)"}
COMBINERS = {"base": "GramianCombiner", "arguments": "tasks", "method": "weights(self, gramian)"}
MISSING_HEAD, MISSING_COMBINER = "does not begin with super().__init__()", "does not begin with super().__init__(tasks)"


@pytest.mark.parametrize(
    ("kind", "shape", "body", "reason"),
    [
        ("head", HEADS, "pass", f"its constructor {MISSING_HEAD}"),
        ("head", HEADS, "self.rank = 3", f"its constructor {MISSING_HEAD}"),
        (
            "head",
            HEADS,
            "self.score = torch.nn.Linear(2, 2)",
            f"its constructor {MISSING_HEAD}: AttributeError: cannot assign",
        ),
        ("head", HEADS, "self.w = torch.nn.Parameter(torch.ones(2))", f"its constructor {MISSING_HEAD}: AttributeError"),
        (
            "head",
            HEADS,
            "self.register_buffer('b', torch.ones(2)); super().__init__()",
            f"its constructor {MISSING_HEAD}: At",
        ),
        (
            "head",
            HEADS,
            "super().__init__(); self.pair_encoding = 'joint'",
            "its constructor sets `pair_encoding`, which dec",
        ),
        ("combiner", COMBINERS, "self.tasks = tasks", f"its constructor {MISSING_COMBINER}"),
        ("combiner", COMBINERS, "torch.nn.Module.__init__(self)", f"its constructor {MISSING_COMBINER}"),
        (
            "combiner",
            COMBINERS,
            "super().__init__(tasks); self.scope = 'layers'",
            "its constructor sets `scope` to 'layers'; ",
        ),
    ],
)
def test_what_a_constructor_left_undone_is_one_message(
    install: Callable[..., Path], kind: str, shape: dict[str, str], body: str, reason: str
) -> None:
    call = f"registry.{kind}('clinic', 'clinic_part:Part', summary='s')"
    plugin = f"import mtk\n\n@mtk.hookimpl\ndef mtk_register(registry):\n    {call}\n"
    install("clinic-box", {"clinic": plugin, "clinic_part": PART.format(body=body, **shape)}, {"ward": "clinic"})
    offered = {"width": 8, "outputs": 1, "inputs": 1} if kind == "head" else {"tasks": ["a", "b"]}
    with pytest.raises(mtk.UsageError) as caught:
        mtk.Registry().part(kind, "clinic").build(**offered)  # type: ignore[arg-type]
    assert str(caught.value).startswith(f"The {kind} 'clinic' of plugin 'ward' (clinic-box 1.2) is broken: {reason}")
    assert "\n" not in str(caught.value)
