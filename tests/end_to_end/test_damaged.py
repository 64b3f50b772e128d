"""A damaged run is refused in a message, or gives the results that it gave: never others, no traceback, no hang. A seeded
sample of `benchmarks/damage.py`, which has a thousand."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SAMPLE = """
import sys
from pathlib import Path
import damage, torch
torch.set_num_threads(1)
place, first, count, *flags = sys.argv[1:]
finished = damage.Finished.make(Path(place), tuple(flags))
for seed in range(int(first), int(first) + int(count)):
    case = damage.tried(finished, seed)
    assert not case["wrong"], case
print("tried", count)
"""


def test_a_damaged_run_is_refused_or_the_same(tiny_corpus: Path, tiny_encoder: Path, tmp_path: Path) -> None:
    """In a process of its own, which has computed nothing before it forks."""
    flags = ("--data", str(tiny_corpus), "--encoder", str(tiny_encoder), "--head", "linear", "--batch-size", "16")
    flags = (*flags, "--epochs", "1", "--combiner", "pcgrad", "--device", "cpu", "--precision", "fp32")
    done = subprocess.run(
        [sys.executable, "-c", SAMPLE, str(tmp_path / "sample"), "5000", "16", *flags],
        cwd=Path(__file__).parents[2] / "benchmarks",
        capture_output=True,
        text=True,
        check=False,
    )
    assert "tried 16" in done.stdout, done.stderr[-3000:]
