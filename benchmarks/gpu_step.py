"""What a recorded step is on a GPU: its kernels, the time of the device in them and of the host around them.

    python benchmarks/gpu_step.py --data DIR --encoder bert-base-shape --json FILE

Real batches in the shapes of a run, each recorded before it is timed. `replay` is the graph by itself, over and over; `step`
what a run makes of it, with batches copied into it and losses out of it; `batches` what the host does before each. Where a
step takes longer than its kernels together, they are too many or too small, and the device waits between them.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from itertools import islice
from typing import Any

import measuring
import torch
from torch.profiler import ProfilerActivity, profile

import mtk
from mtk.training.trainer import Trainer

PROFILED, REPLAYS = 10, 100


def milliseconds(work: Callable[[], object], times: int, device: torch.device) -> float:
    return 1e3 * measuring.seconds(lambda: [work() for _ in range(times)], device) / times


def kernels(trainer: Trainer, steps: list[Any], device: torch.device) -> list[dict[str, Any]]:
    """Those of a step, the longest first: name, how often, and microseconds."""
    with profile(activities=[ProfilerActivity.CUDA], acc_events=True) as found:
        for batches in steps:
            trainer.optimize(batches)
        measuring.wait(device)
    events = sorted(found.key_averages(), key=lambda event: -event.self_device_time_total)
    return [
        {"kernel": e.key, "times": e.count / len(steps), "microseconds": e.self_device_time_total / len(steps)}
        for e in events
    ]


def measure(load: measuring.Workload, combiner: str, batch_size: int, count: int) -> dict[str, Any]:
    trainer, stream = load.trainer(combiner, batch_size), load.steps(batch_size)
    steps = list(islice(stream, count))
    for _ in range(3):  # as it is, recorded, replayed
        for batches in steps:
            trainer.optimize(batches)
    recorded = trainer._recorded_step
    assert recorded
    last = next(reversed(recorded._recordings.values()))[0]
    measuring.wait(load.device)
    began = time.perf_counter()
    for batches in steps:
        trainer.optimize(batches)
    host = 1e3 * (time.perf_counter() - began) / count
    again = iter(steps * 3)
    return {
        "combiner": combiner,
        "batches": milliseconds(lambda: next(stream), count, load.device),
        "host": host,
        "step": milliseconds(lambda: trainer.optimize(next(again)), 2 * count, load.device),
        "replay": milliseconds(last.replay, REPLAYS, load.device),
        "kernels": kernels(trainer, steps[:PROFILED], load.device),
    }


def main() -> None:
    parser = measuring.parser(__doc__)
    parser.add_argument("--combiner", nargs="+", default=["sum", "pcgrad"], metavar="NAME", help="(sum pcgrad)")
    parser.add_argument("--batch-size", type=int, default=8, metavar="N", help="of each task (8)")
    parser.add_argument("--steps", type=int, default=30, metavar="N", help="different ones (30)")
    parser.add_argument("--top", type=int, default=12, metavar="N", help="kernels that are shown (12)")
    arguments = parser.parse_args()
    load = measuring.Workload(arguments, mtk.Registry())
    if load.device.type != "cuda":
        sys.exit("Steps are recorded on CUDA alone; benchmarks/utilisation.py says where the time of a CPU goes.")
    found = [measure(load, combiner, arguments.batch_size, arguments.steps) for combiner in arguments.combiner]
    shown = []
    for one in found:
        lines = [[k["kernel"][:80], f"{k['times']:.0f}", f"{k['microseconds']:.0f}"] for k in one["kernels"]]
        head = [f"{one['combiner']}: kernel", "times a step", "µs a step"]
        shown.append(measuring.table(head, lines[: arguments.top]))
    columns = ["combiner", "kernels", "their time, ms", "replay, ms", "step, ms", "host, ms", "batches, ms"]
    rows = [
        [
            one["combiner"],
            f"{sum(k['times'] for k in one['kernels']):,.0f}",
            f"{sum(k['microseconds'] for k in one['kernels']) / 1e3:.2f}",
            *(f"{one[name]:.2f}" for name in ("replay", "step", "host", "batches")),
        ]
        for one in found
    ]
    printed = "\n\n".join([measuring.table(columns, rows), *shown])
    measuring.finish(
        printed,
        {"encoder": arguments.encoder, "batch_size": arguments.batch_size, "measured": found},
        load.device,
        arguments.json,
    )


if __name__ == "__main__":
    main()
