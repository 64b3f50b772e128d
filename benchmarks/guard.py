"""Whether a step has become slower beside another one than it was. It compares ratios, which hold on a busy machine, and no
times.

    python benchmarks/guard.py                                           beside what was recorded
    python benchmarks/guard.py --json benchmarks/results/guard-cpu.json  record anew, after a change that is meant

An encoder of BERT-tiny's shape with random weights, eight examples of each of the sample corpus's tasks, fp32, one thread:
a few seconds. The steps take turns, and a ratio is the median over the turns of two times of the same turn. What else a
machine does can still spoil it for a while, so what is too slow is measured again before it counts. CI asks it by
`tests/benchmarks/test_guard.py`.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import measuring
import torch

import mtk

RECORDED = measuring.RESULTS / "guard-cpu.json"
WORSE = 1.25  # of what was recorded: more than that fails
TRIES = 3
TURNS = 11
CPU = torch.device("cpu")

CONTESTANTS = {  # name -> combiner, and whether all tasks pass the encoder at once
    "sum": ("sum", True),
    "pcgrad": ("pcgrad", True),
    "pcgrad, plain": ("pcgrad", False),
}
RATIOS = {"pcgrad by sum": ("pcgrad", "sum"), "packed by plain": ("pcgrad", "pcgrad, plain")}


def main() -> None:
    flags = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    flags.add_argument("--json", type=Path, metavar="FILE", help="record there, and compare with nothing")
    path = flags.parse_args().json
    recorded = {} if path else json.loads(RECORDED.read_text(encoding="utf-8"))["ratios"]
    found = measured(recorded)
    rows = [[name, ratio, recorded.get(name, "")] for name, ratio in found.items()]
    with one_thread():
        measuring.finish(measuring.table(["ratio", "now", "recorded"], rows), {"ratios": found}, CPU, path)
    sys.exit("\n".join(too_slow(found, recorded)) or None)


def measured(recorded: dict[str, float]) -> dict[str, float]:
    """The ratios, each the best of as many tries as it takes for all to be as `recorded`, or of `TRIES`."""
    with one_thread():
        return _measured(recorded)


def too_slow(found: dict[str, float], recorded: dict[str, float]) -> list[str]:
    """A line for each ratio that is worse than it may be."""
    return [
        f"{name}: {found[name]:.2f} times as long, and {was:.2f} times when it was recorded ({RECORDED.name})"
        for name, was in recorded.items()
        if found[name] > WORSE * was
    ]


@contextmanager
def one_thread() -> Iterator[None]:
    """As the tests compute, which are several processes."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _measured(recorded: dict[str, float]) -> dict[str, float]:
    flags = ["--encoder", "bert-tiny-shape", "--device", "cpu", "--precision", "fp32"]
    load = measuring.Workload(measuring.parser(None).parse_args(flags), mtk.Registry())
    batch = next(load.steps(8))
    work = {}
    for name, (combiner, packed) in CONTESTANTS.items():
        load.plain = None if packed else "to compare"
        work[name] = partial(load.trainer(combiner, 8).optimize, batch)
    found: dict[str, float] = {}
    for _ in range(TRIES):
        times = measuring.side_by_side(work, TURNS, CPU)
        for name, pair in RATIOS.items():
            found[name] = min(measuring.ratio(times, *pair), found.get(name, float("inf")))
        if not too_slow(found, recorded):
            break
    return found


if __name__ == "__main__":
    main()
