"""The share of the machine's matrix rate that a training step reaches, and where the rest of its time goes.

    python benchmarks/utilisation.py --batch-size 8 32 --json FILE
    python benchmarks/utilisation.py --encoder bert-base-shape --device cuda

Operations are those of real tokens: padding counts for nothing. The rate of matrix products is measured in the same process
and precision, before and after, and the better one taken. Where the time goes is told by torch.profiler over other steps of
the same kind, on the device that computes.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from statistics import median
from typing import Any
from unittest.mock import patch

import measuring
import roofline
import torch
from torch.profiler import ProfilerActivity, profile, record_function

import mtk
from mtk.data.tokens import Batch
from mtk.engine import attention, dropout

GOALS = {"cpu": "65 % at batch size 32, and 60 % (fp32) and 50 % (bf16) at 8", "cuda": "35 % with bert-base-shape"}

# Of a kernel's or an operator's name, lower case: the first that fits.
PARTS = {
    "optimizer": ("adam",),
    "activation": ("gelu",),
    "attention": ("bmm", "fmha", "flash", "attention", "softmax"),
    "matrix products": ("aten::mm", "addmm", "aten::linear", "gemm", "cutlass", "nvjet", "sm90_xmma", "sm80_xmma", "conv"),
    "random numbers and dropout": ("random", "bernoulli", "dropout", "aten::ge"),
    "normalisation": ("layer_norm", "layernorm"),
    "looking up and unfolding": ("embedding", "index", "gather", "scatter", "sort"),
    "copies and casts": ("copy", "cat", "fill", "zero", "memcpy", "memset", "empty"),
    "Gramian and combination": ("aten::dot", "addcmul"),
    "elementwise": ("mul", "add", "sub", "div", "where", "sum", "reduce", "elementwise", "norm", "sqrt", "exp", "clamp"),
}


def part_of(name: str) -> str:
    name = name.lower()
    return next((part for part, signs in PARTS.items() if any(sign in name for sign in signs)), "everything else")


def profiled(work: Any, device: torch.device) -> dict[str, float]:
    """The share of each part in the time of the device, or on a CPU, of the process."""
    on_cuda = device.type == "cuda"
    activity = ProfilerActivity.CUDA if on_cuda else ProfilerActivity.CPU
    drawn = record_function("random numbers")(dropout.factors)  # by no operation of torch's
    with (
        patch.object(dropout, "factors", drawn),
        patch.object(attention, "factors", drawn),
        profile(activities=[activity]) as found,
    ):
        work()
        measuring.wait(device)
    spent: dict[str, float] = {}
    for event in found.key_averages():
        time = event.self_device_time_total if on_cuda else event.self_cpu_time_total
        spent[part_of(event.key)] = spent.get(part_of(event.key), 0.0) + time
    whole = sum(spent.values())
    return {part: time / whole for part, time in sorted(spent.items(), key=lambda item: -item[1])}


def main() -> None:
    parser = measuring.parser(__doc__)
    parser.add_argument("--batch-size", type=int, nargs="+", default=[8, 32], metavar="N", help="of each task (8 32)")
    parser.add_argument("--combiner", nargs="+", default=["sum", "pcgrad"], metavar="NAME", help="(sum pcgrad)")
    parser.add_argument("--steps", type=int, default=6, metavar="N", help="steps in each timing (6)")
    parser.add_argument("--repeats", type=int, default=7, metavar="N", help="timings (7)")
    arguments = parser.parse_args()
    load = measuring.Workload(arguments, mtk.Registry())
    dtype = load.autocast or torch.float32

    found: list[dict[str, Any]] = []
    for batch_size in arguments.batch_size:
        before = roofline.Machine.measure(load.device, dtype)
        stream = load.steps(batch_size)
        steps: list[Mapping[str, list[Batch]]] = [next(stream) for _ in range(arguments.steps)]
        trainers = {name: load.trainer(name, batch_size) for name in arguments.combiner}
        work = {name: partial(measuring.make, trainer, steps) for name, trainer in trainers.items()}
        for warm_up in (*work.values(), *work.values()):  # every shape twice, after which it is recorded on CUDA
            warm_up()
        times = measuring.side_by_side(work, arguments.repeats, load.device)
        after = roofline.Machine.measure(load.device, dtype)
        machine = roofline.Machine(max(before.flops, after.flops), max(before.bandwidth, after.bandwidth))
        operations = sum(roofline.flops(trainers[arguments.combiner[0]].model, b) for b in steps)
        readings = [reading for b in steps for parts in b.values() for part in parts for reading in part.readings]
        cells = sum(reading.inputs["input_ids"].numel() for reading in readings)
        for name, trainer in trainers.items():
            seconds = median(times[name])
            found.append(
                {
                    "combiner": name,
                    "batch_size": batch_size,
                    "seconds": [t / len(steps) for t in times[name]],
                    "floor_seconds": sum(roofline.floor(trainer.model, b, machine) for b in steps) / len(steps),
                    "flops": operations / len(steps),
                    "flops_per_second": operations / seconds,
                    "peak_flops_per_second": machine.flops,
                    "bytes_per_second": machine.bandwidth,
                    "share_of_peak": operations / seconds / machine.flops,
                    "padding": 1 - measuring.tokens(steps) / cells,
                    "where": profiled(work[name], load.device),
                }
            )

    columns = ["combiner", "batch size", "ms a step", "floor, ms", "GFLOP/s", "peak GFLOP/s", "share of peak", "padding"]
    rows = [
        [
            one["combiner"],
            f"{one['batch_size']} x {len(load.data)}",
            f"{1e3 * median(one['seconds']):.1f}",
            f"{1e3 * one['floor_seconds']:.1f}",
            f"{one['flops_per_second'] / 1e9:,.0f}",
            f"{one['peak_flops_per_second'] / 1e9:,.0f}",
            f"{100 * one['share_of_peak']:.0f} %",
            f"{100 * one['padding']:.1f} %",
        ]
        for one in found
    ]
    names = dict.fromkeys(part for one in found for part in one["where"])
    shares = [[name, *(f"{100 * one['where'].get(name, 0):.1f} %" for one in found)] for name in names]
    where = ["where the time goes", *(f"{one['combiner']}, {one['batch_size']}" for one in found)]
    goal = f"Goal: {GOALS[load.device.type]}. In {str(dtype).removeprefix('torch.')}."
    printed = f"{measuring.table(columns, rows)}\n\n{goal}\n\n{measuring.table(where, shares)}"
    measuring.finish(printed, {"precision": str(dtype), "measured": found}, load.device, arguments.json)


if __name__ == "__main__":
    main()
