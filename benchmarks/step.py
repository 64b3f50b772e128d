"""What one optimizer step costs: mtk's combiners beside plain PyTorch, TorchJD, LibMTL and Pytorch-PCGrad.

    python benchmarks/step.py --libmtl DIR --pytorch-pcgrad DIR --tasks 2 3 4 8 16 --json FILE

The same real batches, weights, precision and fused AdamW for all, gradients clipped to norm 1. Contestants take turns; a
ratio is the median over the repeats of two times of the same repeat. A step of `round-robin` is one turn of every task.

Peak memory is what a fresh process takes beyond what it holds when model, optimizer and data are there: of the device on
CUDA, of the process on a CPU. The gradients themselves are part of it, and the optimizer's moments too.
That of later steps leaves out what a process does once, such as trying the packed form on its encoder: beside it, a step of
`sum` would seem to take as much as one of `pcgrad`. The two are compared by their later steps.

Before anything is timed, gradients are compared (`agreement.py`); where one is another, nothing is measured.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterable
from itertools import cycle, islice
from pathlib import Path
from statistics import median
from typing import Any

import agreement
import measuring
import rivals
import torch
from torch import Tensor

import mtk
from mtk.data.layout import find_data, read_tasks
from mtk.data.tokens import Batch
from mtk.device import choose_device, choose_precision
from mtk.gradients import Engine
from mtk.model import Model
from mtk.spec import Spec

Step = dict[str, list[Batch]]

SHARED_BYTES = 4  # of a gradient in fp32
FORGET_PEAK = Path("/proc/self/clear_refs")


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


SUM, PCGRAD = "mtk sum", "mtk pcgrad"
OURS: dict[str, str | type[mtk.Combiner]] = {
    SUM: "sum",
    "mtk round-robin": "round-robin",
    PCGRAD: "pcgrad",
    "mtk mgda (custom)": FrankWolfe,
}
THEIRS: dict[str, type[rivals.Rival]] = {
    "plain PyTorch sum": rivals.PlainSum,
    "TorchJD pcgrad": rivals.TorchJD,
    "LibMTL pcgrad": rivals.LibMTL,
    "Pytorch-PCGrad": rivals.PytorchPCGrad,
}
GOALS = {"TorchJD pcgrad": 2.2, "Pytorch-PCGrad": 4.0}


def workload(arguments: argparse.Namespace, tasks: int) -> measuring.Workload:
    """So many tasks: those of the data, and again from the first."""
    registry = mtk.Registry()
    names = list(read_tasks(find_data(arguments.data, registry), bad_rows="skip", limit=1))
    return measuring.Workload(arguments, registry, list(islice(cycle(names), tasks)))


def stepper(name: str, load: measuring.Workload, batch_size: int) -> Callable[[Step], object]:
    """What makes one step, with a model of its own."""
    if name in THEIRS:
        return THEIRS[name](load.model()).optimize
    trainer = load.trainer(OURS[name], batch_size)
    return lambda batches: [trainer.optimize({task: batches[task] for task in turn}) for turn in trainer.turns]


def backward(name: str, load: measuring.Workload) -> agreement.Backward:
    """What fills in a model's gradients."""

    def make(model: Model, batches: rivals.Parts) -> None:
        if name in OURS:
            combiner = load.registry.build("combiner", Spec(str(OURS[name])), list(batches)).to(load.device)
            Engine(model, combiner).backward(batches)
            return
        rival = THEIRS[name](model)
        rival.backward(batches)
        if rival.averages:
            for parameter in model.encoder.parameters():
                assert parameter.grad is not None
                parameter.grad *= len(batches)

    return make


def check(load: measuring.Workload, batch_size: int, names: Iterable[str]) -> dict[str, Any]:
    """How far gradients are from what they should be, relative to it. Ends the program if that is not rounding."""
    count, steps = len(load.data), load.steps(batch_size)
    error = agreement.of_sum(load, backward(SUM, load), next(steps))
    print(f"T={count}: the gradients of mtk's sum are plain PyTorch's but for {error:.1e}")
    found: dict[str, Any] = {"difference from plain gradients": error}
    methods = {name: backward(name, load) for name in names if "pcgrad" in name.lower()}
    errors: dict[str, float] = {}
    if methods and count > 1:
        cosine, errors = agreement.of_pcgrad(
            load, methods, islice(steps, 10), [name for name, rival in THEIRS.items() if rival.projects_heads]
        )
        found["difference from algorithm 1"] = {"cosine": cosine, **errors}
        each = ", ".join(f"{name} {e:.1e}" for name, e in errors.items())
        print(f"T={count}: those of PCGrad, for two tasks with a cosine of {cosine:.3f}, are algorithm 1's but for {each}")
    if wrong := [name for name, e in {SUM: error, **errors}.items() if not e < agreement.ROUNDING]:
        sys.exit(f"That is more than rounding, and nothing is measured: {', '.join(wrong)}")
    return found


def measure(arguments: argparse.Namespace, tasks: int) -> dict[str, Any]:
    load = workload(arguments, tasks)
    steps = list(islice(load.steps(arguments.batch_size), arguments.steps))
    differences = check(load, arguments.batch_size, arguments.only)
    made = {name: stepper(name, load, arguments.batch_size) for name in arguments.only}
    for make in made.values():  # every shape twice, so that what is recorded or compiled is
        for batches in (*steps, *steps):
            make(batches)
    work = {name: (lambda make=make: [make(batches) for batches in steps]) for name, make in made.items()}
    times = measuring.side_by_side(work, arguments.repeats, load.device)
    peaks = {} if arguments.no_memory else {name: peak_bytes(name, tasks, arguments) for name in times}
    found = {
        "tasks": tasks,
        "parameters": sum(p.numel() for p in load.model().encoder.parameters()),
        "tokens": measuring.tokens(steps) / len(steps),
        **differences,
        "seconds": {name: [t / len(steps) for t in values] for name, values in times.items()},
        "ratio to mtk sum": {name: measuring.ratio(times, name, SUM) for name in times if SUM in times},
        "mtk pcgrad is faster": {name: measuring.ratio(times, name, PCGRAD) for name in times if PCGRAD in times},
        "peak bytes": {name: peak["at all"] for name, peak in peaks.items()},
        "peak bytes of later steps": {name: peak["later"] for name, peak in peaks.items()},
    }
    return {**found, "goals": goals(found)}


def peak_bytes(name: str, tasks: int, arguments: argparse.Namespace) -> dict[str, int]:
    """Of a few steps, measured in a process of its own."""
    command = [sys.executable, __file__, "--memory-of", name, "--tasks", str(tasks)]
    for flag in ("data", "encoder", "device", "precision", "batch_size", "libmtl", "pytorch_pcgrad"):
        if (value := getattr(arguments, flag)) is not None:
            command += [f"--{flag.replace('_', '-')}", str(value)]
    printed = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()[-1]
    found: dict[str, int] = json.loads(printed)
    return found


def own_peak_bytes(name: str, arguments: argparse.Namespace) -> dict[str, int]:
    load = workload(arguments, arguments.tasks[0])
    make = stepper(name, load, arguments.batch_size)
    steps = list(islice(load.steps(arguments.batch_size), 4))
    cuda = load.device.type == "cuda"
    before = torch.cuda.memory_allocated() if cuda else _resident("VmRSS")
    peaks = []
    for _ in range(2):  # in the first round an encoder is tried out and moments are made; on CUDA the second is recorded
        if cuda:
            torch.cuda.reset_peak_memory_stats()
        else:
            FORGET_PEAK.write_text("5")
        for batches in steps:
            make(batches)
        peaks.append((torch.cuda.max_memory_allocated() if cuda else _resident("VmHWM")) - before)
    return {"at all": max(peaks), "later": peaks[-1]}


def _resident(field: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(field))


def rows(found: dict[str, Any]) -> list[list[object]]:
    made = []
    for name, seconds in found["seconds"].items():
        memory = [found[kind].get(name) for kind in ("peak bytes", "peak bytes of later steps")]
        made.append(
            [
                found["tasks"],
                name,
                f"{1e3 * median(seconds):.1f}",
                f"{found['ratio to mtk sum'].get(name, float('nan')):.2f}",
                f"{found['mtk pcgrad is faster'].get(name, float('nan')):.2f}",
                *("" if peak is None else f"{peak / 2**20:,.0f}" for peak in memory),
            ]
        )
    return made


def goals(found: dict[str, Any]) -> list[dict[str, Any]]:
    """What was to be reached, and what was."""
    reached: list[dict[str, Any]] = []
    if PCGRAD in found["ratio to mtk sum"]:
        reached.append({"what": "pcgrad by sum", "measured": found["ratio to mtk sum"][PCGRAD], "at most": 1.05})
    for name, goal in GOALS.items():
        if name in found["mtk pcgrad is faster"]:
            faster = found["mtk pcgrad is faster"][name]
            reached.append({"what": f"pcgrad faster than {name}", "measured": faster, "at least": goal})
    later = found["peak bytes of later steps"]
    if {SUM, PCGRAD} <= later.keys():
        more = (later[PCGRAD] - later[SUM]) / (SHARED_BYTES * found["parameters"])
        most = 1.05 * (found["tasks"] + 1)
        reached.append({"what": "memory of pcgrad beyond sum's, in shared gradients", "measured": more, "at most": most})
    return reached


def verdict(tasks: int, what: str, measured: float, **goal: float) -> str:
    ((bound, value),) = goal.items()
    return f"T={tasks}: {what} {measured:.4g} (goal: {bound} {value:.3g})"


def commit(checkout: Path) -> str | None:
    """Which version of it was measured, if git knows."""
    command = ["git", f"--git-dir={checkout / '.git'}", "rev-parse", "--short", "HEAD"]
    try:
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None


def main() -> None:
    parser = measuring.parser(__doc__)
    parser.add_argument("--tasks", type=int, nargs="+", default=[3], metavar="T", help="how many tasks (3)")
    parser.add_argument("--batch-size", type=int, default=8, metavar="N", help="examples of each task (8)")
    parser.add_argument("--repeats", type=int, default=9, metavar="N", help="turns of every contestant (9)")
    parser.add_argument("--steps", type=int, default=4, metavar="N", help="optimizer steps in each turn (4)")
    names = [*OURS, *THEIRS]
    parser.add_argument("--only", nargs="+", choices=names, default=names, metavar="NAME", help=f"of {', '.join(names)}")
    parser.add_argument("--no-memory", action="store_true", help="leave out peak memory")
    parser.add_argument("--libmtl", type=Path, metavar="DIR", help="a checkout of median-research-group/LibMTL")
    parser.add_argument("--pytorch-pcgrad", type=Path, metavar="DIR", help="a checkout of WeiChengTseng/Pytorch-PCGrad")
    parser.add_argument("--memory-of", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    checkouts: dict[type[rivals.Outside], Path | None] = {
        rivals.LibMTL: arguments.libmtl,
        rivals.PytorchPCGrad: arguments.pytorch_pcgrad,
    }
    for rival, checkout in checkouts.items():
        if checkout and not (checkout / rival.file).is_file():
            parser.error(f"{checkout} is no checkout of {rival.repository}: it has no {rival.file}")
        rival.checkout = checkout
    if arguments.memory_of:
        print(json.dumps(own_peak_bytes(arguments.memory_of, arguments)))
        return
    device = choose_device(arguments.device)
    # `auto` decides by a trial: once for all processes
    arguments.precision = "bf16" if choose_precision(arguments.precision, device) else "fp32"
    if device.type != "cuda" and not arguments.no_memory and not os.access(FORGET_PEAK, os.W_OK):
        print("Peak memory is left out: only Linux tells that of a process")
        arguments.no_memory = True
    missing = [
        name
        for name, rival in THEIRS.items()
        if name in arguments.only and issubclass(rival, rivals.Outside) and not rival.checkout
    ]
    for name in missing:
        print(f"{name} is left out: it needs a checkout, see --help")
    arguments.only = [name for name in arguments.only if name not in missing]

    found = [measure(arguments, tasks) for tasks in arguments.tasks]
    columns = ["tasks", "step", "ms", "ratio to mtk sum", "mtk pcgrad is faster by", "peak memory, MiB", "of later steps"]
    printed = measuring.table(columns, [row for one in found for row in rows(one)])
    printed += "\n\n" + "\n".join(verdict(one["tasks"], **goal) for one in found for goal in one["goals"])
    settings = {key: getattr(arguments, key) for key in ("encoder", "precision", "batch_size", "repeats", "steps")}
    settings["checkouts"] = {rival.repository: commit(checkout) for rival, checkout in checkouts.items() if checkout}
    measuring.finish(printed, {"settings": settings, "measured": found}, device, arguments.json)


if __name__ == "__main__":
    main()
