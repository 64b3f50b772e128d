"""Text to token ids, once: every sequence of a split in one flat tensor, from which batches are cut on the device."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
import tokenizers
import torch
import transformers
from torch import Tensor

from mtk.data.split import Split
from mtk.data.token_cache import kept
from mtk.head import PairEncoding

FEWEST_KEPT = 500  # texts: fewer are made in some 0.02 s, and every prediction of a few texts would leave a file
_AT_ONCE = 10_000  # texts, between which what the tokenizer says of them beside their ids is let go
_LENGTHS, _UNCUT = "row_lengths", "uncut_lengths"  # beside the names of the tokenizer's outputs


Inputs = dict[str, Tensor]
"""What the encoder takes of some sequences: `input_ids`, `attention_mask` and what else the tokenizer gives, each
[sequences, length]."""


@dataclass(frozen=True)
class Reading:
    """A batch's texts, read in one way and padded to the longest sequence of it."""

    inputs: Inputs
    sequences: int  # an example's: 2 for a pair read separately, when the first half of the rows holds first texts


@dataclass(frozen=True)
class Batch:
    """Some examples of one task."""

    readings: tuple[Reading, ...]  # one; or two, where a pair is read separately and jointly, in this order
    labels: Tensor  # [examples]; NaN where there is none
    tokens: int  # without padding

    def __len__(self) -> int:
        return len(self.labels)


class Sequences:
    """Token ids of sequences of any length, end to end in one flat tensor on a device. `lengths` stays on the host, so that
    cutting a batch waits for no device."""

    def __init__(self, columns: Sequence[Sequence[str]], tokenizer: Any, max_length: int, device: torch.device) -> None:
        tokens = tokenize(columns, tokenizer, max_length)
        lengths, self.uncut_lengths = tokens.pop(_LENGTHS).long(), tokens.pop(_UNCUT)
        self.lengths: list[int] = lengths.tolist()
        self.unread = _unread(tokens["input_ids"], lengths, tokenizer)
        self._max_length = max_length
        self._pad = {name: tokenizer.pad_token_id if name == "input_ids" else 0 for name in tokens}
        self._flat = {name: tokens[name].to(device) for name in sorted(tokens)}  # a file does not keep their order
        self._lengths = lengths.to(device)
        self._starts = self._lengths.cumsum(0) - self._lengths

    @property
    def names(self) -> list[str]:
        """The names of what the tokenizer gives."""
        return list(self._flat)

    def inputs(self, rows: Sequence[int], multiple: int) -> Inputs:
        """The sequences of these numbers, padded to the longest of them, and on to a `multiple` of tokens where the longest
        allowed is not reached before."""
        device = self._lengths.device
        index = torch.tensor(rows, pin_memory=device.type == "cuda").to(device, non_blocking=True)
        length = max(self.lengths[row] for row in rows)
        positions = torch.arange(max(length, min(-(-length // multiple) * multiple, self._max_length)), device=device)
        mask = positions < self._lengths[index].unsqueeze(1)
        cells = torch.where(mask, self._starts[index].unsqueeze(1) + positions, 0)
        inputs = {name: torch.where(mask, flat[cells], self._pad[name]).long() for name, flat in self._flat.items()}
        inputs["attention_mask"] = mask.long()
        return inputs


class TokenizedSplit:
    """A split as token ids on a device, read as a task's head wants it: the text, or both texts of a pair as one sequence
    (`joint`), or each by itself (`separate`), or in both ways (`both`).

    Read separately, sequence i of n examples is the first text of example i, and sequence n + i its second text.
    """

    def __init__(
        self, split: Split, tokenizer: Any, *, pair_encoding: PairEncoding, max_length: int, device: torch.device
    ) -> None:
        apart = ([text for texts in split.texts for text in texts],)
        ways: dict[PairEncoding, list[tuple[list[str], ...]]]
        ways = {"joint": [split.texts], "separate": [apart], "both": [apart, split.texts]}
        columns = ways[pair_encoding] if len(split.texts) == 2 else [split.texts]
        self.ids = split.ids
        self.max_length = max_length
        self.source = split.source
        self.readings = [Sequences(texts, tokenizer, max_length, device) for texts in columns]
        self._counts = [len(reading.lengths) // max(1, len(split)) for reading in self.readings]
        labels = split.labels if split.labels is not None else [float("nan")] * len(split)
        self.labels = torch.tensor(labels, dtype=torch.float32, device=device)
        self.exact_labels = torch.tensor(labels, dtype=torch.float64)  # on the host, as the file has them: for metrics
        count = len(split)
        self.lengths = [max(max(r.lengths[i::count]) for r in self.readings) for i in range(count)]

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def names(self) -> list[str]:
        """The names of what the tokenizer gives."""
        return self.readings[0].names

    def cut(self) -> str | None:
        """How many sequences were longer than may be, in a sentence that says which length would hold 99 %; None if none
        was."""
        uncut = torch.cat([reading.uncut_lengths for reading in self.readings])
        count = int((uncut > self.max_length).sum())
        if not count:
            return None
        holding = int(uncut.sort().values[min(len(uncut) - 1, int(0.99 * len(uncut)))])
        would = f"; --max-length {holding} would hold 99 %" if holding > self.max_length else ""
        return f"{count:,} of {len(uncut):,} sequences ({count / len(uncut):.2%}) are cut at {self.max_length} tokens{would}"

    def unread(self) -> str | None:
        """How many sequences have no token that the encoder knows, in a sentence; None if there is none."""
        count, rows = sum(r.unread for r in self.readings), sum(len(r.lengths) for r in self.readings)
        return f"{count:,} of {rows:,} sequences have no token that the encoder knows" if count else None

    def remarks(self) -> list[str]:
        """What the encoder does not get to see."""
        return [remark for remark in (self.cut(), self.unread()) if remark]

    def batch(self, examples: Sequence[int], multiple: int = 1) -> Batch:
        """The examples of these numbers; each reading as `Sequences.inputs` pads it."""
        readings, tokens = [], 0
        for sequences, count in zip(self.readings, self._counts, strict=True):
            rows = [n * len(self) + i for n in range(count) for i in examples]
            tokens += sum(sequences.lengths[row] for row in rows)
            readings.append(Reading(sequences.inputs(rows, multiple), count))
        device = self.labels.device
        index = torch.tensor(list(examples), pin_memory=device.type == "cuda").to(device, non_blocking=True)
        return Batch(tuple(readings), self.labels[index], tokens)


def _unread(ids: Tensor, lengths: Tensor, tokenizer: Any) -> int:
    """How many rows hold nothing but special tokens, that of what is unknown among them."""
    special = torch.tensor(sorted({*tokenizer.all_special_ids}), dtype=ids.dtype)
    row = torch.repeat_interleave(torch.arange(len(lengths)), lengths)
    known = torch.zeros(len(lengths), dtype=torch.bool)
    known[row[~torch.isin(ids, special)]] = True
    return int((~known).sum())


def tokenize(columns: Sequence[Sequence[str]], tokenizer: Any, max_length: int) -> dict[str, Tensor]:
    """The rows of one column of texts, or of two that are read as one sequence, end to end: int32 tensors on the host by the
    names of the tokenizer's outputs, and `row_lengths`.

    Kept in the user's cache (`mtk.data.token_cache`) if the tokenizer is one whose whole content can be compared."""
    if not _plain(tokenizer):
        encoded = tokenizer(*columns, truncation=True, max_length=max_length, return_attention_mask=False)
        tokens = {name: _flat(encoded[name]) for name in encoded}
        lengths = torch.tensor([len(row) for row in encoded["input_ids"]], dtype=torch.int32)

        def uncut(*chosen: Sequence[str]) -> list[int]:
            return [len(row) for row in tokenizer(*chosen, truncation=False, verbose=False)["input_ids"]]

        return {**tokens, _LENGTHS: lengths, _UNCUT: _uncut_lengths(columns, lengths, max_length, uncut)}
    backend = tokenizer.backend_tokenizer
    # What the tokenizer itself does before it encodes. It is part of the backend's content from here on, so that the
    # content is not that of whatever was tokenized before.
    backend.enable_truncation(max_length, strategy="longest_first", direction=tokenizer.truncation_side)
    backend.no_padding()
    backend.encode_special_tokens = tokenizer.split_special_tokens
    names = ["input_ids", *(["token_type_ids"] if "token_type_ids" in tokenizer.model_input_names else [])]

    def encode() -> dict[str, Tensor]:
        return _encode(columns, backend, names, max_length)

    if sum(map(len, columns)) < FEWEST_KEPT:
        return encode()
    return kept(chain(_description(tokenizer, names, len(columns)), *columns), encode)


def _plain(tokenizer: Any) -> bool:
    """Whether the tokenizer is one of transformers' own in Rust, and does nothing in Python to what it gives: then the Rust
    part, by itself, gives the same in half the time, and says all that decides it."""
    fast, own = transformers.PreTrainedTokenizerFast, type(tokenizer)
    if not isinstance(tokenizer, fast) or not own.__module__.startswith("transformers."):
        return False
    return all(getattr(own, name, None) is getattr(fast, name, None) for name in ("__call__", "_encode_plus"))


def _description(tokenizer: Any, names: Sequence[str], columns: int) -> Iterator[str]:
    """All that decides a text's tokens beside the text; how they are cut is in the backend's content."""
    yield f"{type(tokenizer).__qualname__}, transformers {transformers.__version__}, tokenizers {tokenizers.__version__}"
    yield f"{names} of {columns}, special tokens split: {tokenizer.split_special_tokens}"
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


def _encode(columns: Sequence[Sequence[str]], backend: Any, names: Sequence[str], max_length: int) -> dict[str, Tensor]:
    texts = list(zip(*columns, strict=True)) if len(columns) == 2 else columns[0]
    parts: dict[str, list[Tensor]] = {name: [] for name in [*names, _LENGTHS]}
    for start in range(0, len(texts), _AT_ONCE):
        encodings = backend.encode_batch_fast(texts[start : start + _AT_ONCE])
        rows = {"input_ids": [e.ids for e in encodings]}
        if "token_type_ids" in names:
            rows["token_type_ids"] = [e.type_ids for e in encodings]
        for name in names:
            parts[name].append(_flat(rows[name]))
        parts[_LENGTHS].append(torch.tensor([len(row) for row in rows["input_ids"]], dtype=torch.int32))
    tokens = {name: torch.cat(part) if part else torch.empty(0, dtype=torch.int32) for name, part in parts.items()}

    def uncut(*chosen: Sequence[str]) -> list[int]:
        truncation = backend.truncation
        backend.no_truncation()
        encodings = backend.encode_batch_fast(list(zip(*chosen, strict=True)) if len(chosen) == 2 else chosen[0])
        backend.enable_truncation(**truncation)
        return [len(encoding.ids) for encoding in encodings]

    return {**tokens, _UNCUT: _uncut_lengths(columns, tokens[_LENGTHS], max_length, uncut)}


def _flat(rows: Sequence[Sequence[int]]) -> Tensor:
    return torch.from_numpy(np.fromiter(chain.from_iterable(rows), dtype=np.int32, count=sum(map(len, rows))))
