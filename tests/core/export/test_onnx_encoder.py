"""With an encoder in ONNX a model predicts what it does with its own, and takes none of another run."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from command_line import invoke
from exported import PAIRS

import mtk
from mtk.export.onnx_encoder import on_onnx

Export = tuple[Path, list[str]]


def test_it_predicts_the_same(trained: Path, in_onnx: Export) -> None:
    model, own = (mtk.load(trained, device="cpu") for _ in range(2))
    model = on_onnx(model, in_onnx[0] / "encoder.onnx")
    assert model.predict("sts", PAIRS) == pytest.approx(own.predict("sts", PAIRS), abs=1e-4)


def test_mtk_predict_takes_it(trained: Path, in_onnx: Export) -> None:
    text, encoder = "the dog is happy\nthe cat is dull\n", str(in_onnx[0] / "encoder-int8.onnx")
    result = invoke("predict", str(trained), "sst", "--encoder", encoder, stdin=text)
    assert (result.exit_code, len(result.stdout.split())) == (0, 2)
    result = invoke("predict", str(trained), "sst", "--encoder", encoder, "--precision", "bf16", stdin=text)
    assert (result.exit_code, result.stdout) == (2, "")


def test_that_of_another_run_is_refused(in_onnx: Export) -> None:
    other = mtk.load(Path(__file__).parents[2] / "runs" / "format-3", device="cpu")
    with pytest.raises(mtk.UsageError, match="is the encoder of another run"):
        on_onnx(other, in_onnx[0] / "encoder.onnx")


def test_what_is_no_export_is_refused(trained: Path, in_onnx: Export, tmp_path: Path) -> None:
    model = mtk.load(trained, device="cpu")
    with pytest.raises(mtk.UsageError, match="is no encoder"):
        on_onnx(model, tmp_path / "encoder.onnx")
    shutil.copy(in_onnx[0] / "encoder.onnx", tmp_path)
    with pytest.raises(mtk.DataError, match=r"tasks\.json: what mtk export writes beside an encoder cannot be read"):
        on_onnx(model, tmp_path / "encoder.onnx")
