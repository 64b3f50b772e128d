"""What a checkpoint costs: a step of training, and writing where it is, side by side.

    python benchmarks/checkpoint.py --data DIR --json FILE

MiniLM, three real batches of 16 and AdamW, as a run has them by default. The share is that of a checkpoint every 100 steps.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from statistics import median

import measuring

import mtk
from mtk.training.resume import save_state
from mtk.training.run_directory import Told

BATCH_SIZE, EVERY, STEPS = 16, 100, 5


def main() -> None:
    parser = measuring.parser(__doc__)
    parser.add_argument("--repeats", type=int, default=7, metavar="N", help="turns of either (7)")
    parser.add_argument("--directory", type=Path, metavar="DIR", help="where to write; a temporary directory unless given")
    arguments: argparse.Namespace = parser.parse_args()
    load = measuring.Workload(arguments, mtk.Registry())
    trainer, stream = load.trainer("sum", BATCH_SIZE), load.steps(BATCH_SIZE)
    batches = [next(stream) for _ in range(STEPS)]
    with tempfile.TemporaryDirectory(dir=arguments.directory) as place:
        directory = Path(place, "checkpoint")
        work = {
            "step": lambda: [trainer.optimize(batch) for batch in batches],
            "checkpoint": lambda: save_state(trainer, directory, None, Told(0, ""), {}),
        }
        times = measuring.side_by_side(work, arguments.repeats, load.device)
        size = sum(file.stat().st_size for file in directory.iterdir())
    step, checkpoint = median(times["step"]) / STEPS, median(times["checkpoint"])
    share = checkpoint / (EVERY * step)
    rows = [[f"{1e3 * step:.0f}", f"{1e3 * checkpoint:.0f}", f"{size / 1e6:.0f}", f"{share:.2%}"]]
    printed = measuring.table(["step, ms", "checkpoint, ms", "MB", f"share, every {EVERY} steps"], rows)
    printed += f"\n\n{share:.2%} of the training time (goal: at most 2 %)"
    measuring.finish(printed, {"seconds": times, "bytes": size, "share": share}, load.device, arguments.json)


if __name__ == "__main__":
    main()
