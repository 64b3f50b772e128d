"""Where a run computes, and in which precision."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Literal

import torch

from mtk.config import Precision, check
from mtk.errors import UsageError

_CASTS: dict[Precision, torch.dtype | None] = {"fp32": None, "bf16": torch.bfloat16, "fp16": torch.float16}


def choose_device(name: str) -> torch.device:
    """`auto` (the GPU, if there is one), `cpu`, `cuda` or `cuda:N`. Raises UsageError for what this machine lacks, and for
    any other name."""
    check({"device": name})
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    device = torch.device(name)
    if device.type == "cuda":
        if not torch.cuda.is_available():
            build = "" if torch.version.cuda else " (this build of torch is without CUDA)"
            raise UsageError(f"--device {name}: there is no CUDA device here{build}. Use --device cpu or auto.")
        if (device.index or 0) >= torch.cuda.device_count():
            raise UsageError(f"--device {name}: there are {torch.cuda.device_count()} CUDA devices, counted from 0.")
    return device


def choose_precision(name: Precision, device: torch.device) -> Literal["fp32", "bf16", "fp16"]:
    """The precision of forward passes, which a run chooses once and records.

    `auto` takes bf16 on a GPU that has it, and on a CPU that is the faster for it, as a small trial shows: one with bf16
    arithmetic multiplies matrices at twice the rate of fp32, one without at half of it, and their flags do not tell.
    """
    if name != "auto":
        return name
    fast = torch.cuda.is_bf16_supported() if device.type == "cuda" else _multiplies_bf16_faster()
    return "bf16" if fast else "fp32"


def autocast_of(precision: Precision) -> torch.dtype | None:
    """What a forward pass is cast to in a precision that was chosen: None for fp32, as the weights are."""
    assert precision != "auto"
    return _CASTS[precision]


def precision_of(autocast: torch.dtype | None) -> Precision:
    """The precision whose forward passes are cast so."""
    return next(precision for precision, cast in _CASTS.items() if cast == autocast)


@cache
def _multiplies_bf16_faster() -> bool:
    def seconds(dtype: torch.dtype, size: int) -> float:
        left, right = torch.ones(size, size, dtype=dtype), torch.ones(size, size, dtype=dtype)
        times = []
        for _ in range(8):  # some milliseconds
            began = time.perf_counter()
            left @ right
            times.append(time.perf_counter() - began)
        return min(times)

    # in software, a hundred times as slow, the large products would take two seconds, and the small ones tell
    if seconds(torch.bfloat16, 64) > 10 * seconds(torch.float32, 64):
        return False
    return seconds(torch.bfloat16, 512) < 0.8 * seconds(torch.float32, 512)


@contextmanager
def deterministic(wanted: bool, device: torch.device) -> Iterator[None]:
    """Where it is wanted, compute only with kernels that give the same bits each time. Raises UsageError, in here, for what
    has none."""
    if not wanted:
        yield
        return
    before = torch.are_deterministic_algorithms_enabled(), torch.backends.cudnn.benchmark
    if device.type == "cuda":  # read by cuBLAS when its handle is made, with the first product
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True)
    torch.backends.cudnn.benchmark = False
    try:
        yield
    except RuntimeError as error:
        if "deterministic" not in str(error):
            raise
        reason = " ".join(str(error).split(". ")[0].split())
        raise UsageError(f"--deterministic: {reason}. Leave it out, or take another part.") from error
    finally:
        torch.use_deterministic_algorithms(before[0])
        torch.backends.cudnn.benchmark = before[1]
