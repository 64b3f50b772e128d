"""Token ids kept between runs: what comes from a file is what would be made anew, and no file can spoil a run."""

from __future__ import annotations

import os
import subprocess
import sys
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


def test_a_directory_that_cannot_be_written_fails_nothing(
    tiny_encoder: Path, made: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fresh = tokenized(tiny_encoder)
    (tmp_path / "file").touch()
    monkeypatch.setenv("MTK_CACHE", str(tmp_path / "file"))  # not even root makes a directory there
    assert_equal(fresh, tokenized(tiny_encoder))

    def full(*arguments: object) -> None:
        raise OSError("No space left on device")

    monkeypatch.setenv("MTK_CACHE", str(tmp_path / "full"))
    monkeypatch.setattr(Path, "replace", full)
    assert_equal(fresh, tokenized(tiny_encoder))
    assert len(made) == 3
    assert files() == []


def test_what_has_not_been_used_for_longest_makes_room(
    tiny_encoder: Path, made: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    for text in ("cat", "dog", "bird"):
        tokenized(tiny_encoder, split([text]))
    by_age = sorted(files(), key=lambda file: file.stat().st_mtime_ns)
    for file, seconds in zip(by_age, (1, 3, 2), strict=True):
        os.utime(file, (seconds, seconds))
    tokenized(tiny_encoder, split(["cat"]))  # read, so that it is the last used
    assert len(made) == 3
    monkeypatch.setattr(cache, "LIMIT", int(3.5 * by_age[0].stat().st_size))
    tokenized(tiny_encoder, split(["horse"]))
    assert len(files()) == 3
    assert {by_age[0], by_age[1]} < set(files())


def test_few_texts_are_not_kept(tiny_encoder: Path) -> None:
    tokenized(tiny_encoder, split(["a cat"] * (tokens.FEWEST_KEPT - 1)))
    assert not cache.directory().exists()
    tokenized(tiny_encoder, split(["a cat"] * tokens.FEWEST_KEPT))
    assert len(files()) == 1


def test_where_it_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert cache.directory() == Path(os.environ["MTK_CACHE"]) / "tokens"
    monkeypatch.setenv("MTK_CACHE", "")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache.directory() == tmp_path / "mtk" / "tokens"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache.directory() == tmp_path / ".cache" / "mtk" / "tokens"


def test_without_a_home_there_is_no_cache(tiny_encoder: Path, made: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MTK_CACHE")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)

    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", homeless)
    assert tokenized(tiny_encoder).readings[0].lengths
    assert len(made) == 1


def test_a_cache_that_can_only_be_read_is_read(tiny_encoder: Path, made: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    fresh = tokenized(tiny_encoder)

    def refuse(*arguments: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "utime", refuse)
    assert_equal(fresh, tokenized(tiny_encoder))
    assert len(made) == 1


def test_nothing_has_the_name_of_an_entry_before_it_is_whole(
    tiny_encoder: Path, made: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    write = Path.write_bytes
    halfway: list[Path] = []

    def in_two_parts(path: Path, content: bytes) -> int:
        write(path, content[: len(content) // 2])
        halfway.append(path)
        assert not [file for file in files() if not file.suffix]
        return write(path, content)

    monkeypatch.setattr(Path, "write_bytes", in_two_parts)
    tokenized(tiny_encoder)
    assert halfway
    assert [file.suffix for file in files()] == [""]


# Asks for the same entries in the same order as another process does at the same time.
_AT_THE_SAME_TIME = """
import sys
import torch
from mtk.data import token_cache as cache

print("ready", flush=True)
sys.stdin.readline()
for number in range(30):
    made = torch.full((100_000,), number, dtype=torch.int32)
    assert torch.equal(cache.kept([str(number)], lambda: {"input_ids": made})["input_ids"], made)
"""


def test_two_processes_share_it() -> None:
    command, pipe = [sys.executable, "-c", _AT_THE_SAME_TIME], subprocess.PIPE
    processes = [subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True) for _ in range(2)]
    for process in processes:
        assert process.stdout is not None
        process.stdout.readline()
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    complaints = [process.communicate()[1] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], complaints
    assert [file.suffix for file in files()] == [""] * 30  # what each wrote beside its entries is gone


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
