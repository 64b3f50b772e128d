"""What a run tells of itself are records: nobody who hears one can change it for the others, and any can be written down."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

import mtk
from mtk.events import Evaluation, Plan, PlannedTask, Preparation, Progress, Result

TASK = PlannedTask(
    name="sst", kind="binary", pair=False, head="cnn", augmenter=None, batch_size=8, train=9, augmented=0, dev=3, test=0,
    skipped=["a.csv:2: short"],
)  # fmt: skip
EVALUATION = Evaluation(step=3, epoch=1, metrics={"sst": {"accuracy": 0.5}}, average=0.5, best=True)
EVENTS: list[msgspec.Struct] = [
    Preparation("reading 3 tasks"),
    Plan(
        tasks=[TASK], encoder="minilm", parameters=7, combiner="sum", device="cpu", precision="fp32", recorded=False,
        plain=None, epochs=1, steps=3, notes=[], out=Path("runs/x"),
    ),
    Progress(
        step=1, steps=3, epoch=1, losses={"sst": 0.7}, own_losses={}, cosines={}, layer_cosines={}, learning_rate=1e-5,
        examples_per_second=100.0,
    ),
    EVALUATION,
    Result(
        out=Path("runs/x"), epochs=1, steps=3, seconds=1.5, examples_per_second=100.0, best=EVALUATION, interrupted=False
    ),
]  # fmt: skip
by_name = pytest.mark.parametrize("event", EVENTS, ids=lambda e: type(e).__name__)


@by_name
def test_it_cannot_be_changed(event: Any) -> None:
    for name in event.__struct_fields__:
        with pytest.raises(AttributeError):
            setattr(event, name, None)


@by_name
def test_it_comes_back_from_json(event: msgspec.Struct) -> None:
    written = msgspec.json.encode(event, enc_hook=str)
    assert msgspec.json.decode(written, type=type(event), dec_hook=lambda cls, value: cls(value)) == event


@by_name
def test_it_is_a_public_name(event: msgspec.Struct) -> None:
    assert getattr(mtk, type(event).__name__) is type(event)


def test_a_notebook_shows_a_table_in_which_names_are_text() -> None:
    told = Evaluation(
        step=3, epoch=1, metrics={"sst": {"<b>": 0.5}}, further={"sst/hard": {"f1": 1 / 3}}, average=0.5, best=True
    )
    shown = Result(
        out=Path("runs/x"),
        epochs=1,
        steps=3,
        seconds=1.5,
        examples_per_second=100.0,
        best=told,
        interrupted=False,
        notes=["a < b"],
    )._repr_html_()
    assert (
        "<tr><th>sst</th><td>&lt;b&gt;</td><td>0.5000</td></tr><tr><th>sst/hard</th><td>f1</td><td>0.3333</td></tr>" in shown
    )
    assert shown.endswith("<p>a &lt; b</p><p>In runs/x</p>")
