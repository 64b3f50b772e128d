"""Whatever comes after the encoder gives as torch's operations what it gives in the model, for batches of any size."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from building import REGISTRY, encoder, model
from kinds import make

import mtk
from mtk.data.split import Split
from mtk.data.tokens import Reading
from mtk.export.card import layers_of
from mtk.export.tail import Tail, meaning, readings, traced
from mtk.export.written_out import written_out
from mtk.kind import Kind
from mtk.model.multitask import Model

PAIR = (["a dog", "the cat is here"], ["a cat", "the dog"])
HEADS = sorted(c.name for c in REGISTRY.components if c.kind == "head")
ALONE = ("token-linear", "pretrained-cosine")  # what they are exported for: words, and one text


def build(tiny: Path, head: str, pooling: str, kind: Kind, pair: bool) -> Model:
    task = mtk.Task(name="t", kind=kind, text=("a", "b")[: 1 + pair], label="l")
    return model(encoder(tiny, pooling), [task], head).eval()


@pytest.mark.parametrize(
    ("head", "pooling", "kind", "pair"),
    [
        *((head, "mean", "classification", head not in ALONE) for head in HEADS),
        ("linear", "attention", "ordinal", True),
        ("linear", "last-layers:k=2", "regression", False),
        ("cosine", "cls", "multilabel", False),
    ],
)
def test_written_out_it_gives_what_the_model_gives(
    tiny_encoder: Path, head: str, pooling: str, kind: str, pair: bool
) -> None:
    by_word = head == "token-linear"
    made = make(
        "tokens" if by_word else kind, **({"range": (0, 5)} if kind == "regression" else {"labels": ("x", "y", "z")})
    )
    built = build(tiny_encoder, head, pooling, made, pair)
    tail = Tail(built, "t")
    source, weights = written_out({"t": traced(tail, built.encoder.width, layers_of(built))}, "heads")
    space: dict = {}
    exec(source, space)
    for count in (1, 2):
        split = Split(["0", "1"][:count], tuple(column[:count] for column in PAIR[: 1 + pair]), None, Path())
        batch = built.tokenize("t", split).batch(range(count))
        given = [value for reading in batch.readings for value in _states_and_masks(built, reading, tail.all_layers)]
        with torch.no_grad():
            outputs = dict(zip(tail.outputs, space["HEADS"]["t"](weights, *given), strict=True))
            wanted = built("t", batch)
        found = outputs["logits"]
        if by_word:
            found = found.masked_fill((batch.places < 0).unsqueeze(-1), 0)
        assert torch.allclose(found, wanted, atol=1e-6)
        assert torch.allclose(outputs["prediction"], made.predict(outputs["logits"]).float(), atol=1e-6)


def _states_and_masks(built: Model, reading: Reading, all_layers: bool) -> list[torch.Tensor]:
    with torch.no_grad():
        output = built.encoder.backbone(**reading.inputs, output_hidden_states=True)
    states = torch.stack(output.hidden_states) if all_layers else output.last_hidden_state
    apart = zip(
        states.chunk(reading.sequences, dim=-3), reading.inputs["attention_mask"].chunk(reading.sequences), strict=True
    )
    return [value for pair in apart for value in pair]


def test_a_head_that_reads_tokens_is_none_of_embeddings(tiny_encoder: Path) -> None:
    built = build(tiny_encoder, "cnn", "mean", make("binary"), False)
    with pytest.raises(mtk.UsageError, match="Task 't': its head reads more than embeddings"):
        traced(Tail(built, "t", of_embeddings=True), built.encoder.width, layers_of(built))


def test_what_is_read_has_the_names_that_a_head_has_for_it() -> None:
    one, two = (mtk.Task(name="t", kind=make("binary"), text=text, label="l") for text in (("a",), ("a", "b")))
    assert readings(one, "both") == ("first",)
    assert [readings(two, way) for way in ("joint", "separate", "both")] == [
        ("joint",), ("first", "second"), ("first", "second", "joint"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "means"),
    [
        (make("classification", ("a", "b", "c")), "label"),
        (make("binary"), "label"),
        (make("ordinal", ("a", "b", "c")), "label"),
        (make("multilabel", ("a", "b", "c")), "labels"),
        (make("regression", range=(0, 5)), "number"),
        (make("tokens", ("a", "b")), "label"),
        (make("ranking"), "number"),
    ],
    ids=str,
)
def test_what_a_prediction_means_is_asked_of_its_kind(kind: Kind, means: str) -> None:
    assert meaning(kind) == means
