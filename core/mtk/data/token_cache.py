"""Token ids on disk, so that a run on the text of an earlier one does not tokenize it again: in `tokens/` of mtk's cache."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import chain
from pathlib import Path

from safetensors.torch import load, save
from torch import Tensor

from mtk import cache

FOLDER = "tokens"
_FORMAT = "3"  # of what is kept; another one, and nothing kept before is found


def directory() -> Path:
    """Where entries are; it may not exist."""
    return cache.directory(FOLDER)


def kept(parts: Iterable[str], make: Callable[[], dict[str, Tensor]]) -> dict[str, Tensor]:
    """What `make` gives, which `parts` decide: as it is kept, or else made, and kept from now on."""
    tensors: dict[str, Tensor] = load(cache.kept(FOLDER, chain([_FORMAT], parts), lambda: save(make())))
    return tensors
