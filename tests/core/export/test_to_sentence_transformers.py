"""sentence-transformers opens what was exported, and gives the scores of mtk; what it cannot hold is refused in words."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import pytest
import torch
from building import encoder, model
from exported import PAIRS, TEXTS
from kinds import make

import mtk
from mtk.export import to_sentence_transformers
from mtk.model.multitask import Model

sentence_transformers: Any = pytest.importorskip(
    "sentence_transformers", reason="the extra sentence-transformers is not installed"
)


def outputs(directory: Path, *embeddings: torch.Tensor) -> list[Any]:
    """What the exported head makes of embeddings."""
    return list(runpy.run_path(str(directory / "score.py"))["score"](*embeddings))


def test_a_pair_read_as_one_sequence_is_a_cross_encoder(trained: Path, tmp_path: Path) -> None:
    built = mtk.load(trained, device="cpu")
    to_sentence_transformers.fill(built, "para", tmp_path)
    opened = sentence_transformers.CrossEncoder(str(tmp_path), device="cpu")
    wanted = [row["1"] for row in built.predict("para", PAIRS, probabilities=True)]
    assert opened.predict(PAIRS).tolist() == pytest.approx(wanted, abs=1e-5)
    assert opened.max_seq_length == built.max_length


def test_a_pair_read_one_by_one_is_a_sentence_transformer(trained: Path, tmp_path: Path) -> None:
    built = mtk.load(trained, device="cpu")
    to_sentence_transformers.fill(built, "sts", tmp_path)
    opened = sentence_transformers.SentenceTransformer(str(tmp_path), device="cpu")
    assert opened.similarity_fn_name == "cosine"
    first, second = (opened.encode(list(column), convert_to_tensor=True) for column in zip(*PAIRS, strict=True))
    assert outputs(tmp_path, first, second)[1].tolist() == pytest.approx(built.predict("sts", PAIRS), abs=1e-5)
    assert opened.max_seq_length == built.max_length


def test_one_text_is_a_sentence_transformer_with_its_head_beside_it(trained: Path, tmp_path: Path) -> None:
    built = mtk.load(trained, device="cpu")
    to_sentence_transformers.fill(built, "sst", tmp_path)
    embeddings = sentence_transformers.SentenceTransformer(str(tmp_path), device="cpu").encode(TEXTS, convert_to_tensor=True)
    wanted = built.predict("sst", TEXTS, probabilities=True)
    assert [dict(zip(wanted[0], row, strict=True)) for row in outputs(tmp_path, embeddings)[2].tolist()] == [
        pytest.approx(row, abs=1e-5) for row in wanted
    ]


def build(tiny: Path, head: str, pooling: str = "mean", kind: str = "regression") -> Model:
    made = make(kind, range=(1, 4)) if kind == "regression" else make(kind, ("x", "y", "z"))
    task = mtk.Task(name="t", kind=made, text=("a", "b"), label="l")
    return model(encoder(tiny, pooling), [task], head).eval()


@pytest.mark.parametrize("pooling", ["cls", "max", "mean"])
def test_a_pooling_is_found_by_what_it_gives(tiny_encoder: Path, tmp_path: Path, pooling: str) -> None:
    built = build(tiny_encoder, "concat-mlp:hidden=8", pooling)
    to_sentence_transformers.fill(built, "t", tmp_path)
    scores = sentence_transformers.CrossEncoder(str(tmp_path), device="cpu").predict(PAIRS)
    assert (1 + 3 * scores).tolist() == pytest.approx(built.predict("t", PAIRS), abs=1e-5)
    assert "mtk's score is 1 + 3 ·" in (tmp_path / "README.md").read_text()


def test_a_dot_product_is_known_as_one(tiny_encoder: Path, tmp_path: Path) -> None:
    to_sentence_transformers.fill(build(tiny_encoder, "dot-product"), "t", tmp_path)
    assert sentence_transformers.SentenceTransformer(str(tmp_path), device="cpu").similarity_fn_name == "dot"


@pytest.mark.parametrize(
    ("head", "pooling", "kind", "reason"),
    [
        ("cnn", "mean", "regression", "its head reads more than embeddings"),
        ("concat-mlp", "attention", "regression", "no pooling that gives what Attention gives"),
        ("concat-mlp", "mean", "ordinal", "its head is not made of linear layers"),
    ],
)
def test_what_it_cannot_hold_is_refused(
    tiny_encoder: Path, tmp_path: Path, head: str, pooling: str, kind: str, reason: str
) -> None:
    built = build(tiny_encoder, head, pooling, kind)
    for parameter in built.encoder.pooling.parameters():  # which gives the mean until it has learned something
        torch.nn.init.ones_(parameter)
    with pytest.raises(mtk.UsageError, match=reason):
        to_sentence_transformers.fill(built, "t", tmp_path)
