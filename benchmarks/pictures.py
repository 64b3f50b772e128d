"""The pictures of docs/performance.md, drawn from what the benchmarks wrote.

python benchmarks/pictures.py
"""

from __future__ import annotations

import json
from pathlib import Path
from statistics import median
from typing import Any

import matplotlib as mpl
from matplotlib import pyplot as plt
from measuring import RESULTS

PICTURES = Path(__file__).parents[1] / "docs" / "pictures"
OURS, THEIRS = "#1b6ca8", "#b8b8b8"


def read(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))
    return found


def of_the_step() -> None:
    """A bar for each contestant's step."""
    measured = read("step-cpu")["measured"][0]
    milliseconds = {name: 1e3 * median(values) for name, values in measured["seconds"].items()}
    names = sorted(milliseconds, key=milliseconds.__getitem__, reverse=True)
    figure, axes = plt.subplots(figsize=(7, 2.8))
    bars = axes.barh(names, [milliseconds[n] for n in names], color=[OURS if "mtk" in n else THEIRS for n in names])
    axes.bar_label(bars, fmt="{:,.0f}", padding=3)
    axes.set_xlabel("ms for one optimizer step on three tasks, two CPU cores")
    save(figure, "step")


def of_the_tasks() -> None:
    """Lines over the number of tasks: a step of PCGrad by one of a plain sum."""
    points = sorted((*read("step-cpu")["measured"], *read("step-tasks-cpu")["measured"]), key=lambda one: one["tasks"])
    figure, axes = plt.subplots(figsize=(7, 3))
    for name, colour in (("mtk pcgrad", OURS), ("TorchJD pcgrad", "#d98e04"), ("Pytorch-PCGrad", "#8c3b3b")):
        by_tasks = [(one["tasks"], one["ratio to mtk sum"][name]) for one in points if name in one["ratio to mtk sum"]]
        axes.plot(*zip(*by_tasks, strict=True), "o-", color=colour, label=name)
    axes.axhline(1, color="black", linewidth=0.7)
    axes.set(xlabel="tasks", ylabel="step, by mtk's sum", xscale="log", yscale="log")
    axes.set_xticks([2, 3, 4, 8], ["2", "3", "4", "8"])
    axes.set_yticks([1, 2, 5, 10], ["1", "2", "5", "10"])
    axes.minorticks_off()
    axes.legend(frameon=False)
    save(figure, "tasks")


def save(figure: Any, name: str) -> None:
    for axes in figure.axes:
        axes.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    PICTURES.mkdir(exist_ok=True)
    figure.savefig(PICTURES / f"{name}.svg", metadata={"Date": None})


def main() -> None:
    mpl.rcParams["svg.hashsalt"] = "mtk"  # the same file from the same numbers
    mpl.rcParams["font.size"] = 9
    of_the_step()
    of_the_tasks()


if __name__ == "__main__":
    main()
