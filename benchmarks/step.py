"""What one optimizer step costs: mtk's combiners beside plain PyTorch, TorchJD, LibMTL and Pytorch-PCGrad.

    python benchmarks/step.py --libmtl DIR --pytorch-pcgrad DIR --tasks 2 3 4 8 16 --json FILE

The same real batches, weights, precision and fused AdamW for all, gradients clipped to norm 1. Contestants take turns; a
ratio is the median over the repeats of two times of the same repeat. A step of `round-robin` is one turn of every task.

Peak memory is what a fresh process takes beyond what it holds when model, optimizer and data are there: of the device on
CUDA, of the process on a CPU. The gradients themselves are part of it, and the optimizer's moments too.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Callable
from itertools import cycle, islice
from pathlib import Path
from statistics import median
from typing import Any

import measuring
import rivals
import torch
from torch import Tensor

import mtk
from mtk.data.tasks_toml import read_layout
from mtk.data.tokens import Batch
from mtk.engine.device import choose_device
from mtk.engine.gradients import Engine
from mtk.host.kinds import Kinds
from mtk.plan import find_data

Step = dict[str, list[Batch]]


SHARED_BYTES = 4  # of a gradient in fp32
LARGE = 32  # examples of a task


class FrankWolfe(mtk.GramianCombiner):
    """What somebody may write in ten lines: the shortest convex combination of the gradients (Sener and Koltun 2018,
    "Multi-Task Learning as Multi-Objective Optimization", algorithm 2), by a fixed number of Frank-Wolfe steps."""

    def weights(self, gramian: Tensor) -> Tensor:
        count = len(gramian)
        weights = gramian.new_full((count,), 1 / count)
        for _ in range(20):
            toward = torch.nn.functional.one_hot((gramian @ weights).argmin(), count).to(gramian.dtype)
            change = toward - weights
            length = (change @ gramian @ change).clamp_min(1e-12)
            weights = weights + (-(weights @ gramian @ change) / length).clamp(0, 1) * change
        return weights * count


SUM, PCGRAD, BY_LAYER = "mtk sum", "mtk pcgrad", "mtk pcgrad by layer"
OURS: dict[str, str | type[mtk.Combiner]] = {
    SUM: "sum",
    "mtk round-robin": "round-robin",
    PCGRAD: "pcgrad",
    BY_LAYER: "pcgrad:scope=layer",
    "mtk mgda (custom)": FrankWolfe,
}
THEIRS: dict[str, type[rivals.Rival]] = {
    "plain PyTorch sum": rivals.PlainSum,
    "TorchJD pcgrad": rivals.TorchJD,
    "LibMTL pcgrad": rivals.LibMTL,
    "Pytorch-PCGrad": rivals.PytorchPCGrad,
}
GOALS = {
    "cpu": {"TorchJD pcgrad": 4.0, "LibMTL pcgrad": 5.0, "Pytorch-PCGrad": 9.0},
    "cuda": {"TorchJD pcgrad": 3.0, "Pytorch-PCGrad": 5.0},
}


def workload(arguments: argparse.Namespace, tasks: int) -> measuring.Workload:
    """So many tasks: those of the data, and again from the first."""
    registry = mtk.Registry()
    names = list(read_layout(find_data(arguments.data, registry), Kinds(registry)))
    return measuring.Workload(arguments, registry, list(islice(cycle(names), tasks)))


def stepper(name: str, load: measuring.Workload, batch_size: int) -> Callable[[Step], object]:
    """What makes one step, with a model of its own."""
    if name in THEIRS:
        return THEIRS[name](load.model()).optimize
    trainer = load.trainer(OURS[name], batch_size)
    return lambda batches: [trainer.optimize({task: batches[task] for task in turn}) for turn in trainer.turns]


def check(load: measuring.Workload, batches: Step) -> float:
    """How far the encoder's gradient of mtk's sum is from plain PyTorch's, relative to it, without dropout."""
    gradients = []
    for packed in (True, False):
        model = load.model().eval()
        model.autocast = None
        combiner = load.combiner("sum")
        if packed:
            Engine(model, combiner, packed=load.plain is None).backward(batches)
        else:
            rivals.PlainSum(model).backward(batches)
        gradients.append(torch.cat([p.grad.flatten() for p in model.encoder.parameters() if p.grad is not None]))
    return float((gradients[0] - gradients[1]).norm() / gradients[1].norm())


def measure(arguments: argparse.Namespace, tasks: int) -> dict[str, Any]:
    load = workload(arguments, tasks)
    stream = load.steps(arguments.batch_size)
    steps = [next(stream) for _ in range(arguments.steps)]
    error = check(load, steps[0])
    assert error < 1e-4, f"mtk's gradient is {error:.1e} away from plain PyTorch's"
    made = {name: stepper(name, load, arguments.batch_size) for name in arguments.only}
    for make in made.values():  # every shape twice, so that what is recorded or compiled is
        for batches in (*steps, *steps):
            make(batches)
    work = {name: (lambda make=make: [make(batches) for batches in steps]) for name, make in made.items()}
    times = measuring.side_by_side(work, arguments.repeats, load.device)
    return {
        "tasks": tasks,
        "parameters": sum(p.numel() for p in load.model().encoder.parameters()),
        "tokens": measuring.tokens(steps) / len(steps),
        "difference from plain gradients": error,
        "seconds": {name: [t / len(steps) for t in values] for name, values in times.items()},
        "ratio to mtk sum": {name: measuring.ratio(times, name, SUM) for name in times if SUM in times},
        "mtk pcgrad is faster": {name: measuring.ratio(times, name, PCGRAD) for name in times if PCGRAD in times},
        "peak bytes": {} if arguments.no_memory else {name: peak_bytes(name, tasks, arguments) for name in times},
    }


def peak_bytes(name: str, tasks: int, arguments: argparse.Namespace) -> int:
    """Of a few steps, measured in a process of its own."""
    command = [sys.executable, __file__, "--memory-of", name, "--tasks", str(tasks)]
    for flag in ("data", "encoder", "device", "precision", "batch_size", "libmtl", "pytorch_pcgrad"):
        if (value := getattr(arguments, flag)) is not None:
            command += [f"--{flag.replace('_', '-')}", str(value)]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[-1])


def own_peak_bytes(name: str, arguments: argparse.Namespace) -> int:
    load = workload(arguments, arguments.tasks[0])
    make = stepper(name, load, arguments.batch_size)
    stream = load.steps(arguments.batch_size)
    return measuring.peak_bytes(lambda: [make(batches) for batches in islice(stream, 4)], load.device)


def rows(found: dict[str, Any]) -> list[list[object]]:
    made = []
    for name, seconds in found["seconds"].items():
        memory = found["peak bytes"].get(name)
        made.append(
            [
                found["tasks"],
                name,
                f"{1e3 * median(seconds):.1f}",
                f"{found['ratio to mtk sum'].get(name, float('nan')):.2f}",
                f"{found['mtk pcgrad is faster'].get(name, float('nan')):.2f}",
                "" if memory is None else f"{memory / 2**20:,.0f}",
            ]
        )
    return made


def verdicts(found: dict[str, Any], device: str, precision: str, batch_size: int) -> list[str]:
    """What was to be reached, and what was."""
    lines = []
    if PCGRAD in found["ratio to mtk sum"]:
        goal = 1.05 if device == "cuda" else 1.02 if batch_size >= LARGE else 1.03 if precision == "fp32" else 1.05
        lines.append(f"T={found['tasks']}: pcgrad / sum {found['ratio to mtk sum'][PCGRAD]:.3f} (goal: at most {goal})")
    if BY_LAYER in found["ratio to mtk sum"]:
        ratio = found["ratio to mtk sum"][BY_LAYER]
        lines.append(f"T={found['tasks']}: pcgrad by layer / sum {ratio:.3f} (goal: at most 1.1)")
    for name, goal in GOALS[device].items():
        if name in found["mtk pcgrad is faster"]:
            times = found["mtk pcgrad is faster"][name]
            lines.append(f"T={found['tasks']}: {times:.2f} times as fast as {name} (goal: at least {goal})")
    if {SUM, PCGRAD} <= found["peak bytes"].keys():
        more = (found["peak bytes"][PCGRAD] - found["peak bytes"][SUM]) / (SHARED_BYTES * found["parameters"])
        goal = 1.05 * (found["tasks"] + 1)
        lines.append(
            f"T={found['tasks']}: pcgrad takes {more:.2f} shared gradients more than sum (goal: at most {goal:.2f})"
        )
    return lines


def main() -> None:
    parser = measuring.parser(__doc__)
    parser.add_argument("--tasks", type=int, nargs="+", default=[3], metavar="T", help="how many tasks (3)")
    parser.add_argument("--batch-size", type=int, default=8, metavar="N", help="examples of each task (8)")
    parser.add_argument("--repeats", type=int, default=9, metavar="N", help="turns of every contestant (9)")
    parser.add_argument("--steps", type=int, default=4, metavar="N", help="optimizer steps in each turn (4)")
    parser.add_argument("--only", nargs="+", metavar="NAME", help=f"of {', '.join([*OURS, *THEIRS])}")
    parser.add_argument("--no-memory", action="store_true", help="leave out peak memory")
    parser.add_argument("--libmtl", type=Path, metavar="DIR", help="a checkout of median-research-group/LibMTL")
    parser.add_argument("--pytorch-pcgrad", type=Path, metavar="DIR", help="a checkout of WeiChengTseng/Pytorch-PCGrad")
    parser.add_argument("--memory-of", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    rivals.LibMTL.checkout, rivals.PytorchPCGrad.checkout = arguments.libmtl, arguments.pytorch_pcgrad
    if arguments.memory_of:
        print(own_peak_bytes(arguments.memory_of, arguments))
        return
    arguments.only = arguments.only or [*OURS, *THEIRS]
    for name, checkout in (("LibMTL pcgrad", arguments.libmtl), ("Pytorch-PCGrad", arguments.pytorch_pcgrad)):
        if name in arguments.only and checkout is None:
            print(f"{name} is left out: it needs a checkout, see --help")
            arguments.only.remove(name)

    found = [measure(arguments, tasks) for tasks in arguments.tasks]
    columns = ["tasks", "step", "ms", "ratio to mtk sum", "mtk pcgrad is faster by", "peak memory, MiB"]
    printed = measuring.table(columns, [row for one in found for row in rows(one)])
    of_run = choose_device(arguments.device).type, arguments.precision, arguments.batch_size
    printed += "\n\n" + "\n".join(line for one in found for line in verdicts(one, *of_run))
    settings = {key: getattr(arguments, key) for key in ("encoder", "precision", "batch_size", "repeats", "steps")}
    measuring.finish(printed, {"settings": settings, "measured": found}, choose_device(arguments.device), arguments.json)


if __name__ == "__main__":
    main()
