"""Token ids come back from their flat tensor as they went in, read in the way that a head wants."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoTokenizer

from mtk.data.split import Split
from mtk.data.tokens import TokenizedSplit, tokenize, word_starts
from mtk.head import PairEncoding

FIRST = ["the dog is happy", "a cat", "the bird sees the horse and this was quiet"]
SECOND = ["the dog is sad", "a bird eats bread and fish", "the end"]


DEVICE = torch.device("cpu")


def tokenized(encoder: Path, split: Split, reading: PairEncoding, max_length: int = 64) -> TokenizedSplit:
    tokenizer = AutoTokenizer.from_pretrained(encoder)
    return TokenizedSplit(split, tokenizer, pair_encoding=reading, max_length=max_length, device=DEVICE)


def test_a_batch_is_what_the_tokenizer_would_have_made(tiny_encoder: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(tiny_encoder)
    split = Split(["0", "1", "2"], (FIRST, SECOND), [0.0, 1.0, 2.0], Path("made here"))
    examples = [2, 0]
    first, second = [FIRST[i] for i in examples], [SECOND[i] for i in examples]
    batch = tokenized(tiny_encoder, split, "joint").batch(examples)
    wanted = tokenizer(first, second, padding=True, return_tensors="pt")
    assert {name: tensor.tolist() for name, tensor in batch.readings[0].inputs.items()} == {
        k: v.tolist() for k, v in wanted.items()
    }
    assert batch.labels.tolist() == [2.0, 0.0]
    assert batch.readings[0].sequences == 1
    assert batch.tokens == int(wanted["attention_mask"].sum())

    batch = tokenized(tiny_encoder, split, "separate").batch(examples)
    wanted = tokenizer([*first, *second], padding=True, return_tensors="pt")
    assert batch.readings[0].inputs["input_ids"].tolist() == wanted["input_ids"].tolist()
    assert batch.readings[0].sequences == 2
    assert len(batch) == 2


def test_what_is_too_long_is_cut(tiny_encoder: Path) -> None:
    split = Split(["0"], (["the dog " * 50],), None, Path("made here"))
    tokens = tokenized(tiny_encoder, split, "separate", max_length=16)
    assert tokens.lengths == [16]
    assert tokens.batch([0]).labels.isnan().all()


def test_both_readings_are_the_two_beside_each_other(tiny_encoder: Path) -> None:
    split = Split(["0", "1", "2"], (FIRST, SECOND), [0.0, 1.0, 2.0], Path("made here"))
    both = tokenized(tiny_encoder, split, "both")
    ways: tuple[PairEncoding, PairEncoding] = ("separate", "joint")
    alone = [tokenized(tiny_encoder, split, way).batch([1, 2]).readings[0] for way in ways]
    for reading, wanted in zip(both.batch([1, 2]).readings, alone, strict=True):
        assert reading.sequences == wanted.sequences
        assert all(torch.equal(values, wanted.inputs[name]) for name, values in reading.inputs.items())
    assert both.lengths == tokenized(tiny_encoder, split, "joint").lengths, "an example is as long as its longest reading"
    shapes = [tuple(r.inputs["input_ids"].shape) for r in both.batch([1, 2]).readings]
    assert both.shape([1, 2]) == shapes
    longer = both.batch([1, 2], [30, 40]).readings
    assert [r.inputs["input_ids"].shape[1] for r in longer] == [30, 40]


@pytest.mark.parametrize("way", ["joint", "separate", "both", "pretrained"])
def test_a_single_text_is_read_in_one_way(tiny_encoder: Path, way: PairEncoding) -> None:
    tokens = tokenized(tiny_encoder, Split(["0", "1", "2"], (FIRST,), None, Path("made here")), way)
    (reading,) = tokens.batch([0, 1]).readings
    assert reading.sequences == 1
    assert len(reading.inputs["input_ids"]) == 2


@pytest.mark.parametrize(("lengths", "length"), [((), 11), ([16], 16), ([4], 11)])
def test_padding_goes_on_to_the_length_that_is_asked_for(tiny_encoder: Path, lengths: list[int], length: int) -> None:
    split = Split(["0", "1", "2"], (FIRST,), None, Path("made here"))
    tokens = tokenized(tiny_encoder, split, "joint", max_length=20)
    assert tokens.shape([0, 2]) == [(2, 11)]
    batch = tokens.batch([0, 2], lengths)
    inputs = batch.readings[0].inputs
    assert inputs["input_ids"].shape[1] == length
    assert not inputs["attention_mask"][:, 11:].any()
    assert inputs["attention_mask"].sum(dim=1).tolist() == [tokens.lengths[0], tokens.lengths[2]]
    assert batch.tokens == tokens.lengths[0] + tokens.lengths[2]


def test_a_tokenizer_in_python_gives_the_same(tiny_encoder: Path) -> None:
    """One whose class is not transformers' own is asked, and not taken apart."""
    fast = AutoTokenizer.from_pretrained(tiny_encoder)
    own = type("Own", (type(fast),), {"__module__": "somewhere"}).from_pretrained(tiny_encoder)
    for columns in ([FIRST], [FIRST, SECOND]):
        one, other = tokenize(columns, fast, 12), tokenize(columns, own, 12)
        assert one.keys() == other.keys()
        assert all(torch.equal(one[name], other[name]) for name in one)


def test_a_token_begins_the_word_that_its_last_character_is_in() -> None:
    text = " a  dogs' b"
    special, a, dog, s, quote, b = (0, 0), (1, 2), (3, 7), (7, 8), (8, 9), (9, 11)  # some hold the space before
    assert word_starts(text, [special, a, dog, s, quote, b, special]) == [-1, 0, 1, -1, -1, 2, -1]
    assert word_starts("x y", [(0, 1), (1, 2), (2, 3)]) == [0, -1, 1], "a token that is a space alone is of no word"


@pytest.mark.parametrize("cut", [False, True])
def test_what_is_said_of_words_stands_where_the_words_do(tiny_encoder: Path, cut: bool) -> None:
    tokenizer = AutoTokenizer.from_pretrained(tiny_encoder)
    texts = ["the dog is happy", "cat", "a bird eats gold roses"]
    labels: list[Any] = [tuple(float(i) for i in range(len(text.split()))) for text in texts]
    split = Split(["a", "b", "c"], (texts,), labels, Path())
    length = 5 if cut else 32
    tokens = TokenizedSplit(split, tokenizer, pair_encoding="joint", max_length=length, device=DEVICE, words=True)
    examples = [2, 0]
    batch = tokens.batch(examples)
    assert batch.places is not None
    where = batch.places >= 0
    assert torch.equal(batch.labels[where], batch.places[where].float())  # the label of word i is i here
    found = tokens.by_item(batch.places.float() + 10, batch, examples, torch.tensor(-5.0))
    read = 3 if cut else 5
    assert found[0].tolist() == [10, 11, 12, 13, 14][:read] + [-5.0] * (5 - read)
    assert found[1].tolist()[:4] == [10, 11, 12, 13][:read] + [-5.0] * max(0, 4 - read)
    assert found[1, 4:].isnan().all()
