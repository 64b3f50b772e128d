"""Text to token ids, once: every sequence of a split in one flat tensor, from which batches are cut on the device."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from mtk.data import Split


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
        options = {"truncation": True, "max_length": max_length, "return_attention_mask": False}
        if len(split.texts) == 2 and joint:
            encoded = tokenizer(*split.texts, **options)
        else:
            encoded = tokenizer([text for texts in split.texts for text in texts], **options)
        rows = encoded["input_ids"]
        self.ids = split.ids
        self._max_length = max_length
        self.sequences = len(rows) // max(1, len(split))
        self.row_lengths = [len(row) for row in rows]
        self.lengths = [max(self.row_lengths[i :: len(split)]) for i in range(len(split))]
        self._pad = {name: tokenizer.pad_token_id if name == "input_ids" else 0 for name in encoded}
        self._flat = {name: torch.tensor([x for row in encoded[name] for x in row], device=device) for name in encoded}
        self._starts = torch.tensor([0, *self.row_lengths[:-1]], device=device).cumsum(0)
        self._row_lengths = torch.tensor(self.row_lengths, device=device)
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
        inputs = {name: torch.where(mask, flat[cells], self._pad[name]) for name, flat in self._flat.items()}
        inputs["attention_mask"] = mask.long()
        return Batch(inputs, self.sequences, self.labels[index[: len(examples)]], sum(lengths))
