"""Whether a run of a day stays as it is: memory, descriptors and pace over a day's worth of steps.

    OMP_NUM_THREADS=1 python benchmarks/day.py --json benchmarks/results/day-cpu.json

MiniLM makes some 300,000 steps in a day. The same number is made here with an encoder of two layers that takes a few
milliseconds for one, with all that a run does beside: evaluations, checkpoints, reports and their lines in a file, a
listener. Ctrl-C ends it early, with what was measured until then. Each report notes the process's resident memory, its open
descriptors, and the processor time of a step, which others on the machine do not disturb as they do the time on the clock.
"""

from __future__ import annotations

import os
import tempfile
import time
from array import array
from pathlib import Path
from random import Random
from statistics import median
from typing import Any

import measuring
import torch

import mtk
from mtk.events import Progress
from mtk.testing import tiny_encoder

STEPS, EVERY, ROWS = 300_000, 5_000, 1_000
PARTS = 10  # of the run, that are compared
NOTED = ("step", "megabytes", "descriptors", "cpu_ms", "clock_ms")
WORDS = ("good", "bad", "fine", "dog", "cat", "bird", "sees", "eats", "finds", "bread", "fish", "gold")

TASKS = """
[mood]
kind = "classification"
labels = ["bad", "fine", "good"]
text = "text"
label = "label"
train = "mood-train.csv"
dev = "mood-dev.csv"

[same]
kind = "binary"
text = ["first", "second"]
label = "label"
train = "same-train.csv"
dev = "same-dev.csv"
"""


class Watch:
    """A listener that notes what the process holds, and what a step takes."""

    def __init__(self) -> None:
        self._seen = array("d")  # which takes 40 bytes a report, and is not what grows
        self._before = (0, time.process_time(), time.perf_counter())

    @mtk.hookimpl
    def mtk_progressed(self, progress: Progress) -> None:
        step, cpu, clock = self._before
        self._before = progress.step, time.process_time(), time.perf_counter()
        made = progress.step - step
        megabytes = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
        descriptors = sum(1 for _ in Path("/proc/self/fd").iterdir())
        times = (1e3 * (self._before[1] - cpu) / made, 1e3 * (self._before[2] - clock) / made)
        self._seen.extend((progress.step, megabytes, descriptors, *times))
        if len(self._seen) % (100 * len(NOTED)) == 0:
            print(" ".join(f"{name} {value:.5g}" for name, value in self.seen[-1].items()), flush=True)

    @property
    def seen(self) -> list[dict[str, float]]:
        """What each report noted."""
        values = self._seen.tolist()
        return [dict(zip(NOTED, values[at : at + len(NOTED)], strict=True)) for at in range(0, len(values), len(NOTED))]


def write_corpus(directory: Path) -> None:
    """Two tasks that can be learned, and not to the end: a tenth of the labels are wrong."""
    rng = Random(0)
    (directory / "tasks.toml").write_text(TASKS)
    for split, rows in (("train", ROWS), ("dev", ROWS // 10)):
        moods, pairs = ["text,label"], ["first,second,label"]
        for _ in range(rows):
            mood = rng.choice(WORDS[:3])
            moods.append(
                f"{' '.join(rng.choices(WORDS[3:], k=rng.randint(2, 8)))} {mood},{rng.choices((mood, 'fine'), (9, 1))[0]}"
            )
            first, other = (" ".join(rng.choices(WORDS, k=4)) for _ in range(2))
            same = rng.random() < 0.5
            pairs.append(f"{first},{first if same else other},{int(same != (rng.random() < 0.1))}")
        (directory / f"mood-{split}.csv").write_text("\n".join(moods))
        (directory / f"same-{split}.csv").write_text("\n".join(pairs))


def parts(seen: list[dict[str, float]], steps: int) -> list[dict[str, float]]:
    """Medians over each part of the run."""
    found = []
    for number in range(PARTS):
        within = [s for s in seen if number * steps / PARTS < s["step"] <= (number + 1) * steps / PARTS]
        found.append({name: median(s[name] for s in within) for name in within[0]})
    return found


def main() -> None:
    parser = measuring.parser(__doc__)
    parser.add_argument("--steps", type=int, default=STEPS, metavar="N", help=f"({STEPS:,})")
    parser.add_argument("--combiner", default="sum", help="(sum)")
    arguments = parser.parse_args()
    watch = Watch()
    with tempfile.TemporaryDirectory() as place:
        corpus, encoder = Path(place, "corpus"), Path(place, "encoder")
        corpus.mkdir()
        write_corpus(corpus)
        result = mtk.run(
            data=str(corpus),
            encoder=str(tiny_encoder(encoder, words=WORDS)),
            heads="linear",
            combiner=arguments.combiner,
            batch_size=4,
            epochs=max(1, arguments.steps // EVERY),
            epoch=min(EVERY, arguments.steps),
            checkpoint_every=str(EVERY // 5),
            device="cpu",
            precision="fp32",
            out=Path(place, "run"),
            listeners=[watch],
        )
        told = len(Path(place, "run", "metrics.jsonl").read_text().splitlines())
    seen = watch.seen
    found = parts(seen, result.steps)
    rows: list[list[Any]] = [[f"{part['step']:,.0f}", *(part[name] for name in NOTED[1:])] for part in found]
    printed = measuring.table(["around step", "MB", "descriptors", "processor, ms a step", "clock, ms a step"], rows)
    second, last = found[1], found[-1]  # in the first one memory is still taken that is then used again
    growth, pace = last["megabytes"] - second["megabytes"], last["cpu_ms"] / second["cpu_ms"]
    printed += (
        f"\n\n{result.steps:,} steps in {result.seconds / 60:.0f} minutes. From the second to the last tenth: "
        f"{growth:+.1f} MB, {last['descriptors'] - second['descriptors']:+.0f} descriptors, the pace × {pace:.3f}"
    )
    measured = {
        "steps": result.steps,
        "seconds": result.seconds,
        "lines": told,
        "parts": found,
        "seen": seen[:: max(1, len(seen) // 300)],
    }
    measuring.finish(printed, measured, torch.device("cpu"), arguments.json)


if __name__ == "__main__":
    main()
