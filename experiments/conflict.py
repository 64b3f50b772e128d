"""The conflict picture of docs/study.md: how the tasks of one row of a sweep got along, over all its seeds.

    python experiments/conflict.py SWEEP --row surgery --out docs/pictures/conflict.svg --json FILE

Left, the cosine of each pair of tasks' gradients over the encoder in the course of training: a dot for each report of each
seed, and the means of neighbours. Right, the share of steps in which it was negative, and in which the gradient that the
combiner made had a negative cosine with any task's own. The row needs a combiner with a Gramian, or --cosines encoder.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from statistics import fmean
from typing import Any

from matplotlib import pyplot as plt

from mtk.events import Progress
from mtk.study import curves
from mtk.study.advised import RowRuns, rows_of
from mtk.study.entries import read_entries

PARTS = 6
COLOURS = ("#1b6ca8", "#d98e04", "#8c3b3b", "#5b8c5a", "#6d5ba6", "#777777")


def course(runs: Sequence[Sequence[Progress]]) -> dict[str, list[tuple[float, float]]]:
    """Of each pair the mean cosine since the report before, at each report of each run: where in the training, and what."""
    found: dict[str, list[tuple[float, float]]] = {}
    for progress in runs:
        for pair, curve in curves.cosines(progress).items():
            found.setdefault(pair, []).extend((100 * point.step / progress[-1].steps, point.value) for point in curve)
    return {pair: sorted(points) for pair, points in found.items()}


def means(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Those of neighbours, PARTS of them."""
    edges = [round(len(points) * part / PARTS) for part in range(PARTS + 1)]
    groups = [points[start:end] for start, end in pairwise(edges) if end > start]
    return [(fmean(at for at, _ in group), fmean(value for _, value in group)) for group in groups]


def measured(row: RowRuns) -> dict[str, Any]:
    """What the picture shows."""
    conflict = row.conflict
    if conflict is None:
        raise SystemExit(f"Row '{row.name}' measured no conflict. Run it with --cosines encoder.")
    return {
        "row": row.name,
        "seeds": sorted(row.seeds),
        "steps": conflict.steps,
        "cosines": course([told.progress for _, told in row.runs]),
        "in conflict": {**conflict.pairs, "any pair, before": conflict.before, "any task, after": conflict.after},
    }


def draw(found: dict[str, Any], out: Path) -> None:
    figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3), width_ratios=(3, 2))
    for (pair, points), colour in zip(found["cosines"].items(), COLOURS, strict=False):
        left.plot(*zip(*points, strict=True), "o", color=colour, alpha=0.35, markersize=3)
        left.plot(*zip(*means(points), strict=True), color=colour, label=pair.replace("/", ", "))
    left.axhline(0, color="black", linewidth=0.7)
    left.set(xlabel="% of the training", ylabel="cosine of two gradients")
    left.legend(frameon=False)
    shares = {name.replace("/", ", "): 100 * share for name, share in found["in conflict"].items()}
    colours = [*COLOURS[: len(shares) - 2], "#333333", "#b8b8b8"]
    bars = right.barh(list(shares)[::-1], list(shares.values())[::-1], color=colours[::-1])
    right.bar_label(bars, fmt="%.0f", padding=3)
    right.set(xlabel="% of steps in conflict", xlim=(0, 110))
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    figure.savefig(out, metadata={"Date": None})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sweep", type=Path)
    parser.add_argument("--row", required=True)
    parser.add_argument("--out", type=Path, required=True, help="the picture, as SVG")
    parser.add_argument("--json", type=Path, help="the figures")
    arguments = parser.parse_args()
    rows = {row.name: row for row in rows_of(read_entries([arguments.sweep]))}
    if arguments.row not in rows:
        raise SystemExit(f"{arguments.sweep} has no row '{arguments.row}'. It has {', '.join(rows)}.")
    found = measured(rows[arguments.row])
    draw(found, arguments.out)
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
