"""A step of every combiner that declares no host, on torch's `meta` device, where tensors have shapes and no values.

Any read of a value, and any mix of devices, is an error there: so the engine and the methods are held to their word without
a GPU.
"""

from __future__ import annotations

import dataclasses

import building
import pytest
import torch
from building import REGISTRY
from three_tasks import TASKS, batches, halves, make_model
from torch import Tensor

from mtk.calling.failures import call
from mtk.combiner import Combiner, GramianCombiner
from mtk.data.tokens import Batch, Reading
from mtk.engine.gradients import Engine, Parts
from mtk.errors import UsageError

NAMES = [task.name for task in TASKS]
OPTIONS = {
    "constant": ":weights=1/0.5/0.5",
    "cosmos": ":weights=1/1/1,lambda_=0.1",
    "pbi": ":weights=1/1/1",
}
COMBINERS = [
    c.qualified + OPTIONS.get(c.name, "") for c in REGISTRY.components if c.kind == "combiner" and not c.load().uses_host
]


def on_meta(parts: Parts) -> list[Batch]:
    return [
        dataclasses.replace(
            part,
            readings=tuple(
                Reading({name: values.to("meta") for name, values in reading.inputs.items()}, reading.sequences)
                for reading in part.readings
            ),
            labels=part.labels.float().to("meta"),
        )
        for part in parts
    ]


def step(text: str | Combiner, *, accumulated: bool = False) -> None:
    """Two steps of every turn, as a run makes them in the packed form. (The plain way is transformers' own, whose attention
    masks read values.)"""
    model = make_model().float().train().to("meta")
    combiner = (building.combiner(text, NAMES) if isinstance(text, str) else text).to("meta")
    engine = Engine(model, combiner, packed=True, clip_norm=1.0, cosines="layer")
    trained = [*model.parameters(), *combiner.parameters()]
    optimizer = torch.optim.AdamW(trained, foreach=False)  # which, unlike the fused one, knows `meta`
    for seed in range(2):
        data = {task: on_meta(halves(parts) if accumulated else parts) for task, parts in batches(seed).items()}
        for turn in combiner.turns():
            outcome = engine.backward({task: data[task] for task in turn})
            optimizer.step()
            engine.release()
            call(combiner, "after_step", losses=lambda turn=turn, data=data: engine.losses({t: data[t] for t in turn}))
            assert outcome.losses.is_meta


@pytest.mark.parametrize("accumulated", [False, True], ids=["whole", "accumulated"])
@pytest.mark.parametrize("text", [*COMBINERS, "pcgrad:scope=layer", "cagrad:normalize=true,smoothing=0.5,preference=1/2/3"])
def test_a_step_reads_no_value_and_mixes_no_devices(text: str, accumulated: bool) -> None:
    step(text, accumulated=accumulated)


class Reads(GramianCombiner):
    def weights(self, gramian: Tensor) -> Tensor:
        return torch.full_like(gramian[0], float(gramian[0, 0]))


class OnTheHost(GramianCombiner):
    def weights(self, gramian: Tensor) -> Tensor:
        return gramian[0] + torch.ones(3)


@pytest.mark.parametrize("kind", [Reads, OnTheHost])
def test_what_does_is_noticed(kind: type[Combiner]) -> None:
    with pytest.raises(UsageError, match="its weights failed: "):
        step(kind(NAMES))
