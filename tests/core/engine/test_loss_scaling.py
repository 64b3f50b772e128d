"""One scale for all tasks, which is gone before anybody decides; a step that fp16 cannot hold is skipped, counted, and
leaves no trace but a smaller scale."""

from __future__ import annotations

import json
from pathlib import Path

import building
import pytest
import torch
from safetensors.torch import load_file
from three_tasks import TASKS, batches, encoder_gradient, halves, make_model
from torch import Tensor

import mtk
from mtk.engine import loss_scaling
from mtk.engine.gradients import Engine, Outcome
from mtk.engine.loss_scaling import LossScaling
from mtk.errors import NonFiniteError
from mtk.training.telemetry import Telemetry

NAMES = [task.name for task in TASKS]
COMBINERS = ["sum", "uw", "pcgrad", "pcgrad:scope=layer", "graddrop", "moco"]


def engine(
    combiner: str, *, packed: bool = True, scale: float = 1024.0, autocast: torch.dtype | None = torch.float16
) -> Engine:
    model = make_model().float()
    model.autocast = autocast
    made = Engine(model, building.combiner(combiner, NAMES), packed=packed, clip_norm=1.0, cosines="encoder")
    if made.scaling:
        made.scaling.scale.fill_(scale)
    return made


def stepped(made: Engine, *, in_halves: bool = False) -> tuple[Outcome, list[Tensor]]:
    data = {task: [_in_float(part) for part in parts] for task, parts in batches().items()}
    torch.manual_seed(0)
    outcome = made.backward({task: halves(parts) for task, parts in data.items()} if in_halves else data)
    heads = [p.grad.clone() for p in made.model.heads.parameters() if p.grad is not None]
    return outcome, [encoder_gradient(made.model).clone(), *heads]


def _in_float(part):  # type: ignore[no-untyped-def]
    part.__dict__["labels"] = part.labels.float()
    return part


@pytest.mark.parametrize("packed", [True, False], ids=["packed", "plain"])
@pytest.mark.parametrize("combiner", COMBINERS)
def test_what_a_combiner_sees_and_decides_is_that_of_the_gradients_themselves(combiner: str, packed: bool) -> None:
    exact, exact_gradients = stepped(engine(combiner, packed=packed, autocast=None), in_halves=combiner == "sum")
    found, gradients = stepped(engine(combiner, packed=packed), in_halves=combiner == "sum")
    assert bool(found.finite) and not bool(found.overflowed)
    torch.testing.assert_close(found.losses, exact.losses, rtol=5e-3, atol=5e-3)
    assert exact.gramian is not None and found.gramian is not None
    near = 0.02 * float(exact.gramian.abs().max())
    torch.testing.assert_close(found.gramian, exact.gramian, rtol=0.02, atol=near)
    for one, other in zip(gradients, exact_gradients, strict=True):
        torch.testing.assert_close(one, other, rtol=0.05, atol=0.05 * float(other.abs().max()) + 1e-6)


@pytest.mark.parametrize("packed", [True, False], ids=["packed", "plain"])
def test_another_scale_that_fp16_can_hold_changes_nearly_nothing(packed: bool) -> None:
    one, other = (stepped(engine("pcgrad", packed=packed, scale=scale))[1] for scale in (256.0, 4096.0))
    for mine, yours in zip(one, other, strict=True):
        torch.testing.assert_close(mine, yours, rtol=0.02, atol=0.01 * float(yours.abs().max()) + 1e-7)


@pytest.mark.parametrize("packed", [True, False], ids=["packed", "plain"])
@pytest.mark.parametrize("combiner", COMBINERS)
def test_a_step_that_overflows_leaves_no_trace_in_the_combiner(combiner: str, packed: bool) -> None:
    made = engine(combiner, packed=packed, scale=2.0**40)
    stateless = {name: value.clone() for name, value in made.combiner.state_dict().items()}
    outcome, _ = stepped(made)
    assert bool(outcome.overflowed) and not bool(outcome.finite)
    assert outcome.losses.isfinite().all()
    after = made.combiner.state_dict()
    assert all(torch.equal(after[name], value) for name, value in stateless.items())
    assert not any(value.any() for name, value in after.items() if name not in stateless)
    assert made.scaling is not None
    assert (float(made.scaling.scale), int(made.scaling.skipped)) == (2.0**39, 1)
    made.check([outcome])  # the combiner is not to blame
    telemetry = Telemetry(())
    telemetry.add(1, outcome, {})
    assert telemetry.take_nonfinite() == []
    assert telemetry.geometry().cosines == {}, "what has no numbers is in no mean"


def test_it_halves_at_once_and_doubles_after_a_long_calm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loss_scaling, "PATIENCE", 3)
    scaling, losses = LossScaling(torch.device("cpu")), torch.ones(2)
    scales = []
    for sound in (False, True, True, False, True, True, True, True):
        scaling.update(losses, torch.tensor(sound))
        scales.append(float(scaling.scale) / loss_scaling.FIRST)
    assert scales == [0.5, 0.5, 0.5, 0.25, 0.25, 0.25, 0.5, 0.5]
    assert int(scaling.skipped) == 2


def test_a_loss_that_is_no_number_and_a_gradient_at_the_smallest_scale_are_no_overflow() -> None:
    scaling, unfit = LossScaling(torch.device("cpu")), torch.tensor(False)
    assert not scaling.update(torch.tensor([1.0, torch.nan]), unfit)
    assert float(scaling.scale) == loss_scaling.FIRST
    scaling.scale.fill_(loss_scaling.SMALLEST)
    assert not scaling.update(torch.ones(2), unfit)


@pytest.fixture
def common(tiny_corpus: Path, tiny_encoder: Path) -> dict[str, object]:
    given = {"data": str(tiny_corpus), "encoder": str(tiny_encoder), "device": "cpu", "precision": "fp16", "heads": "linear"}
    return {**given, "combiner": "pcgrad", "epochs": 2, "batch_size": 8, "checkpoint_every": "2"}


def test_a_run_learns_skips_what_overflows_and_is_resumed_bit_for_bit(
    common: dict[str, object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loss_scaling, "FIRST", 2.0**22)
    whole = mtk.run(**common, out=tmp_path / "whole")  # type: ignore[arg-type]
    lines = [json.loads(line) for line in (whole.out / "metrics.jsonl").read_text().splitlines()]
    last = [line for line in lines if line["event"] == "progress"][-1]
    assert 0 < last["skipped"] < last["step"]
    assert last["loss_scale"] == 2.0 ** (22 - last["skipped"])
    of_dev = [sum(line["losses"].values()) for line in lines if line["event"] == "evaluation"]
    assert of_dev[-1] < of_dev[0]
    assert 'precision = "fp16"' in (whole.out / "config.toml").read_text()
    assert mtk.load(whole.out, device="cpu").autocast == torch.float16

    class Interrupts:
        @mtk.hookimpl
        def mtk_evaluated(self, evaluation: mtk.Evaluation) -> mtk.Stop:
            return mtk.Stop("in the middle")

    halted = mtk.run(**common, out=tmp_path / "halted", listeners=[Interrupts()])  # type: ignore[arg-type]
    assert halted.stopped
    mtk.run(resume=halted.out)
    one, other = (load_file(run / "checkpoint" / "state.safetensors") for run in (whole.out, halted.out))
    assert {"scaling.scale", "scaling.calm", "scaling.skipped"} <= one.keys()
    assert one.keys() == other.keys()
    assert [name for name in one if not torch.equal(one[name], other[name])] == []


def test_what_no_scale_mends_ends_the_run(
    common: dict[str, object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loss_scaling, "FIRST", 4.0)
    unscale = LossScaling.unscale
    monkeypatch.setattr(LossScaling, "unscale", lambda self, found: unscale(self, found) & False)
    with pytest.raises(NonFiniteError, match="Step 3: the gradient is no finite number"):
        mtk.run(**common, out=tmp_path / "run")  # type: ignore[arg-type]
