"""What `--recompute` saves and costs: the peak memory of a step, and its time, with it and without.

    python benchmarks/recompute.py --data DIR --batch-sizes 16 64 --json FILE

The combiner is pcgrad. Peak memory is that of a few steps in a fresh process, beyond what it holds when model and data are
there: gradients and the optimizer's moments, which stay, are part of it. Times are those of the same steps, taken in turns.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from functools import partial
from itertools import islice
from statistics import median
from typing import Any

import measuring

import mtk
from mtk.data.tasks_toml import read_layout
from mtk.engine.device import choose_device
from mtk.engine.recomputation import recompute
from mtk.host.kinds import Kinds
from mtk.plan import find_data

STEPS = 2
WAYS = ("kept", "recomputed")


def stepper(load: measuring.Workload, way: str, batch_size: int) -> Any:
    """What makes one step of a run."""
    trainer = load.trainer("pcgrad", batch_size, compile="off")
    if way == "recomputed":
        recompute(trainer.model.encoder.backbone)
    return trainer.optimize


def peak(arguments: argparse.Namespace, way: str, batch_size: int) -> int:
    """That of a process of its own, in bytes."""
    own = [f"--{name}={getattr(arguments, name)}" for name in ("data", "encoder", "device", "precision")]
    command = [sys.executable, __file__, *own, f"--memory-of={way}", f"--batch-sizes={batch_size}"]
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()[-1])


def _made(make: Any, batches: list[Any]) -> None:
    for batch in batches:
        make(batch)


def main() -> None:
    flags = measuring.parser(__doc__)
    flags.add_argument("--batch-sizes", nargs="+", type=int, default=[16, 64], metavar="N", help="of a task (16 64)")
    flags.add_argument("--repeats", type=int, default=8, metavar="N", help="of each, in turns (8)")
    flags.add_argument("--memory-of", choices=WAYS, help=argparse.SUPPRESS)
    arguments = flags.parse_args()
    registry = mtk.Registry()
    load = measuring.Workload(arguments, registry, list(read_layout(find_data(arguments.data, registry), Kinds(registry))))
    if arguments.memory_of:
        (size,) = arguments.batch_sizes
        make, batches = stepper(load, arguments.memory_of, size), list(islice(load.steps(size), STEPS))
        print(measuring.peak_bytes(partial(_made, make, batches), load.device))
        return
    rows, found = [], []
    for size in arguments.batch_sizes:
        batches = list(islice(load.steps(size), STEPS))
        steps = {way: stepper(load, way, size) for way in WAYS}
        work = {way: partial(_made, make, batches) for way, make in steps.items()}
        times = measuring.side_by_side(work, arguments.repeats, load.device)
        memory = {way: peak(arguments, way, size) for way in WAYS}
        found.append({"batch size": size, "seconds": times, "peak bytes": memory})
        rows += [
            [size, way, 1e3 * median(times[way]) / len(batches), measuring.ratio(times, way, "kept"), memory[way] / 2**20]
            for way in WAYS
        ]
    printed = measuring.table(["batch of a task", "activations", "ms a step", "ratio", "peak memory, MiB"], rows)
    measuring.finish(printed, {"ways": found}, choose_device(arguments.device), arguments.json)


if __name__ == "__main__":
    main()
