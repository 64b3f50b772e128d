"""How long a sweep of short runs takes beside the same runs as commands, one after the other.

    python benchmarks/sweep.py --json FILE

Each side is timed from outside, from the start of its first process to the end of its last, and both leave every file that
a run leaves. What they came to is compared too: a sweep gives the scores of its runs alone. The two take turns, so that
what else the machine does falls on both.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from itertools import product
from pathlib import Path
from statistics import median

import measuring

from mtk.engine.device import choose_device
from mtk.study.record import read_run

COMBINERS, HEADS = ("sum", "pcgrad"), ("linear", "cnn")


def main() -> None:
    flags = measuring.parser(__doc__)
    flags.add_argument("--seeds", type=int, default=3, help="of each of four rows (3)")
    flags.add_argument("--limit", type=int, default=64, help="examples of each split (64)")
    flags.add_argument("--steps", type=int, default=8, help="of each run (8)")
    flags.add_argument("--repeats", type=int, default=3, help="(3)")
    arguments = flags.parse_args()
    common = ["--data", arguments.data, "--encoder", arguments.encoder, "--device", arguments.device]
    common += ["--precision", arguments.precision]
    common += ["--limit", str(arguments.limit), "--steps", str(arguments.steps), "--checkpoint-every", "0"]

    times: dict[str, list[float]] = {"commands": [], "sweep": []}
    runs = list(product(COMBINERS, HEADS, range(arguments.seeds)))
    for repeat in range(arguments.repeats):
        with tempfile.TemporaryDirectory() as place:
            began = time.perf_counter()
            for combiner, head, seed in runs:
                out = Path(place, "alone", f"{combiner}-{head}-{seed}")
                single = ["--combiner", combiner, "--head", f"sst={head}", "--seed", str(seed)]
                _mtk("run", *common, *single, "--out", str(out), "--quiet")
            times["commands"].append(time.perf_counter() - began)
            began = time.perf_counter()
            several = ["--combiner", ",".join(COMBINERS), "--head", f"sst={','.join(HEADS)}"]
            several += ["--seed", ",".join(map(str, range(arguments.seeds)))]
            _mtk("sweep", *common, *several, "--out", str(Path(place, "sweep")))
            times["sweep"].append(time.perf_counter() - began)
            alone, together = (_averages(Path(place, folder)) for folder in ("alone", "sweep/cells"))
            assert alone == together, "a sweep gives what its runs give"
        print(f"repeat {repeat + 1} of {arguments.repeats}: {times['sweep'][-1] / times['commands'][-1]:.2f}", flush=True)

    share = median(one / other for one, other in zip(times["sweep"], times["commands"], strict=True))
    rows = [[name, median(of_name), f"{min(of_name):.3g} to {max(of_name):.3g}"] for name, of_name in times.items()]
    printed = measuring.table([f"{len(runs)} runs, seconds", "median", "range"], rows)
    measuring.finish(
        f"{printed}\n\nA sweep takes {share:.2f} of what the commands take. Goal: at most 0.6.",
        {"runs": len(runs), "seconds": times, "share": share},
        choose_device(arguments.device),
        arguments.json,
    )


def _mtk(*arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "mtk_cli", *arguments], check=True, stdout=subprocess.DEVNULL)


def _averages(place: Path) -> list[float]:
    found = [run.best.average for path in place.iterdir() if (run := read_run(path)).best]
    return sorted(found)


if __name__ == "__main__":
    main()
