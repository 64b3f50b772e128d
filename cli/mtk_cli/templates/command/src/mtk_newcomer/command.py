import json
from pathlib import Path

import click
import mtk


@click.command()
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path))
def command(runs: tuple[Path, ...]) -> None:
    """Print the best average of each run, the highest first.

    RUNS are directories that `mtk run` wrote.
    """
    averages = {run: best_average(run) for run in runs}
    for run in sorted(averages, key=averages.__getitem__, reverse=True):
        click.echo(f"{averages[run]:.4f}  {run}")


def best_average(run: Path) -> float:
    """Raises UsageError, which becomes a message, for a directory that holds no finished run."""
    try:
        summary = json.loads((run / "summary.json").read_text(encoding="utf-8"))
        average: float = summary["best"]["average"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise mtk.UsageError(f"{run}: no run of mtk has ended here.") from error
    return average
