"""onnxruntime gives the scores of mtk from what was exported, without torch and without mtk."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from exported import ASKED, PAIRS, agree, without_mtk

import mtk
from mtk.export.exporting import export


@pytest.fixture(scope="module")
def directory(in_onnx: tuple[Path, list[str]]) -> Path:
    return in_onnx[0]


def test_a_process_without_mtk_gives_the_same_scores(trained: Path, directory: Path) -> None:
    model, found = mtk.load(trained, device="cpu"), without_mtk(directory, ASKED)
    for task in ASKED:
        agree(model, task, found[task], 1e-4)


def test_eight_bits_are_near(trained: Path, directory: Path) -> None:
    answers = without_mtk(directory, {"sts": PAIRS}, encoder="encoder-int8.onnx", device="cpu")["sts"]
    assert [answer["prediction"] for answer in answers] == pytest.approx(
        mtk.load(trained, device="cpu").predict("sts", PAIRS), abs=0.5
    )
    assert (directory / "encoder-int8.onnx").stat().st_size < (directory / "encoder.onnx").stat().st_size


def test_without_the_extra_it_says_what_to_install(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(mtk.UsageError, match=r"pip install 'multitask-toolkit\[onnx\]'"):
        export(trained, "onnx", tmp_path / "x")
