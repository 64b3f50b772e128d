"""What a training step costs under every installed combiner, relative to `sum` on the same batches.

    python benchmarks/methods.py --json methods.json --write docs/methods.md

Real batches of the sample corpus, 8 examples of each of its 3 tasks, through the real encoder and heads: forward and
backward passes, the combiner, the optimizer. A step of `round-robin` is its turns together, so that all see the same
examples. Every combiner is timed right beside `sum`, in turn before it and after it, and all of them in every repeat: what
else the machine does befalls both. The number is the median over the repeats of the two times' ratio.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from random import Random
from statistics import median
from typing import Any

import measuring

import mtk
from mtk.data.tokens import Batch

BATCH_SIZE = 8

ROW = r"^(\| `{name}` \|.*\|)[^|]*\|$"
WHERE = re.compile(r"(?<=<!-- measured -->\n).*(?=<!-- end -->)", re.DOTALL)


Steps = Sequence[dict[str, list[Batch]]]


def stepper(load: measuring.Workload, name: str) -> tuple[Callable[[dict[str, list[Batch]]], None], bool]:
    """What makes a step under this combiner: each of its turns; and whether it takes batches in halves."""
    trainer = load.trainer(name + measuring.NEEDED.get(name, ""), BATCH_SIZE, learning_rate=1e-5, head_learning_rate=1e-5)

    def make(batches: dict[str, list[Batch]]) -> None:
        for turn in trainer.turns:
            trainer.optimize({task: batches[task] for task in turn})

    return make, trainer.engine.in_halves


def measure(load: measuring.Workload, names: list[str], repeats: int, steps: int) -> dict[str, list[float]]:
    """The time under each combiner by that under `sum`, in every repeat."""
    ratios: dict[str, list[float]] = {name: [] for name in names}
    whole, cut = load.steps(BATCH_SIZE), load.steps(BATCH_SIZE, parts=2)  # of the same examples
    rng, order = Random(0), list(names)
    reference, _ = stepper(load, "sum")
    for _ in range(3):  # what a process does once
        reference(next(whole))
        next(cut)
    for repeat in range(repeats):
        rng.shuffle(order)
        for name in order:
            make, in_halves = stepper(load, name)
            both: tuple[Steps, Steps] = [next(whole) for _ in range(steps)], [next(cut) for _ in range(steps)]
            contestants = {name: (make, both[in_halves]), "reference": (reference, both[0])}
            times = {}
            for who in contestants if repeat % 2 else reversed(contestants):
                make, batches = contestants[who]
                for batch in batches:  # every shape once beforehand
                    make(batch)
                times[who] = measuring.seconds(partial(_all, make, batches), load.device)
            ratios[name].append(times[name] / times["reference"])
        print(f"repeat {repeat + 1} of {repeats}", flush=True)
    return ratios


def _all(make: Callable[[Any], object], batches: Sequence[Any]) -> None:
    for batch in batches:
        make(batch)


def write(path: Path, costs: Mapping[str, float], where: Mapping[str, Any]) -> None:
    """Fill in the last column of the table in `path`, and what stands between the marks below it."""
    text = path.read_text(encoding="utf-8")
    for name, cost in costs.items():
        text, count = re.subn(ROW.format(name=re.escape(name)), rf"\1 {cost:.2f} |", text, count=1, flags=re.MULTILINE)
        if count != 1:
            print(f"{path} has no row for {name}")
    text = WHERE.sub(
        f"Medians of {where['repeats']} repeats of {where['steps']} steps each, {where['precision']}; "
        f"{measuring.described(where)}\n",
        text,
    )
    path.write_text(text, encoding="utf-8")


def main() -> None:
    parser = measuring.parser(__doc__)
    parser.add_argument("--repeats", type=int, default=20, metavar="N", help="comparisons with sum (20)")
    parser.add_argument("--steps", type=int, default=5, metavar="N", help="optimizer steps in each of them (5)")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="these combiners (all)")
    parser.add_argument("--write", type=Path, metavar="FILE", help="fill in the last column of the table there")
    arguments = parser.parse_args()

    registry = mtk.Registry()
    load = measuring.Workload(arguments, registry)
    installed = [c.name for c in registry.components if c.kind == "combiner"]
    ratios = measure(
        load, ["sum", *(n for n in arguments.only or installed if n != "sum")], arguments.repeats, arguments.steps
    )
    costs = {name: median(values) for name, values in ratios.items()}
    rows = []
    for name in sorted(costs, key=costs.__getitem__):
        values = sorted(ratios[name])
        spread = f"{values[len(values) // 4]:.2f} to {values[-1 - len(values) // 4]:.2f}"
        rows.append([f"`{name}`", f"{costs[name]:.2f}", spread])
    printed = measuring.table(["combiner", "step, by that of sum", "half of them within"], rows)
    measured = {
        "precision": "bf16" if load.autocast else "fp32",
        "repeats": arguments.repeats,
        "steps": arguments.steps,
        "ratios": ratios,
    }
    measuring.finish(printed, measured, load.device, arguments.json)
    if arguments.write:
        write(arguments.write, costs, {**measuring.circumstances(load.device), **measured})


if __name__ == "__main__":
    main()
