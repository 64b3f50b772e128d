"""What is exported of a run: every task that a format holds, those that were asked for, or a message and nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

import mtk
from mtk.export.exporting import export


def test_a_task_alone_has_its_head_alone(trained: Path, tmp_path: Path) -> None:
    assert export(trained, "transformers", tmp_path / "out", tasks=["sts"]) == []
    assert "'sts'" in (tmp_path / "out" / "heads.py").read_text()
    assert "'sst'" not in (tmp_path / "out" / "heads.py").read_text()


@pytest.mark.parametrize(
    ("to", "how", "message"),
    [
        ("transformers", {"tasks": ["stss"]}, "has no task 'stss'. Did you mean"),
        ("transformers", {"int8": True}, "--int8 goes with --to onnx"),
    ],
)
def test_what_cannot_be_leaves_nothing(trained: Path, tmp_path: Path, to: str, how: dict, message: str) -> None:
    with pytest.raises(mtk.UsageError, match=message):
        export(trained, to, tmp_path / "out", **how)  # type: ignore[arg-type]
    assert not list(tmp_path.iterdir())


def test_what_is_there_stays(trained: Path, tmp_path: Path) -> None:
    with pytest.raises(mtk.UsageError, match="exists already"):
        export(trained, "transformers", tmp_path)


def test_a_task_that_a_format_cannot_hold_is_left_out_with_a_word(
    tiny_corpus: Path, tiny_encoder: Path, tmp_path: Path
) -> None:
    pytest.importorskip("sentence_transformers", reason="the extra sentence-transformers is not installed")
    run = tmp_path / "run"
    heads = {"sst": "cnn", "*": "concat-mlp"}
    mtk.run(out=run, data=str(tiny_corpus), encoder=str(tiny_encoder), heads=heads, steps=1, device="cpu", precision="fp32")
    (note,) = export(run, "sentence-transformers", tmp_path / "out")
    assert note.startswith("Task 'sst': its head reads more than embeddings")
    assert {place.name for place in (tmp_path / "out").iterdir()} == {"para", "sts"}
    with pytest.raises(mtk.UsageError, match="--to transformers and --to onnx take any head"):
        export(run, "sentence-transformers", tmp_path / "none", tasks=["sst"])
    assert not (tmp_path / "none").exists()
