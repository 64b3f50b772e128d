"""Set a part of the training sets of a corpus in the CS224N layout aside as its development sets, to choose settings on.

    python experiments/hold_out.py DIR OUT

OUT has the same files: every sixth training row (by a draw with a fixed seed) is a development row there. The development
sets of DIR are not read, and so stay unseen until the choice is made.
"""

from __future__ import annotations

import argparse
import random
from pathlib import Path

SHARE, SEED = 1 / 6, 2026


def hold_out(data: Path, out: Path) -> None:
    out.mkdir(parents=True)
    for file in sorted(data.glob("*-train.csv")):
        header, *rows = file.read_text(encoding="utf-8").splitlines(keepends=True)
        aside = set(random.Random(SEED).sample(range(len(rows)), round(SHARE * len(rows))))
        (out / file.name).write_text(header + "".join(row for n, row in enumerate(rows) if n not in aside), encoding="utf-8")
        dev = header + "".join(rows[n] for n in sorted(aside))
        (out / file.name.replace("-train", "-dev")).write_text(dev, encoding="utf-8")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    chosen = parser.parse_args()
    hold_out(chosen.data, chosen.out)
