"""A training set larger than memory: what it costs to prepare, on disk and in memory, and to train on.

    python benchmarks/large.py --json FILE

Synthetic pairs are written in `--files` files, once in each of `--sizes`; processes of their own prepare them (`--tokens`)
and then train on them for `--steps` steps. What the largest of these has in memory at most is what the system says of it
(`ru_maxrss`). What `--goal` pairs would take is told from these and not measured: memory by the straight line through the
first and the last size, disk and time in proportion to the last.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from random import Random
from typing import Any

import measuring
import torch

import mtk
from mtk.testing import tiny_encoder
from mtk.training import build

WORDS = [f"word{number}" for number in range(5000)]
LENGTHS = range(5, 26)  # words of a text
DEV = 200  # rows of the development set
MB = 1e6
TASKS = """\
[pairs]
kind = "binary"
text = ["first", "second"]
label = "same"
train = "train-*.tsv"
dev = "dev.tsv"
"""


def main() -> None:
    flags = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    flags.add_argument("--sizes", nargs="+", type=int, default=[250_000, 2_000_000], metavar="N", help="pairs, ascending")
    flags.add_argument("--files", type=int, default=2, metavar="N", help="that they are in (2)")
    flags.add_argument("--steps", type=int, default=200, metavar="N", help="of training, on 32 pairs each (200)")
    flags.add_argument("--goal", type=int, default=100_000_000, metavar="N", help="pairs that are extrapolated to")
    flags.add_argument("--json", type=Path, metavar="FILE", help="write everything that was measured there")
    flags.add_argument("--child", nargs=2, metavar=("WHAT", "FOLDER"), help=argparse.SUPPRESS)
    arguments = flags.parse_args()
    if arguments.child:
        what, folder = arguments.child
        print(json.dumps(_child(what, folder, arguments.steps)))
        return
    found = [measured(pairs, arguments.files, arguments.steps) for pairs in arguments.sizes]
    expected = extrapolated(found[0], found[-1], arguments.goal)
    columns = ["pairs", "text, bytes a row", "tokens, bytes a row", "prepared, rows/s", "MB", "trained, rows/s", "MB "]
    rows = [_row(one) for one in found]
    printed = measuring.table(columns, rows)
    printed += (
        f"\n\nNot measured, but extrapolated to {arguments.goal:,} pairs: prepared in {expected['hours']:.1f} hours, "
        f"{expected['gigabytes']:.1f} GB on disk, at most {expected['prepare megabytes']:.0f} MB in a process that prepares "
        f"and {expected['train megabytes']:.0f} MB in one that trains."
    )
    measuring.finish(printed, {"measured": found, "extrapolated": expected}, torch.device("cpu"), arguments.json)


def measured(pairs: int, files: int, steps: int) -> dict[str, float]:
    """What so many pairs cost."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        written = write(place, pairs, files)
        tiny_encoder(place / "encoder", words=WORDS)
        prepared, trained = (_in_a_process(what, place, steps) for what in ("prepare", "train"))
        tokens = sum(path.stat().st_size for path in (place / "tokens").rglob("*.safetensors"))
    found = {
        "pairs": pairs,
        "files": files,
        "text bytes a row": written / pairs,
        "token bytes a row": tokens / pairs,
        "prepared a second": pairs / prepared["seconds"],
        "prepare megabytes": prepared["megabytes"],
        "trained a second": trained["rows"] / trained["seconds"],
        "train megabytes": trained["megabytes"],
    }
    print(found, flush=True)
    return found


def write(place: Path, pairs: int, files: int) -> int:
    """Write the corpus, line by line, and give the bytes of its training files."""
    (place / "tasks.toml").write_text(TASKS)
    rng, names = Random(0), [f"train-{number}.tsv" for number in range(files)]
    for name, rows in [("dev.tsv", DEV), *((name, pairs // files) for name in names)]:
        with (place / name).open("w") as file:
            file.write("first\tsecond\tsame\n")
            for _ in range(rows):
                first = rng.choices(WORDS, k=rng.choice(LENGTHS))
                same = rng.random() < 0.5
                second = rng.sample(first, len(first)) if same else rng.choices(WORDS, k=rng.choice(LENGTHS))
                file.write(f"{' '.join(first)}\t{' '.join(second)}\t{int(same)}\n")
    return sum((place / name).stat().st_size for name in names)


def extrapolated(small: dict[str, float], large: dict[str, float], goal: int) -> dict[str, float]:
    """What the goal would take."""
    found = {
        "pairs": float(goal),
        "hours": goal / large["prepared a second"] / 3600,
        "gigabytes": goal * large["token bytes a row"] / 1e9,
    }
    for what in ("prepare megabytes", "train megabytes"):
        slope = (large[what] - small[what]) / max(1, large["pairs"] - small["pairs"])
        found[what] = large[what] + max(0.0, slope) * (goal - large["pairs"])
    return found


def _in_a_process(what: str, place: Path, steps: int) -> dict[str, float]:
    command = [sys.executable, __file__, "--child", what, str(place), "--steps", str(steps)]
    told = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    found: dict[str, float] = json.loads(told.stdout.splitlines()[-1])
    return found


def _child(what: str, folder: str, steps: int) -> dict[str, Any]:
    """Prepare by a run of one step, or train by one of so many: the time without that of a process that begins."""
    place, seconds = Path(folder), 0.0
    prepared = build.prepared  # type: ignore[attr-defined]

    def timed(*how: Any) -> Any:
        nonlocal seconds
        began = time.perf_counter()
        found = prepared(*how)
        seconds = time.perf_counter() - began
        return found

    build.prepared = timed  # type: ignore[assignment,attr-defined]
    settings: dict[str, Any] = {"data": folder, "encoder": str(place / "encoder"), "tokens": str(place / "tokens")}
    settings |= {"device": "cpu", "precision": "fp32", "batch_size": 32, "heads": "linear"}
    result = mtk.run(**settings, steps=1 if what == "prepare" else steps, out=place / what)
    most = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)) * 1024 / MB
    if what == "train":
        return {"rows": 32 * steps, "seconds": 32 * steps / result.examples_per_second, "megabytes": most}
    return {"seconds": seconds, "megabytes": most}


def _row(one: dict[str, float]) -> list[Any]:
    names = ["text bytes a row", "token bytes a row", "prepared a second", "prepare megabytes", "trained a second"]
    return [f"{one['pairs']:,}", *(round(one[name]) for name in [*names, "train megabytes"])]


if __name__ == "__main__":
    main()
