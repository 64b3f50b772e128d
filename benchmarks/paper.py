"""How long one PCGrad run of the size of the CS224N study takes: BERT-base's shape, 8 examples of each task in a step, and
10 epochs over the 141,498 Quora pairs that the study used, or over all 283,003.

    python benchmarks/paper.py --data DIR --json FILE

Extrapolated from real steps on real batches, cut and moved as in a run, after as many as it takes for every shape to have
come. Beside it the floor: the same steps' matrix products and AdamW at the rates measured here, and nothing else.
"""

from __future__ import annotations

import math
from itertools import islice
from statistics import mean
from typing import Any

import measuring
import roofline
import torch

import mtk

PAIRS = (141_498, 283_003)
BATCH_SIZE, EPOCHS = 8, 10


def main() -> None:
    parser = measuring.parser(__doc__)
    parser.set_defaults(encoder="bert-base-shape")
    parser.add_argument("--steps", type=int, default=500, metavar="N", help="steps that are timed (500)")
    parser.add_argument("--warm-up", type=int, default=300, metavar="N", help="steps before them (300)")
    parser.add_argument("--combiner", nargs="+", default=["sum", "pcgrad"], metavar="NAME", help="(sum pcgrad)")
    arguments = parser.parse_args()
    load = measuring.Workload(arguments, mtk.Registry())
    machine = roofline.Machine.measure(load.device, load.autocast or torch.float32)

    found: list[dict[str, Any]] = []
    for name in arguments.combiner:
        trainer, stream = load.trainer(name, BATCH_SIZE), load.steps(BATCH_SIZE)
        for batches in islice(stream, arguments.warm_up):
            trainer.optimize(batches)

        def train(trainer: Any = trainer, stream: Any = stream) -> None:
            for batches in islice(stream, arguments.steps):
                trainer.optimize(batches)

        seconds = measuring.seconds(train, load.device) / arguments.steps
        floor = mean(roofline.floor(trainer.model, batches, machine) for batches in islice(stream, 50))
        found.append({"combiner": name, "seconds": seconds, "floor_seconds": floor, "steps": arguments.steps})

    rows = []
    for one in found:
        for pairs in PAIRS:
            steps = math.ceil(pairs / BATCH_SIZE) * EPOCHS
            rows.append(
                [
                    one["combiner"],
                    f"{pairs:,}",
                    f"{steps:,}",
                    f"{1e3 * one['seconds']:.2f}",
                    f"{steps * one['seconds'] / 60:,.1f}",
                    f"{steps * one['floor_seconds'] / 60:,.1f}",
                ]
            )
    columns = ["combiner", "pairs", "steps", "ms a step", "minutes", "floor, minutes"]
    printed = measuring.table(columns, rows) + "\n\nGoal on an H200: at most 15 minutes."
    measured = {"machine": vars(machine), "measured": found, "warm_up": arguments.warm_up}
    measuring.finish(printed, measured, load.device, arguments.json)


if __name__ == "__main__":
    main()
