"""The benchmarks run, and what they count is right. What they measure is another matter."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import pytest
from three_tasks import batches, make_model
from torch.nn.functional import pad

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(autouse=True)
def beside_the_benchmarks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))


def test_operations_are_those_that_torch_counts() -> None:
    """Of the encoder, over sequences without padding; the heads' few are left out."""
    import roofline
    from torch.utils.flop_counter import FlopCounterMode

    model = make_model().float()
    whole = {task: parts for task, parts in batches().items() if task == "sst"}
    for parts in whole.values():
        for part in parts:
            part.readings[0].inputs["attention_mask"].fill_(1)
    inputs = whole["sst"][0].readings[0].inputs
    model.encoder.backbone.set_attn_implementation("eager")  # whose products torch can count
    with FlopCounterMode(display=False) as counter:
        model.encoder.backbone(**inputs).last_hidden_state.sum().backward()
    assert roofline.flops(model, whole) == counter.get_total_flops()


def test_padding_counts_for_nothing() -> None:
    import roofline

    model, some = make_model(), batches()
    wider = {
        task: [
            dataclasses.replace(
                part,
                readings=tuple(
                    dataclasses.replace(r, inputs={name: pad(values, (0, 9)) for name, values in r.inputs.items()})
                    for r in part.readings
                ),
            )
            for part in parts
        ]
        for task, parts in some.items()
    }
    assert roofline.flops(model, wider) == roofline.flops(model, some)


@pytest.mark.slow
def test_a_step_is_measured(tmp_path: Path) -> None:
    out = tmp_path / "step.json"
    only = ["mtk sum", "mtk pcgrad", "plain PyTorch sum"]
    command = [sys.executable, str(BENCHMARKS / "step.py"), "--only", *only, "--no-memory", "--tasks", "2"]
    command += ["--batch-size", "2", "--repeats", "1", "--steps", "1", "--json", str(out)]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = json.loads(out.read_text())
    (measured,) = found["measured"]
    assert list(measured["seconds"]) == only
    assert measured["difference from plain gradients"] < 1e-4
    assert "| 2 | mtk pcgrad |" in printed
    assert {"date", "device", "cores", "threads", "versions"} <= found.keys()


def test_every_combiner_is_scored_with_what_it_needs(capsys: pytest.CaptureFixture[str]) -> None:
    import scores
    from building import REGISTRY, combiner

    found = scores.specs(REGISTRY, 3, "0.5/0.7/0.8", None)
    assert len(found) == len([c for c in REGISTRY.components if c.kind == "combiner"])
    for text in found:
        combiner(text, ["one", "two", "three"])
    assert "pivrg" not in scores.specs(REGISTRY, 3, None, ["pivrg"])
    assert "pivrg is left out" in capsys.readouterr().out


def test_runs_that_a_file_holds_are_not_made_again(tmp_path: Path) -> None:
    import scores

    settings = {"steps": 3, "seed": 0}
    file = tmp_path / "scores.json"
    assert scores._begun(file, settings) == []
    file.write_text(json.dumps({**settings, "runs": [{"combiner": "sum"}]}))
    assert scores._begun(file, settings) == [{"combiner": "sum"}]
    with pytest.raises(SystemExit, match=r"holds runs of other settings \(steps\)"):
        scores._begun(file, {**settings, "steps": 4})


def test_the_model_of_a_step_shares_out_the_work_of_one_process() -> None:
    import scaling

    encoder = scaling.HERE
    for sharded in (False, True):
        one, eight = (scaling.Step(encoder, "pcgrad", 64, count, 32, sharded=sharded).work for count in (1, 8))
        assert one.sent == one.rounds == one.host_rounds == 0
        assert 8 * eight.operations == pytest.approx(one.operations)
        assert eight.sent > 0
    assert 8 * eight.moved == pytest.approx(one.moved)  # of what is sharded
