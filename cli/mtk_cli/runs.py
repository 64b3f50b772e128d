"""`mtk runs`: the runs and sweeps in a directory, and how far they are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mtk import DataError
from mtk_cli.json_output import json_option, print_json

if TYPE_CHECKING:
    from mtk.study.record import RunRecord


@dataclass(frozen=True)
class Line:
    """What is said of a run, or of a sweep."""

    path: Path
    state: str
    modified: float  # seconds since 1970
    average: float | None = None  # the best; of a sweep, that of its best run
    epochs: str = ""
    seconds: float | None = None
    what: str = ""  # combiner and heads; of a sweep, its cells by state; or what is wrong


@click.command("runs")
@click.argument("directory", type=click.Path(path_type=Path), default=Path("runs"))
@json_option("Print a JSON list.")
def command(directory: Path, as_json: bool) -> None:
    """List the runs and sweeps in DIRECTORY, `runs` unless given, the newest last."""
    from mtk_cli.output import stdout, table

    found = lines(directory)
    if as_json:
        print_json(found)
        return
    screen = stdout()
    if not found:
        screen.say(f"There are no runs in {directory}.")
        return
    grid = table("run", "state", "average", "epochs", "time", "last written", "what", right=("average", "epochs", "time"))
    for line in found:
        average = "" if line.average is None else f"{line.average:.4f}"
        seconds = "" if line.seconds is None else str(timedelta(seconds=round(line.seconds)))
        when = datetime.fromtimestamp(line.modified).strftime("%Y-%m-%d %H:%M")
        grid.add_row(line.path.name, line.state, average, line.epochs, seconds, when, line.what)
    screen.print(grid)


def lines(directory: Path) -> list[Line]:
    """A line for each run and sweep, the newest last. Raises DataError where the directory cannot be read."""
    if not directory.exists() and directory == Path("runs"):
        return []
    try:
        paths = sorted(directory.iterdir())
    except OSError as error:
        raise DataError(f"{directory} cannot be read: {error.strerror}.") from None
    return sorted(_lines(paths), key=lambda line: line.modified)


def _lines(paths: list[Path]) -> Iterator[Line]:
    from mtk.study.cells import is_sweep
    from mtk.study.record import is_run, read_run

    for path in paths:
        if is_sweep(path):
            yield _of_sweep(path)
        elif is_run(path):
            yield _of_run(read_run(path))


def _of_run(run: RunRecord) -> Line:
    try:
        best, problem = run.best, run.problem
    except DataError as error:
        best, problem = None, str(error)
    state = "damaged" if problem else run.state
    config, result = run.config, run.result
    what, epochs = problem, ""
    if config and not problem:
        heads = dict.fromkeys(config.heads.values() if isinstance(config.heads, dict) else [config.heads])
        what = ", ".join(text.rpartition("/")[2].partition(":")[0] for text in [config.combiner, *heads])
        epochs = f"{result.epochs if result else best.epoch if best else 0}/{config.epochs}"
    return Line(
        run.path, state, run.modified, best.average if best else None, epochs, result.seconds if result else None, what
    )


def _of_sweep(path: Path) -> Line:
    from mtk.study.cells import SWEEP
    from mtk.study.entries import read_sweep

    try:
        entries = read_sweep(path)
    except DataError as error:
        return Line(path, "damaged", (path / SWEEP).stat().st_mtime, what=str(error))
    runs = [entry.run for entry in entries if entry.run]
    states = Counter("failed" if e.failure else e.run.state if e.run else "waiting" for e in entries)
    averages = [best.average for run in runs if run.state == "done" and (best := run.best)]
    counts = ", ".join(f"{count} {state}" for state, count in states.most_common())
    order = ("running", "damaged", "failed", "interrupted", "waiting", "done")
    state = next((state for state in order if states[state]), "done")
    return Line(
        path,
        {"waiting": "interrupted"}.get(state, state),
        max([(path / SWEEP).stat().st_mtime, *(run.modified for run in runs)]),
        max(averages, default=None),
        seconds=sum(result.seconds for run in runs if (result := run.result)) or None,
        what=f"sweep of {len(entries)}: {counts}",
    )
