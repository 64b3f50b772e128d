"""A step on torch's `meta` device, where tensors have shapes and no values: to read one is an error there, as is a tensor
left on another device. So a step that passes waits for no device, and can be recorded, without a GPU to show it on."""

from __future__ import annotations

import dataclasses

import building
import pytest
import torch
from three_tasks import TASKS, batches, halves, make_model
from torch.nn import functional as F

import mtk
from mtk.calling.failures import call
from mtk.data.tokens import Batch
from mtk.engine.gradients import Engine, Parts

COMBINERS = [c.qualified + building.NEEDED.get(c.name, "") for c in mtk.Registry().components if c.kind == "combiner"]


def on_meta(parts: Parts, r_drop: float = 0.0) -> list[Batch]:
    return [
        dataclasses.replace(
            part,
            readings=tuple(
                dataclasses.replace(r, inputs={k: v.to("meta") for k, v in r.inputs.items()}) for r in part.readings
            ),
            labels=part.labels.to("meta"),
            r_drop=r_drop,
        )
        for part in parts
    ]


def built(name: str) -> mtk.GramianCombiner:
    combiner = building.combiner(name, [task.name for task in TASKS])
    if combiner.uses_host:
        pytest.skip("it says that it uses the host")
    return combiner.double().to("meta")  # type: ignore[return-value]


@pytest.fixture(autouse=True)
def in_bfloat16(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several products in one launch are for bf16 alone, and there is no autocast to it on this device."""
    of_bfloat16 = F.grouped_mm
    cast = lambda left, right, offs: of_bfloat16(left.bfloat16(), right.bfloat16(), offs=offs)  # noqa: E731
    monkeypatch.setattr(F, "grouped_mm", cast)


def step(name: str, *, packed: bool, parts: int = 1, r_drop: float = 0.0, **settings: object) -> None:
    """One as a run makes it, its update and what a combiner does after it included; clipped, and by layer."""
    model, combiner = make_model().to("meta").train(), built(name)
    engine = Engine(model, combiner, packed=packed, clip_norm=1.0, **settings)  # type: ignore[arg-type]
    optimizer = torch.optim.SGD([*model.parameters(), *combiner.parameters()], lr=1e-3)  # AdamW's refuses the device
    for turn in combiner.turns():
        own = {task: halves(given) if parts == 2 else given for task, given in batches().items() if task in turn}
        data = {task: on_meta(given, r_drop) for task, given in own.items()}
        outcome = engine.backward(data)
        assert {told.device.type for told in (outcome.losses, outcome.finite)} == {"meta"}
        optimizer.step()
        engine.release()
        call(combiner, "after_step", losses=lambda data=data: engine.losses(data))


@pytest.mark.parametrize("padding_free", [False, True], ids=["padded", "padding-free"])
@pytest.mark.parametrize("name", COMBINERS)
def test_no_combiner_reads_a_value_in_the_packed_form(name: str, padding_free: bool) -> None:
    step(name, packed=True, padding_free=padding_free)


@pytest.mark.parametrize("name", ["sum", "pcgrad", "gradnorm:scope=layer", "modo", "multitask-toolkit/uw", "graddrop"])
@pytest.mark.parametrize(
    "settings",
    [
        {"parts": 2},
        {"cosines": "layer"},
        {"r_drop": 4.0},
        {"r_drop": 4.0, "parts": 2},
        {"parts": 2, "padding_free": True},
        {"r_drop": 4.0, "padding_free": True},
    ],
    ids=[
        "accumulated",
        "cosines by layer",
        "R-Drop",
        "R-Drop, accumulated",
        "padding-free, accumulated",
        "padding-free R-Drop",
    ],
)
def test_nor_do_accumulation_cosines_and_r_drop(name: str, settings: dict[str, object]) -> None:
    step(name, packed=True, **settings)  # type: ignore[arg-type]


def test_a_combiner_that_reads_one_is_seen() -> None:
    class Reads(mtk.GramianCombiner):
        def weights(self, gramian: torch.Tensor) -> torch.Tensor:
            return torch.ones_like(gramian[0]) if gramian[0, 0].item() > 0 else gramian[0]

    model = make_model().to("meta")
    with pytest.raises(Exception, match="meta"):
        Engine(model, Reads([task.name for task in TASKS]), packed=True).backward(
            {task: on_meta(given) for task, given in batches().items()}
        )
