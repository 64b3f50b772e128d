"""What samplers are worth: the same run with each, at the same number of steps of the same size, over several seeds.

    python benchmarks/samplers.py --data DIR --steps 900 --json FILE

Everything else is `mtk run`'s default, but that rows which cannot be read are left out. The scores are those of the best
evaluation, of three, on the whole development sets; their standard deviation is that over the seeds.
"""

from __future__ import annotations

from statistics import mean, stdev
from typing import Any

import measuring

from mtk.engine.device import choose_device
from mtk.metrics import scores

EPOCHS, BATCH = 3, 48


def main() -> None:
    parser = measuring.parser(__doc__)
    parser.add_argument("--samplers", nargs="+", default=["equal", "annealed"], metavar="NAME", help="(equal annealed)")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1], metavar="N", help="(0 1)")
    parser.add_argument("--steps", type=int, default=900, metavar="N", help="of a run (900)")
    arguments = parser.parse_args()
    found: list[dict[str, Any]] = []
    for seed in arguments.seeds:
        for sampler in arguments.samplers:
            result = measuring.scored(
                arguments,
                sampler=f"{sampler}:batch={BATCH}",
                epochs=EPOCHS,
                epoch=-(-arguments.steps // EPOCHS),
                seed=seed,
            )
            assert result.best
            found_scores = {**scores(result.best.metrics), "average": result.best.average}
            found.append({"sampler": sampler, "seed": seed, "seconds": result.seconds, "scores": found_scores})
            print(f"{sampler}, seed {seed}: {found_scores}", flush=True)
    tasks = list(found[0]["scores"])
    rows = [
        [sampler, *(_spread([run["scores"][task] for run in found if run["sampler"] == sampler]) for task in tasks)]
        for sampler in arguments.samplers
    ]
    printed = measuring.table(["sampler", *tasks], rows)
    settings = {"steps": arguments.steps, "batch": BATCH, "epochs": EPOCHS}
    measuring.finish(printed, {**settings, "runs": found}, choose_device(arguments.device), arguments.json)


def _spread(values: list[float]) -> str:
    return f"{mean(values):.3f}" + (f" ± {stdev(values):.3f}" if len(values) > 1 else "")


if __name__ == "__main__":
    main()
