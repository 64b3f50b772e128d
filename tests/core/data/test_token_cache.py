"""Token ids kept between runs: what comes from a file is what would be made anew."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoTokenizer

from mtk.data import token_cache as cache
from mtk.data import tokens
from mtk.data.split import Split
from mtk.data.tokens import TokenizedSplit
from mtk.head import PairEncoding

FIRST = ["the dog is happy", "a cat", "the bird sees the horse and this was quiet", ""]
SECOND = ["the dog is sad", "a bird eats bread and fish", "the end", "çà et là 🐕"]
DEVICE = torch.device("cpu")


@pytest.fixture(autouse=True)
def _empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MTK_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Grows by one whenever a split is tokenized. Here even the smallest splits are kept."""
    calls: list[int] = []
    encode = tokens._encode

    def counted(*arguments: Any) -> dict[str, torch.Tensor]:
        calls.append(1)
        return encode(*arguments)

    monkeypatch.setattr(tokens, "_encode", counted)
    monkeypatch.setattr(tokens, "FEWEST_KEPT", 0)
    return calls


def split(*columns: list[str]) -> Split:
    return Split([str(i) for i in range(len(columns[0]))], columns, None, Path("made here"))


PAIRS = split(FIRST, SECOND)


def tokenized(
    encoder: Path, of: Split = PAIRS, *, reading: PairEncoding = "separate", max_length: int = 64, **options: Any
) -> TokenizedSplit:
    tokenizer = AutoTokenizer.from_pretrained(encoder, **options)
    return TokenizedSplit(of, tokenizer, pair_encoding=reading, max_length=max_length, device=DEVICE)


def files() -> list[Path]:
    return list(cache.directory().iterdir())


def assert_equal(one: TokenizedSplit, other: TokenizedSplit) -> None:
    assert (one.ids, one.lengths, one.readings[0].lengths, one.names) == (
        other.ids,
        other.lengths,
        other.readings[0].lengths,
        other.names,
    )
    a, b = (each.batch(range(len(each))) for each in (one, other))
    assert a.tokens == b.tokens
    for mine, theirs in zip(a.readings, b.readings, strict=True):
        assert (mine.sequences, list(mine.inputs)) == (theirs.sequences, list(theirs.inputs))
        for name, tensor in mine.inputs.items():
            assert tensor.dtype == theirs.inputs[name].dtype
            assert torch.equal(tensor, theirs.inputs[name])


@pytest.mark.parametrize("reading", ["separate", "joint", "both"])
def test_what_is_read_is_what_was_made(tiny_encoder: Path, made: list[int], reading: PairEncoding) -> None:
    fresh = tokenized(tiny_encoder, reading=reading)
    assert len(made) == 1 + (reading == "both")
    kept = tokenized(tiny_encoder, reading=reading)
    assert len(made) == 1 + (reading == "both")
    assert_equal(fresh, kept)


@pytest.mark.parametrize("reading", ["separate", "joint", "both"])
@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize("max_length", [8, 64])
def test_it_is_what_the_tokenizer_gives(
    tiny_encoder: Path, monkeypatch: pytest.MonkeyPatch, reading: PairEncoding, side: str, max_length: int
) -> None:
    monkeypatch.setattr(tokens, "_AT_ONCE", 3)  # rows of several rounds come in their order
    quick = tokenized(tiny_encoder, reading=reading, max_length=max_length, truncation_side=side)
    monkeypatch.setattr(tokens, "_plain", lambda tokenizer: False)
    assert_equal(quick, tokenized(tiny_encoder, reading=reading, max_length=max_length, truncation_side=side))


def test_what_was_tokenized_before_does_not_count(tiny_encoder: Path, made: list[int]) -> None:
    tokenized(tiny_encoder)
    tokenizer = AutoTokenizer.from_pretrained(tiny_encoder)
    tokenizer(FIRST, padding=True, truncation=True, max_length=8)
    TokenizedSplit(PAIRS, tokenizer, pair_encoding="separate", max_length=64, device=DEVICE)
    assert len(made) == 1


def test_another_text_is_noticed(tiny_encoder: Path, made: list[int]) -> None:
    tokenized(tiny_encoder, split(["a cat", "a dog"]))
    for texts in (["a cat", "a bird"], ["a dog", "a cat"], ["a cata", " dog"], ["a cat"]):
        before = len(made)
        assert tokenized(tiny_encoder, split(texts)).readings[0].lengths
        assert len(made) == before + 1


def test_other_settings_are_noticed(tiny_encoder: Path, made: list[int]) -> None:
    tokenized(tiny_encoder)
    others: list[dict[str, Any]] = [
        {"reading": "joint"},
        {"max_length": 8},
        {"max_length": 8, "truncation_side": "left"},
        {"split_special_tokens": True},
        {"model_input_names": ["input_ids", "attention_mask"]},
    ]
    for number, other in enumerate(others, 2):
        tokenized(tiny_encoder, **other)
        assert len(made) == number


def test_another_tokenizer_is_noticed(tiny_encoder: Path, made: list[int]) -> None:
    tokenized(tiny_encoder)
    tokenizer = AutoTokenizer.from_pretrained(tiny_encoder)
    tokenizer.add_tokens(["dog is"])  # as somebody may do after loading: its files, and its name, are the same
    other = TokenizedSplit(PAIRS, tokenizer, pair_encoding="separate", max_length=64, device=DEVICE)
    assert len(made) == 2
    assert other.readings[0].lengths[0] == 5


def test_a_tokenizer_that_does_more_in_python_is_taken_at_its_word(tiny_encoder: Path, made: list[int]) -> None:
    tokenizer = AutoTokenizer.from_pretrained(tiny_encoder)

    class Shouting(type(tokenizer)):  # type: ignore[misc]
        def __call__(self, texts: list[str], **options: Any) -> Any:
            return super().__call__([text + "!" for text in texts], **options)

    own = Shouting.from_pretrained(tiny_encoder)
    shouted = TokenizedSplit(split(FIRST), own, pair_encoding="separate", max_length=64, device=DEVICE)
    assert shouted.readings[0].lengths == [n + 1 for n in tokenized(tiny_encoder, split(FIRST)).readings[0].lengths]
    assert len(made) == 1
    assert len(files()) == 1


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty", "other"])
def test_a_damaged_file_is_made_again(tiny_encoder: Path, made: list[int], damage: str) -> None:
    fresh = tokenized(tiny_encoder)
    (file,) = files()
    whole = file.read_bytes()
    flipped = whole[:-1] + bytes([whole[-1] ^ 1])
    file.write_bytes({"cut": whole[:-8], "flipped": flipped, "empty": b"", "other": b"no tokens at all"}[damage])
    assert_equal(fresh, tokenized(tiny_encoder))
    assert len(made) == 2
    assert file.read_bytes() == whole
    assert files() == [file]


def test_few_texts_are_not_kept(tiny_encoder: Path) -> None:
    tokenized(tiny_encoder, split(["a cat"] * (tokens.FEWEST_KEPT - 1)))
    assert not cache.directory().exists()
    tokenized(tiny_encoder, split(["a cat"] * tokens.FEWEST_KEPT))
    assert len(files()) == 1


@pytest.mark.parametrize("plain", [True, False])
@pytest.mark.parametrize("reading", ["separate", "joint", "both"])
def test_what_was_cut_is_counted(
    tiny_encoder: Path, monkeypatch: pytest.MonkeyPatch, reading: PairEncoding, plain: bool
) -> None:
    if not plain:
        monkeypatch.setattr(tokens, "_plain", lambda tokenizer: False)
    for _ in range(2):  # made, and from the file
        cut = tokenized(tiny_encoder, reading=reading, max_length=8)
        whole = tokenized(tiny_encoder, reading=reading, max_length=128)
        for short, long in zip(cut.readings, whole.readings, strict=True):
            assert short.uncut_lengths.tolist() == long.lengths
            assert short.lengths == [min(length, 8) for length in long.lengths]
        assert whole.cut() is None
        longer = [length for r in whole.readings for length in r.lengths if length > 8]
        assert (cut.cut() or "").startswith(f"{len(longer):,} of ") == bool(longer)
