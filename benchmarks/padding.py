"""What a step costs without padding, beside the same step with it.

    python benchmarks/padding.py --data DIR --batch-size 8 32 --json FILE
    python benchmarks/padding.py --data DIR --device cuda --precision bf16 --json FILE

Batches as a run draws them, of like length, once with a pair read as one sequence and once as two, whose lengths are less
alike. Both forms see the same batches, by turns.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import islice
from statistics import median
from typing import Any

import measuring

import mtk

READ = {"one sequence": "concat-mlp", "two": "cosine"}


def measure(load: measuring.Workload, read: str, batch_size: int, combiner: str, count: int, repeats: int) -> dict[str, Any]:
    work: dict[str, Callable[[], object]] = {}
    for form in ("on", "off"):
        trainer = load.trainer(combiner, batch_size, padding_free=form)
        steps = list(islice(load.steps(batch_size, padding_free=form), count))
        work[form] = partial(measuring.make, trainer, steps)
    for _ in range(2 if load.device.type == "cuda" else 0):  # recorded, and replayed
        for each in work.values():
            each()
    times = measuring.side_by_side(work, repeats, load.device)
    cells = sum(r.inputs["input_ids"].numel() for step in steps for (part,) in step.values() for r in part.readings)
    return {
        "pairs read as": read,
        "batch_size": batch_size,
        "combiner": combiner,
        "padding": 1 - measuring.tokens(steps) / cells,
        "milliseconds": {form: 1e3 * median(own) / count for form, own in times.items()},
        "free by padded": measuring.ratio(times, "on", "off"),
        "seconds": times,
    }


def main() -> None:
    parser = measuring.parser(__doc__)
    parser.add_argument("--batch-size", type=int, nargs="+", default=[8, 32], metavar="N", help="of each task (8 32)")
    parser.add_argument("--combiner", nargs="+", default=["sum", "pcgrad"], metavar="NAME", help="(sum pcgrad)")
    parser.add_argument("--steps", type=int, default=4, metavar="N", help="different ones (4)")
    parser.add_argument("--repeats", type=int, default=5, metavar="N", help="(5)")
    arguments = parser.parse_args()
    found = []
    for read, head in READ.items():
        load = measuring.Workload(arguments, mtk.Registry(), head_of_a_pair=head)
        for size in arguments.batch_size:
            for combiner in arguments.combiner:
                found.append(measure(load, read, size, combiner, arguments.steps, arguments.repeats))
                print({name: value for name, value in found[-1].items() if name != "seconds"}, flush=True)
    rows = [
        [
            *(one["pairs read as"], one["batch_size"], one["combiner"], f"{one['padding']:.1%}"),
            *(one["milliseconds"][form] for form in ("off", "on")),
            f"{one['free by padded']:.2f}",
        ]
        for one in found
    ]
    columns = ["pairs read as", "batch size", "combiner", "padding", "padded, ms", "padding-free, ms", "ratio"]
    measuring.finish(measuring.table(columns, rows), {"measured": found}, load.device, arguments.json)


if __name__ == "__main__":
    main()
