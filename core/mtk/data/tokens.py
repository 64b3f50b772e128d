"""Text to token ids, once: every sequence of a split in one flat tensor, from which batches are cut on the device."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
import tokenizers
import torch
import transformers
from torch import Tensor

from mtk.data import Split
from mtk.data.cache import kept

FEWEST_KEPT = 500  # texts: fewer are made in some 0.02 s, and every prediction of a few texts would leave a file
_AT_ONCE = 10_000  # texts, between which what the tokenizer says of them beside their ids is let go
_LENGTHS = "row_lengths"  # beside the names of the tokenizer's outputs


@dataclass(frozen=True)
class Batch:
    """Some examples of one task, padded to the longest of them."""

    inputs: dict[str, Tensor]  # what the encoder takes, [sequences, length]
    sequences: int  # an example's sequences: 2 for a pair read separately, when the first half of the rows holds first texts
    labels: Tensor  # [examples]; NaN where there is none
    tokens: int  # without padding

    def __len__(self) -> int:
        return len(self.labels)


class TokenizedSplit:
    """A split as token ids on a device.

    Row i of n is the first text of example i (with the second, if the pair is read as one sequence); row n + i is the
    second text where it is read by itself. `lengths` stays on the host, so that cutting a batch waits for no device.
    """

    def __init__(self, split: Split, tokenizer: Any, *, joint: bool, max_length: int, device: torch.device) -> None:
        columns = split.texts if joint else ([text for texts in split.texts for text in texts],)
        tokens = tokenize(columns, tokenizer, max_length)
        lengths = tokens.pop(_LENGTHS).long()
        self.ids = split.ids
        self.sequences = len(lengths) // max(1, len(split))
        self.row_lengths: list[int] = lengths.tolist()
        self.lengths = [max(self.row_lengths[i :: len(split)]) for i in range(len(split))]
        self._max_length = max_length
        self._pad = {name: tokenizer.pad_token_id if name == "input_ids" else 0 for name in tokens}
        self._flat = {name: tokens[name].to(device) for name in sorted(tokens)}  # a file does not keep their order
        self._row_lengths = lengths.to(device)
        self._starts = self._row_lengths.cumsum(0) - self._row_lengths
        labels = split.labels if split.labels is not None else [float("nan")] * len(split)
        self.labels = torch.tensor(labels, dtype=torch.float32, device=device)

    def __len__(self) -> int:
        return len(self.ids)

    def batch(self, examples: Sequence[int], multiple: int = 1) -> Batch:
        """The examples of these numbers, padded to the longest of them, and on to a `multiple` of tokens where the longest
        allowed is not reached before."""
        rows = [n * len(self) + i for n in range(self.sequences) for i in examples]
        lengths = [self.row_lengths[row] for row in rows]
        device = self.labels.device
        index = torch.tensor(rows, pin_memory=device.type == "cuda").to(device, non_blocking=True)
        length = max(lengths)
        positions = torch.arange(max(length, min(-(-length // multiple) * multiple, self._max_length)), device=device)
        mask = positions < self._row_lengths[index].unsqueeze(1)
        cells = torch.where(mask, self._starts[index].unsqueeze(1) + positions, 0)
        inputs = {name: torch.where(mask, flat[cells], self._pad[name]).long() for name, flat in self._flat.items()}
        inputs["attention_mask"] = mask.long()
        return Batch(inputs, self.sequences, self.labels[index[: len(examples)]], sum(lengths))


def tokenize(columns: Sequence[Sequence[str]], tokenizer: Any, max_length: int) -> dict[str, Tensor]:
    """The rows of one column of texts, or of two that are read as one sequence, end to end: int32 tensors on the host by the
    names of the tokenizer's outputs, and `row_lengths`.

    Kept in the user's cache (`mtk.data.cache`) if the tokenizer is one whose whole content can be compared."""
    if not _plain(tokenizer):
        encoded = tokenizer(*columns, truncation=True, max_length=max_length, return_attention_mask=False)
        tokens = {name: _flat(encoded[name]) for name in encoded}
        return {**tokens, _LENGTHS: torch.tensor([len(row) for row in encoded["input_ids"]], dtype=torch.int32)}
    backend = tokenizer.backend_tokenizer
    # What the tokenizer itself does before it encodes. It is part of the backend's content from here on, so that the
    # content is not that of whatever was tokenized before.
    backend.enable_truncation(max_length, strategy="longest_first", direction=tokenizer.truncation_side)
    backend.no_padding()
    backend.encode_special_tokens = tokenizer.split_special_tokens
    names = ["input_ids", *(["token_type_ids"] if "token_type_ids" in tokenizer.model_input_names else [])]

    def encode() -> dict[str, Tensor]:
        return _encode(columns, backend, names)

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


def _encode(columns: Sequence[Sequence[str]], backend: Any, names: Sequence[str]) -> dict[str, Tensor]:
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
    return {name: torch.cat(part) if part else torch.empty(0, dtype=torch.int32) for name, part in parts.items()}


def _flat(rows: Sequence[Sequence[int]]) -> Tensor:
    return torch.from_numpy(np.fromiter(chain.from_iterable(rows), dtype=np.int32, count=sum(map(len, rows))))
