"""What 8 bits cost is measured on the run's own development set, and stands in the README."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import mtk
from mtk.export import int8_loss
from mtk.pipeline import evaluate


def test_the_metrics_of_both_are_told(trained: Path, in_onnx: tuple[Path, list[str]]) -> None:
    out, lines = in_onnx
    wanted = evaluate(trained, device="cpu", precision="fp32")
    assert lines[0].startswith("int8 on 72 rows of dev: average ")
    (sts,) = [line for line in lines if line.startswith("sts: pearson")]
    assert float(sts.split()[-3]) == pytest.approx(wanted["sts"]["pearson"], abs=1e-3)
    assert all(f"- {line}" in (out / "README.md").read_text() for line in lines)


def test_it_tells_how_far_it_is(trained: Path, in_onnx: tuple[Path, list[str]], tmp_path: Path) -> None:
    shutil.copytree(in_onnx[0], tmp_path / "out")
    heard: list[tuple[int, int]] = []
    int8_loss.measure(trained, tmp_path / "out", lambda *told: heard.append(told))
    assert heard == sorted(heard)
    assert heard[-1] == (144, 144)


def test_where_the_data_are_gone_that_is_said(trained: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(trained, run)
    (_, *settings) = (run / "config.toml").read_text().splitlines()
    settings = ['data = "/nowhere"' if line.startswith("data =") else line for line in settings]
    (run / "config.toml").write_text("\n".join(settings))
    (line,) = int8_loss.measure(run, tmp_path)
    assert line.startswith("what int8 costs was not measured")
    assert mtk.load(run, device="cpu").tasks
