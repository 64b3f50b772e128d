"""Text to token ids, once: every sequence of a split in one flat tensor, from which batches are cut on the device."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, chain
from random import Random
from typing import Any

import numpy as np
import tokenizers
import torch
import transformers
from torch import Tensor
from torch.nn.functional import pad

from mtk.data.batches import Batches
from mtk.data.split import Label, Split, numbers
from mtk.data.token_cache import kept
from mtk.errors import UsageError
from mtk.head import PairEncoding

FEWEST_KEPT = 500  # texts: fewer are made in some 0.02 s, and every prediction of a few texts would leave a file
_AT_ONCE = 10_000  # texts, between which what the tokenizer says of them beside their ids is let go
LENGTHS, UNCUT, _WORDS = "row_lengths", "uncut_lengths", "word_starts"  # beside the names of the tokenizer's outputs

ENCODINGS: dict[PairEncoding, tuple[tuple[int, ...], ...]] = {
    "joint": ((0, 1),),
    "separate": ((0,), (1,)),
    "both": ((0,), (1,), (0, 1)),
    "pretrained": ((0,), (1,), (0, 1)),
}
"""Which texts of a pair make a sequence, for each that it is read as."""


Inputs = dict[str, Tensor]
"""What the encoder takes of some sequences: `input_ids`, `attention_mask` and what else the tokenizer gives, each
[sequences, length]."""


@dataclass(frozen=True)
class Reading:
    """A batch's texts, read in one way and padded to the longest sequence of it."""

    inputs: Inputs
    sequences: int  # an example's: 2 for a pair read separately, when the first half of the rows holds first texts
    tokens: int  # without padding
    pretrained: bool = False  # whether it is the encoder as it was before training that reads it


@dataclass(frozen=True)
class Batch:
    """Some examples of one task."""

    readings: tuple[Reading, ...]  # one; or two, where a pair is read separately and jointly, in this order
    labels: Tensor  # [examples], or a number for each label, candidate or token [examples, m]; NaN where there is none
    places: Tensor | None = None
    """[examples, m]: of candidates, the row of the readings that each is in; of words, which word begins at each token; -1
    where there is none."""
    silent: bool = False
    """Whether it has no say: its process passes it through the model because others have something to pass there."""
    r_drop: float = 0.0
    """The α of R-Drop. Where it is not 0, the examples stand in the batch twice, all of them and then all of them again."""

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def tokens(self) -> int:
        """Those of all its readings, without padding."""
        return sum(reading.tokens for reading in self.readings)

    @property
    def counted(self) -> int:
        """How many of its examples have a say in a step's losses."""
        return 0 if self.silent else len(self) // 2 if self.r_drop else len(self)

    def __str__(self) -> str:
        """Its size, as a message tells it."""
        shapes = [tuple(next(iter(reading.inputs.values())).shape) for reading in self.readings]
        read = " and ".join(f"{rows:,} sequences of {tokens:,} tokens" for rows, tokens in shapes)
        return f"{len(self):,} examples, read as {read}"


class Sequences:
    """Token ids of sequences of any length, end to end in one flat tensor on a device. `lengths` stays on the host, so that
    cutting a batch waits for no device."""

    def __init__(
        self,
        columns: Sequence[Sequence[str]],
        tokenizer: Any,
        max_length: int,
        device: torch.device,
        *,
        words: bool = False,
        keep: bool = True,
    ) -> None:
        tokens = tokenize(columns, tokenizer, max_length, words=words, keep=keep)
        lengths, self.uncut_lengths = tokens.pop(LENGTHS).long(), tokens.pop(UNCUT)
        self._words = tokens.pop(_WORDS).to(device) if words else None
        self.lengths: list[int] = lengths.tolist()
        self.unread = unread(tokens["input_ids"], lengths, tokenizer)
        self._pad = padding(tokenizer, tokens)
        self._flat = {name: tokens[name].to(device) for name in sorted(tokens)}  # a file does not keep their order
        self._lengths = lengths.to(device)
        self._starts = self._lengths.cumsum(0) - self._lengths

    @property
    def names(self) -> list[str]:
        """The names of what the tokenizer gives."""
        return list(self._flat)

    def equals(self, other: Sequences) -> bool:
        """Whether these are the same tokens in the same rows."""
        same = self.lengths == other.lengths and self._flat.keys() == other._flat.keys()
        return same and all(torch.equal(flat, other._flat[name]) for name, flat in self._flat.items())

    def inputs(self, rows: Sequence[int], length: int) -> Inputs:
        """The sequences of these numbers, padded to the longest, and on to `length`."""
        cells, mask = self._cells(rows, length)
        inputs = {name: torch.where(mask, flat[cells], self._pad[name]).long() for name, flat in self._flat.items()}
        inputs["attention_mask"] = mask.long()
        return inputs

    def words(self, rows: Sequence[int], length: int) -> Tensor | None:
        """Which word begins at each token of these sequences [sequences, length]; -1 where none does."""
        if self._words is None:
            return None
        cells, mask = self._cells(rows, length)
        return torch.where(mask, self._words[cells], -1).long()

    def _cells(self, rows: Sequence[int], length: int) -> tuple[Tensor, Tensor]:
        """Where the tokens of these sequences are in what is flat [sequences, length], and where there are any."""
        index = on_device(rows, self._lengths.device)
        longest = max(self.lengths[row] for row in rows)
        positions = torch.arange(max(longest, length), device=self._lengths.device)
        mask = positions < self._lengths[index].unsqueeze(1)
        return torch.where(mask, self._starts[index].unsqueeze(1) + positions, 0), mask


def padding(tokenizer: Any, names: Iterable[str]) -> dict[str, int]:
    """What stands where a sequence has no token, in each of what the tokenizer gives."""
    return {name: tokenizer.pad_token_id if name == "input_ids" else 0 for name in names}


class TokenizedSplit:
    """A split as token ids on a device, read as a task's head wants it: the text, or both texts of a pair as one sequence
    (`joint`), or each by itself (`separate`), or in both ways (`both`). With `words`, which word begins where is known too.

    The sequences of example i are neighbours: one, or one for each of its candidates. Read separately, all first texts come
    before all second texts.
    """

    def __init__(
        self,
        split: Split,
        tokenizer: Any,
        *,
        pair_encoding: PairEncoding,
        max_length: int,
        device: torch.device,
        words: bool = False,
        keep: bool = True,
    ) -> None:
        """`keep` them in the user's cache, for texts that will come again."""
        self._candidates, texts = _one_by_one(split)
        apart = ([text for column in texts for text in column],)
        ways: dict[PairEncoding, list[tuple[list[str], ...]]]
        ways = {"joint": [texts], "separate": [apart], "both": [apart, texts], "pretrained": [apart, texts]}
        columns = ways[pair_encoding] if len(texts) == 2 else [texts]
        self._pretrained = pretrained(pair_encoding, len(columns))
        self.ids = split.ids
        self.max_length = max_length
        self.source = split.source
        self.readings = [Sequences(column, tokenizer, max_length, device, words=words, keep=keep) for column in columns]
        self._rows = len(texts[0])  # sequences of one column
        self._counts = [len(reading.lengths) // max(1, self._rows) for reading in self.readings]
        self.items = [len(text.split()) for text in texts[0]] if words else self._candidates
        """How many words, or candidates, each example has; None where it is one thing."""
        self.exact_labels = label_tensor(split.labels, len(split))  # on the host, as the file has them: for metrics
        self.labels = self.exact_labels.float().to(device)
        self._first = [0, *accumulate(self._candidates or ())]
        self.lengths = [max(max(r.lengths[i :: self._rows]) for r in self.readings) for i in range(self._rows)]
        if self._candidates:
            self.lengths = [max(self.lengths[row] for row in self._rows_of([example])) for example in range(len(self))]

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def names(self) -> list[str]:
        """The names of what the tokenizer gives."""
        return self.readings[0].names

    @property
    def sequences(self) -> int:
        """How many sequences an example has, on average and rounded up, in one pass of the encoder."""
        return -(-self._rows // max(1, len(self))) * max(self._counts)

    def reads_as(self, other: object) -> bool:
        """Whether the encoder reads the same in both: then one pass of it over the same examples serves both tasks."""
        if not isinstance(other, TokenizedSplit):
            return False
        same = (self._candidates, self._counts) == (other._candidates, other._counts)
        same = same and self._pretrained == other._pretrained
        return same and all(own.equals(its) for own, its in zip(self.readings, other.readings, strict=True))

    def cut(self) -> str | None:
        """How many sequences were longer than may be, in a sentence that says which length would hold 99 %; None if none
        was."""
        uncut = torch.cat([reading.uncut_lengths for reading in self.readings])
        count = int((uncut > self.max_length).sum())
        holding = int(uncut.sort().values[min(len(uncut) - 1, int(0.99 * len(uncut)))]) if count else 0
        return cut_remark(count, len(uncut), self.max_length, holding)

    def unread(self) -> str | None:
        """How many sequences have no token that the encoder knows, in a sentence; None if there is none."""
        return unread_remark(sum(r.unread for r in self.readings), sum(len(r.lengths) for r in self.readings))

    def remarks(self) -> list[str]:
        """What the encoder does not get to see."""
        return [remark for remark in (self.cut(), self.unread()) if remark]

    def batches(self, batch_size: int, rng: Random) -> Batches:
        """Its batches, as lists of the examples' numbers."""
        return Batches(self.lengths, batch_size, rng)

    def shape(self, examples: Sequence[int]) -> list[tuple[int, int]]:
        """Of a batch of these examples, for each reading: its sequences, and the tokens of the longest."""
        rows = self._rows_in_readings(examples)
        lengths = ([r.lengths[row] for row in of] for r, of in zip(self.readings, rows, strict=True))
        return [(len(own), max(own)) for own in lengths]

    def batch(self, examples: Sequence[int], lengths: Sequence[int] = ()) -> Batch:
        """The examples of these numbers; each reading padded to the longest of its sequences, and on to its one of
        `lengths`, where they are given."""
        lengths = lengths or [0] * len(self.readings)
        readings = []
        of_readings = (self.readings, self._counts, self._pretrained, self._rows_in_readings(examples), lengths)
        for sequences, count, before, rows, length in zip(*of_readings, strict=True):
            tokens = sum(sequences.lengths[row] for row in rows)
            readings.append(Reading(sequences.inputs(rows, length), count, tokens, before))
        labels = self.labels[on_device(list(examples), self.labels.device)]
        words = self.readings[0].words(self._rows_of(examples), lengths[0])
        places = self._places(examples) if self._candidates else words
        if places is not None and labels.ndim == 2:
            labels = labels[:, : places.shape[1]] if self._candidates else _at(labels, places)
        return Batch(tuple(readings), labels, places)

    def by_item(self, values: Tensor, batch: Batch, examples: Sequence[int], unread: Tensor) -> Tensor:
        """What a model says of a batch of these `examples`, in the places of its labels [examples, items of the longest
        of all, …], NaN where there is none: what it says of each word is in the places of tokens until then. A word that
        was cut off has `unread` […]."""
        places = batch.places
        if places is None or self.items is None or values.ndim == 1:
            return values
        longest, further = max(self.items), values.shape[2:]
        if self._candidates:
            found = pad(values, [0, 0] * len(further) + [0, longest - values.shape[1]])
        else:
            found = unread.to(values).expand(len(values), longest + 1, *further).clone()  # and one for what is no word
            index = torch.where(places < 0, longest, places).view(*places.shape, *[1] * len(further))
            found = found.scatter_(1, index.expand_as(values), values)[:, :longest]
        counts = on_device([self.items[i] for i in examples], values.device).unsqueeze(1)
        there = torch.arange(longest, device=values.device) < counts
        return found.masked_fill(~there.view(*there.shape, *[1] * len(further)), torch.nan)

    def _rows_of(self, examples: Sequence[int]) -> list[int]:
        if self._candidates is None:
            return list(examples)
        return [row for i in examples for row in range(self._first[i], self._first[i + 1])]

    def _rows_in_readings(self, examples: Sequence[int]) -> list[list[int]]:
        """For each reading, the numbers of its sequences that these examples have."""
        own = self._rows_of(examples)
        return [[n * self._rows + row for n in range(count) for row in own] for count in self._counts]

    def _places(self, examples: Sequence[int]) -> Tensor:
        assert self._candidates is not None
        counts = [self._candidates[i] for i in examples]
        ends = accumulate(counts)
        rows = [[*range(end - count, end), *[-1] * (max(counts) - count)] for end, count in zip(ends, counts, strict=True)]
        return on_device(rows, self.labels.device)


def pretrained(pair_encoding: PairEncoding, readings: int) -> list[bool]:
    """Of each of so many readings of an example, whether the encoder as it was before training reads it: each text of a pair
    alone does so for a head that asks for it."""
    return [pair_encoding == "pretrained" and number < readings - 1 for number in range(readings)]


def read_alike(splits: Mapping[str, TokenizedSplit]) -> list[list[str]]:
    """The names of the splits, those together of which the encoder reads the same, in their order."""
    groups: list[list[str]] = []
    for name, tokens in splits.items():
        group = next((group for group in groups if splits[group[0]].reads_as(tokens)), None)
        if group:
            group.append(name)
        else:
            groups.append([name])
    return groups


def cut_remark(count: int, of: int, max_length: int, holding: int) -> str | None:
    """That so many sequences are cut; 99 % have at most `holding` tokens. None if there is none."""
    if not count:
        return None
    would = f"; --max-length {holding} would hold 99 %" if holding > max_length else ""
    return f"{count:,} of {of:,} sequences ({count / of:.2%}) are cut at {max_length} tokens{would}"


def unread_remark(count: int, of: int) -> str | None:
    """That so many sequences say nothing to the encoder; None if there is none."""
    return f"{count:,} of {of:,} sequences have no token that the encoder knows" if count else None


def unread(ids: Tensor, lengths: Tensor, tokenizer: Any) -> int:
    """How many rows hold nothing but special tokens, that of what is unknown among them."""
    special = torch.tensor(sorted({*tokenizer.all_special_ids}), dtype=ids.dtype)
    row = torch.repeat_interleave(torch.arange(len(lengths)), lengths)
    known = torch.zeros(len(lengths), dtype=torch.bool)
    known[row[~torch.isin(ids, special)]] = True
    return int((~known).sum())


def _one_by_one(split: Split) -> tuple[list[int] | None, tuple[list[str], ...]]:
    """How many candidates each example has, and the columns of texts with a row for each; None where there are none."""
    lists = [column for column in split.texts if column and isinstance(column[0], tuple)]
    if not lists:
        return None, split.texts
    counts = [len(candidates) for candidates in lists[0]]
    texts = (
        [text for own, count in zip(column, counts, strict=True) for text in (own if column is lists[0] else [own] * count)]
        for column in split.texts
    )
    return counts, tuple(texts)


def label_tensor(labels: Sequence[Label] | None, count: int) -> Tensor:
    """float64, [count], or [count, longest] where a label is several numbers; NaN where there is none."""
    if labels is None:
        return torch.full((count,), torch.nan, dtype=torch.float64)
    if not any(isinstance(label, tuple) for label in labels):
        return torch.tensor(labels, dtype=torch.float64)
    rows = [numbers(label) for label in labels]
    longest = max(map(len, rows))
    return torch.tensor([[*row, *[torch.nan] * (longest - len(row))] for row in rows], dtype=torch.float64)


def _at(labels: Tensor, words: Tensor) -> Tensor:
    """The labels of words [n, w] where the words begin [n, length]."""
    return labels.gather(1, words.clamp_min(0)).masked_fill(words < 0, torch.nan)


def on_device(numbers: Sequence[Any], device: torch.device) -> Tensor:
    """Whole numbers on a device, which is not waited for."""
    return torch.tensor(numbers, pin_memory=device.type == "cuda").to(device, non_blocking=True)


def tokenize(
    columns: Sequence[Sequence[str]], tokenizer: Any, max_length: int, *, words: bool = False, keep: bool = True
) -> dict[str, Tensor]:
    """The rows of one column of texts, or of two that are read as one sequence, end to end: int32 tensors on the host by the
    names of the tokenizer's outputs, `row_lengths`, and, of `words` in one column, which of them begins at each token.

    Kept in the user's cache (`mtk.data.token_cache`) if they are to be, and the tokenizer is one whose whole content can be
    compared."""
    if not _plain(tokenizer):
        if words and not tokenizer.is_fast:
            raise UsageError(
                f"The encoder's tokenizer, {type(tokenizer).__name__}, does not say which word a token belongs to, as "
                f"labels by word ask. Take an encoder with a tokenizer.json."
            )
        how = {"truncation": True, "max_length": max_length, "return_attention_mask": False}
        encoded = tokenizer(*columns, **how, return_offsets_mapping=words)
        offsets = encoded.pop("offset_mapping", ())
        tokens = {name: _flat(encoded[name]) for name in encoded}
        if words:
            tokens[_WORDS] = _flat(list(map(word_starts, columns[0], offsets)))
        lengths = torch.tensor([len(row) for row in encoded["input_ids"]], dtype=torch.int32)

        def uncut(*chosen: Sequence[str]) -> list[int]:
            return [len(row) for row in tokenizer(*chosen, truncation=False, verbose=False)["input_ids"]]

        return {**tokens, LENGTHS: lengths, UNCUT: _uncut_lengths(columns, lengths, max_length, uncut)}
    backend = _cutting(tokenizer, max_length)
    names = ["input_ids", *(["token_type_ids"] if "token_type_ids" in tokenizer.model_input_names else [])]

    def encode() -> dict[str, Tensor]:
        return _encode(columns, backend, names, max_length, words)

    if not keep or sum(map(len, columns)) < FEWEST_KEPT:
        return encode()
    return kept(chain(_description(tokenizer, names, len(columns), words), *columns), encode)


def _cutting(tokenizer: Any, max_length: int) -> Any:
    """The Rust part, with what the tokenizer itself does before it encodes. That is part of its content from here on, so
    that the content is not that of whatever was tokenized before."""
    backend = tokenizer.backend_tokenizer
    backend.enable_truncation(max_length, strategy="longest_first", direction=tokenizer.truncation_side)
    backend.no_padding()
    backend.encode_special_tokens = tokenizer.split_special_tokens
    return backend


def description(tokenizer: Any, max_length: int) -> Iterator[str]:
    """All that decides a text's tokens beside the text, of any tokenizer."""
    if _plain(tokenizer):
        _cutting(tokenizer, max_length)
        yield from _description(tokenizer, tokenizer.model_input_names, 0, False)
    else:
        yield f"{type(tokenizer).__qualname__}, transformers {transformers.__version__}, {max_length}"
        yield f"{tokenizer.init_kwargs} {sorted(tokenizer.get_vocab().items())}"


def _plain(tokenizer: Any) -> bool:
    """Whether the tokenizer is one of transformers' own in Rust, and does nothing in Python to what it gives: then the Rust
    part, by itself, gives the same in half the time, and says all that decides it."""
    fast, own = transformers.PreTrainedTokenizerFast, type(tokenizer)
    if not isinstance(tokenizer, fast) or not own.__module__.startswith("transformers."):
        return False
    return all(getattr(own, name, None) is getattr(fast, name, None) for name in ("__call__", "_encode_plus"))


def _description(tokenizer: Any, names: Sequence[str], columns: int, words: bool) -> Iterator[str]:
    """All that decides a text's tokens beside the text; how they are cut is in the backend's content."""
    yield f"{type(tokenizer).__qualname__}, transformers {transformers.__version__}, tokenizers {tokenizers.__version__}"
    yield f"{names} of {columns}{', and words' if words else ''}, special tokens split: {tokenizer.split_special_tokens}"
    yield tokenizer.backend_tokenizer.to_str()


def _uncut_lengths(
    columns: Sequence[Sequence[str]], lengths: Tensor, max_length: int, measure: Callable[..., list[int]]
) -> Tensor:
    """How many tokens each row has before it is cut. Only rows as long as may be are measured again."""
    uncut = lengths.clone()
    full = (lengths >= max_length).nonzero().flatten()
    if len(full):
        chosen = [[column[i] for i in full.tolist()] for column in columns]
        uncut[full] = torch.tensor(measure(*chosen), dtype=torch.int32)
    return uncut


def _encode(
    columns: Sequence[Sequence[str]], backend: Any, names: Sequence[str], max_length: int, words: bool
) -> dict[str, Tensor]:
    texts = list(zip(*columns, strict=True)) if len(columns) == 2 else columns[0]
    parts: dict[str, list[Tensor]] = {name: [] for name in [*names, LENGTHS, *([_WORDS] if words else [])]}
    encode = backend.encode_batch if words else backend.encode_batch_fast  # which leaves out where a token stands
    for start in range(0, len(texts), _AT_ONCE):
        encodings = encode(texts[start : start + _AT_ONCE])
        rows = {"input_ids": [e.ids for e in encodings]}
        if "token_type_ids" in names:
            rows["token_type_ids"] = [e.type_ids for e in encodings]
        if words:
            found = zip(columns[0][start : start + _AT_ONCE], encodings, strict=True)
            rows[_WORDS] = [word_starts(text, encoding.offsets) for text, encoding in found]
        for name, values in rows.items():
            parts[name].append(_flat(values))
        parts[LENGTHS].append(torch.tensor([len(row) for row in rows["input_ids"]], dtype=torch.int32))
    tokens = {name: torch.cat(part) if part else torch.empty(0, dtype=torch.int32) for name, part in parts.items()}

    def uncut(*chosen: Sequence[str]) -> list[int]:
        truncation = backend.truncation
        backend.no_truncation()
        encodings = backend.encode_batch_fast(list(zip(*chosen, strict=True)) if len(chosen) == 2 else chosen[0])
        backend.enable_truncation(**truncation)
        return [len(encoding.ids) for encoding in encodings]

    return {**tokens, UNCUT: _uncut_lengths(columns, tokens[LENGTHS], max_length, uncut)}


def word_starts(text: str, offsets: Sequence[tuple[int, int]]) -> list[int]:
    """Which word of a text begins at each token, a word being what stands between white space; -1 where none does. A token
    is of the word that its last character is in: its first may be the space before."""
    word_of: list[int] = []
    count = -1
    for number, character in enumerate(text):
        if character.isspace():
            word_of.append(-1)
        else:
            count += number == 0 or word_of[number - 1] < 0
            word_of.append(count)
    starts, last = [], -1
    for start, end in offsets:
        word = word_of[end - 1] if end > start else -1
        starts.append(word if word > last else -1)
        last = max(last, word)
    return starts


def _flat(rows: Sequence[Sequence[int]]) -> Tensor:
    return torch.from_numpy(np.fromiter(chain.from_iterable(rows), dtype=np.int32, count=sum(map(len, rows))))
