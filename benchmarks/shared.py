"""Tasks on the same texts, each with a gradient of its own: what one pass of the encoder forwards for all would save.

    python benchmarks/shared.py --tasks 2 4 8 --json FILE

`packed` is mtk's step of pcgrad: the shared texts pass the encoder once for each task, all tasks at once, forwards and back.
`shared forward` is what else could be done: one pass forwards, and then one backwards for each task, over the same graph. Of
that only what cannot be left out is timed: no head, no Gramian, and the gradients are not moved to their rows. `sum` is the
step of a combiner that needs one gradient, for which mtk encodes the texts once. A ratio is that of two times of the same
repeat, and its median.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from itertools import islice
from statistics import median
from typing import Any

import measuring
import torch

import mtk
from mtk.data.tokens import Batch
from mtk.engine.device import choose_device
from mtk.engine.gradients import Engine
from mtk.model.multitask import Model

STEPS = 4
Step = Mapping[str, Sequence[Batch]]


def shared(step: Mapping[str, list[Batch]]) -> dict[str, list[Batch]]:
    """The same step with the first task's examples for all."""
    return dict.fromkeys(step, next(iter(step.values())))


def step_of(engine: Engine, steps: Sequence[Step]) -> None:
    for step in steps:
        engine.backward(step)
        engine.release()


def one_forward(model: Model, steps: Sequence[Step]) -> None:
    """One pass forwards, and as many backwards as there are tasks."""
    for step in steps:
        batch = next(iter(step.values()))[0]
        with model.computing():
            states = model.encoder(batch.readings[0].inputs).tokens
        for _ in step:
            states.backward(torch.ones_like(states), retain_graph=True)
        model.zero_grad(set_to_none=True)


def main() -> None:
    flags = measuring.parser(__doc__)
    flags.add_argument("--tasks", nargs="+", type=int, default=[2, 4, 8], metavar="T", help="(2 4 8)")
    flags.add_argument("--batch-size", type=int, default=16, metavar="N", help="examples of a step, for each task (16)")
    flags.add_argument("--repeats", type=int, default=8, metavar="N", help="of each, in turns (8)")
    arguments = flags.parse_args()
    rows: list[list[Any]] = []
    found = []
    for count in arguments.tasks:
        load = measuring.Workload(arguments, mtk.Registry(), ["sst"] * count)
        steps = [shared(step) for step in islice(load.steps(arguments.batch_size), STEPS)]
        engines = {
            name: Engine(load.model(), load.combiner(combiner), packed=load.plain is None)
            for name, combiner in (("packed", "pcgrad"), ("sum", "sum"))
        }
        work = {name: partial(step_of, engine, steps) for name, engine in engines.items()}
        work["shared forward"] = partial(one_forward, load.model(), steps)
        times = measuring.side_by_side(work, arguments.repeats, load.device)
        found.append({"tasks": count, "seconds": times})
        rows += [[count, name, 1e3 * median(times[name]) / STEPS, measuring.ratio(times, name, "packed")] for name in work]
    printed = measuring.table(["tasks", "step", "ms", "ratio"], rows)
    measuring.finish(printed, {"ways": found}, choose_device(arguments.device), arguments.json)


if __name__ == "__main__":
    main()
