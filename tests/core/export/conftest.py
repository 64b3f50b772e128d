"""A run to export: a head that reads one text, one that reads a pair as one sequence, and one that reads each by itself."""

from __future__ import annotations

from pathlib import Path

import pytest

import mtk
from mtk.export.exporting import export


@pytest.fixture(scope="session")
def trained(tiny_corpus: Path, tiny_encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "run"
    heads = {"sst": "linear", "para": "concat-mlp", "sts": "cosine"}
    mtk.run(out=out, data=str(tiny_corpus), encoder=str(tiny_encoder), heads=heads, epochs=1, device="cpu", precision="fp32")
    return out


@pytest.fixture(scope="session")
def in_onnx(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """That run as ONNX, in 8 bits too, and what was said of it."""
    pytest.importorskip("onnxruntime", reason="the extra onnx is not installed")
    pytest.importorskip("onnxscript", reason="the extra onnx is not installed")
    out = tmp_path_factory.mktemp("onnx") / "out"
    return out, export(trained, "onnx", out, int8=True)
