"""How many steps would be replays of recorded ones on CUDA, with how many recordings, and what that costs in padding.

    python benchmarks/recordings.py --data DIR --json FILE

It needs no GPU: batches are drawn and padded as in a run, and counted. Tasks are those of the data, and again from the
first, 8 examples of each. Beside it, steps without padding, which have room for so many tokens, and steps that are padded to
multiples of 16 alone, recorded where a shape comes twice. The tokens of a step are given as so many times those of its
sequences, each as long as the longest of its batch.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Hashable
from itertools import cycle, islice
from pathlib import Path
from random import Random
from typing import cast

import measuring
import torch

import mtk
from mtk.data.tasks_toml import read_layout
from mtk.engine.cuda_graphs import RecordedSteps
from mtk.engine.gradients import Outcome
from mtk.engine.packing import room_for
from mtk.engine.shapes import MOST, Shapes, Widest, rounded
from mtk.host.kinds import Kinds
from mtk.plan import find_data

SIZE = 8  # examples of a task
CPU = torch.device("cpu")


class Counted:
    """Stands for a recording, and counts those that are kept."""

    kept = most = 0

    def __init__(self, work: object) -> None:
        Counted.kept += 1
        Counted.most = max(Counted.most, Counted.kept)

    def replay(self) -> Outcome:
        return NOTHING

    def free(self) -> None:
        Counted.kept -= 1


FORMS = "", "padding-free", "multiples"
NOTHING = cast("Outcome", None)  # what a step that computes nothing gives


def main() -> None:
    flags = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    flags.add_argument("--data", default="sample", help="a task set or a directory (sample)")
    flags.add_argument("--tasks", type=int, nargs="+", default=[3, 8, 16], metavar="T", help="how many tasks (3 8 16)")
    flags.add_argument("--steps", type=int, nargs="+", default=[300, 1000, 3000], metavar="N", help="(300 1000 3000)")
    flags.add_argument("--json", type=Path, metavar="FILE", help="write everything that was measured there")
    arguments = flags.parse_args()
    registry = mtk.Registry()
    names = list(read_layout(find_data(arguments.data, registry), Kinds(registry)))
    found = []
    for tasks in arguments.tasks:
        settings = measuring.parser(None).parse_args(["--data", arguments.data, "--device", "cpu", "--precision", "fp32"])
        load = measuring.Workload(settings, registry, list(islice(cycle(names), tasks)))
        for steps in arguments.steps:
            found.append({"tasks": tasks, "steps": steps, **counted(load, steps)})
            print(found[-1], flush=True)
    columns = ["tasks", "steps"]
    for form in FORMS:
        columns += [f"{form}: replays".removeprefix(": "), "recordings", "tokens"]
    rows = []
    for one in found:
        rows.append([one["tasks"], one["steps"]])
        for form in FORMS:
            replays, recordings, times = (one[f"{form} {name}".strip()] for name in ("replays", "recordings", "tokens"))
            rows[-1] += [f"{replays:.0%}", recordings, f"{times:.2f}"]
    measured = {"data": arguments.data, "batch_size": SIZE, "most": MOST, "measured": found}
    measuring.finish(measuring.table(columns, rows), measured, CPU, arguments.json)


def counted(load: measuring.Workload, steps: int) -> dict[str, float]:
    """Of so many steps."""
    shapes = Shapes(load.train, dict.fromkeys(load.train, SIZE), steps, 1)
    streams = {name: tokens.batches(SIZE, Random(name)) for name, tokens in load.train.items()}
    widest, free = Widest(load.train, dict.fromkeys(load.train, SIZE)), Counter[Hashable]()
    Counted.kept = Counted.most = 0
    make = RecordedSteps(lambda batches: NOTHING, Counted)
    seen: Counter[Hashable] = Counter()
    padded = in_multiples = own = replays = has_room = free_replays = 0
    for _ in range(steps):
        parts = {name: [stream.take(SIZE)] for name, stream in streams.items()}
        lengths = shapes.of(parts)
        batches = {name: load.train[name].batch(part, lengths[name]) for name, (part,) in parts.items()}
        make({name: [batch] for name, batch in batches.items()})
        room = room_for(sum(batch.tokens for batch in batches.values()))
        has_room += room
        shape = room, *(tuple(each) for each in widest.of(parts).values())
        free_replays += free[shape] > 0
        free[shape] += 1
        alone = []
        for name, (part,) in parts.items():
            for (sequences, longest), length in zip(load.train[name].shape(part), lengths[name], strict=True):
                multiple = rounded(longest, load.train[name].max_length)
                padded, own = padded + sequences * length, own + sequences * longest
                in_multiples += sequences * multiple
                alone.append((sequences, multiple))
        replays += seen[tuple(alone)] > 0
        seen[tuple(alone)] += 1
    return {
        "replays": make.replayed / steps,
        "recordings": Counted.most,
        "tokens": padded / own,
        "padding-free replays": free_replays / steps,
        "padding-free recordings": sum(times > 1 for times in free.values()),
        "padding-free tokens": has_room / own,
        "multiples replays": replays / steps,
        "multiples recordings": sum(times > 1 for times in seen.values()),
        "multiples tokens": in_multiples / own,
    }


if __name__ == "__main__":
    main()
