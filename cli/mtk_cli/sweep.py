"""`mtk sweep`: many runs from a file, or from flags of which any may have several values."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mtk import UsageError, launched
from mtk.errors import INTERRUPTED
from mtk_cli.json_output import json_option, print_json
from mtk_cli.run import SETTINGS, Sectioned
from mtk_cli.settings import Setting, value

if TYPE_CHECKING:
    from mtk.study.cells import Cell
    from mtk.study.grid import Row
    from mtk.study.on_ray import Cluster

FAILED = 1


class Several(click.Option):
    """A flag of `mtk run` that takes several values, with commas between. A comma within NAME:key=value,key=value is none of
    these: what follows it has a `=` and no `:` before that."""

    def __init__(self, setting: Setting) -> None:
        self.section = setting.section
        super().__init__(
            [setting.name or "", *setting.opts],
            multiple=not setting.is_flag,
            is_flag=setting.is_flag,
            callback=None if setting.is_flag else lambda ctx, param, texts: _several(ctx, param, texts),
            metavar=None if setting.is_flag else setting.metavar,
            help=setting.help,
            shell_complete=setting._custom_shell_complete,
        )


def _cluster(ctx: click.Context, param: click.Parameter, on: str | None) -> str | None:
    """A cluster: `ray`, or the address of one as Ray has it."""
    if on is None or re.fullmatch(r"ray(://.+)?", on):
        return on
    raise click.BadParameter(f"'{on}' is no cluster: ray, or ray://HOST:PORT, can be given.", ctx, param)


@click.command("sweep", cls=Sectioned, params=[Several(setting) for setting in SETTINGS])
@click.argument("file", required=False, type=click.Path(path_type=Path), metavar="[FILE.toml|SWEEP]")
@click.option("--preset", "presets", metavar="NAME", help="Settings below all others, in place of those that FILE names.")
@click.option("--out", type=click.Path(path_type=Path), metavar="DIR", help="The sweep's directory; runs/FILE unless given.")
@click.option("--jobs", type=click.IntRange(1, 1024), default=1, metavar="N", help="Run by N processes.")
@click.option(
    "--on", callback=_cluster, metavar="ray[://HOST:PORT]", help="Run by a Ray cluster, each cell as a task of it."
)
@click.option("--cpus", type=click.IntRange(1), metavar="N", help="CPU cores of each cell, on Ray; 1 unless given.")
@click.option("--gpus", type=click.FloatRange(0), metavar="X", help="GPUs of each, or a part of one: 1 where there are any.")
@click.option("--cell", type=click.IntRange(1), metavar="K", help="Run only the Kth, as of a job array.")
@click.option("--search", type=click.IntRange(1), metavar="N", help="Draw N settings by Optuna in place of the grid.")
@click.option("--baseline", metavar="ROW", help="The row that the table compares with; the first unless given.")
@click.option("--list", "only_list", is_flag=True, help="Show the runs with their numbers, and run none.")
@json_option("Print only one JSON object, at the end.")
def command(
    file: Path | None,
    presets: str | None,
    out: Path | None,
    jobs: int,
    on: str | None,
    cpus: int | None,
    gpus: float | None,
    cell: int | None,
    search: int | None,
    baseline: str | None,
    only_list: bool,
    as_json: bool,
    **flags: Any,
) -> None:
    """Run every combination of settings, or the named rows of a file, with every seed, and compare them.

    Each flag of `mtk run` may have several values: --combiner sum,pcgrad --seed 0,1,2. A flag wins over FILE. What is done
    is skipped and what was interrupted goes on: give the same command again, or the sweep's directory. Several processes may
    work on one directory.
    """
    from mtk.study.cells import is_sweep, read_plan
    from mtk.study.grid import Row, axes_of, expand, read_rows

    if launched.processes() > 1:
        raise UsageError("A sweep's runs are of one process each: start it without torchrun, and with --jobs N.")
    if on is None and (cpus is not None or gpus is not None):
        raise UsageError("--cpus and --gpus say what a cell needs of a Ray cluster: give --on ray too.")
    if on and (jobs > 1 or search):
        raise UsageError("--on ray has as many cells at work as the cluster has room for: leave out --jobs and --search.")
    over = axes_of({**given(flags), **({"preset": presets.split(",")} if presets else {})})
    goes_on = file is not None and is_sweep(file)
    if goes_on and (over or search or out):
        raise UsageError(f"{file} is a sweep, which goes on with its own settings. To change some, give its file and --out.")
    if file is None and not over:
        raise UsageError("There is nothing to run: give a file, or flags such as --combiner sum,pcgrad --seed 0,1,2.")
    if file is None and out is None:
        raise UsageError("--out DIR is missing: the sweep's directory, in which the same command goes on.")
    rows = [] if goes_on else read_rows(file) if file else [Row("", {})]
    place = file if goes_on and file else out or Path("runs", file.stem if file else "")
    if search:
        _search(place, rows, over, search, jobs, cell, baseline, as_json)
        return
    cells = read_plan(place).cells if goes_on else expand(rows, over)
    if cell is not None and cell > len(cells):
        raise UsageError(f"--cell {cell}: there are {len(cells)}. --list shows them.")
    if only_list:
        _list(place, cells)
        return
    if on:
        from mtk.study.on_ray import connected

        with connected(on, cpus or 1, gpus) as cluster:
            _sweep(place, cells, cell, jobs, baseline, as_json, cluster)
    else:
        _sweep(place, cells, cell, jobs, baseline, as_json)


def given(flags: Mapping[str, Any]) -> dict[str, Any]:
    """The flags that were given, as a file would say them."""
    return {name: values for name, values in flags.items() if values not in (None, False, (), [], {})}


def pieces(text: str) -> list[str]:
    """What stands between the commas of a flag."""
    found: list[str] = []
    for piece in text.split(","):
        if found and ":" in found[-1] and re.match(r"[A-Za-z_][\w-]*=", piece):
            found[-1] += f",{piece}"
        else:
            found.append(piece)
    return found


def _several(ctx: click.Context, param: click.Parameter, texts: tuple[str, ...]) -> Any:
    from mtk.study.grid import by_task, is_list

    name = param.name or ""
    try:
        if is_list(name):
            several = [[piece for piece in chosen if piece] for chosen in product(*map(pieces, texts))]
            return several if texts else None
        if not by_task(name):
            return [_read(name, piece) for text in texts for piece in pieces(text)]
        found: dict[str, list[Any]] = {}
        for text in texts:
            before, equals, after = text.partition("=")
            task, rest = (before, after) if equals and ":" not in before else ("*", text)
            found.setdefault(task, []).extend(_read(name, piece) for piece in pieces(rest))
        return found
    except click.BadParameter as error:
        raise click.BadParameter(error.message, ctx, param) from None


def _read(name: str, piece: str) -> Any:
    """A value; a range as it stands."""
    if ".." in piece and name not in ("data", "encoder", "from_run"):
        return piece
    return value(name)(piece)


def _list(place: Path, cells: list[Cell]) -> None:
    from mtk.study.sweep import state_of
    from mtk_cli.output import stdout, table

    grid = table("cell", "row", "seed", "state", right=("cell", "seed"))
    for number, each in enumerate(cells, start=1):
        grid.add_row(str(number), each.row, str(each.seed), state_of(place, each))
    stdout().print(grid)


def _sweep(
    place: Path,
    cells: list[Cell],
    cell: int | None,
    jobs: int,
    baseline: str | None,
    as_json: bool,
    cluster: Cluster | None = None,
) -> None:
    from mtk.study.jobs import work_in_processes
    from mtk.study.sweep import open_sweep, precision_on, work
    from mtk_cli.board import Board
    from mtk_cli.output import stdout

    lacking = cluster.lacks(cells) if cluster else []
    if not as_json:
        for line in lacking:
            stdout().say(line)  # before anything waits for it
    cells, notes = open_sweep(place, cells, cluster.precision_on if cluster else precision_on)
    chosen = cells if cell is None else [cells[cell - 1]]
    with Board(stdout(), place, chosen, is_shown=not as_json) as board:
        board.note(notes)
        if cluster:
            complete = cluster.work(place, chosen, board.tell)
        elif jobs > 1 and len(chosen) > 1:
            complete = work_in_processes(place, chosen, board.tell, min(jobs, len(chosen)))
        else:
            complete = work(place, chosen, board.tell)
    _finish(place, board.failed, complete, cells, baseline, as_json)


def _search(
    place: Path,
    rows: list[Row],
    over: dict[str, list[Any]],
    trials: int,
    jobs: int,
    cell: int | None,
    baseline: str | None,
    as_json: bool,
) -> None:
    from mtk.study.search import search
    from mtk_cli.board import Board
    from mtk_cli.output import stdout

    if jobs > 1 or cell is not None:
        raise UsageError("--search draws each trial by what came before it: leave out --jobs and --cell.")
    if len(rows) > 1 or rows[0].name:
        raise UsageError("--search draws from one grid: the file has named rows. Put their settings above them as lists.")
    with Board(stdout(), place, [], is_shown=not as_json) as board:
        complete = search(place, rows[0], over, trials, board.tell)
    _finish(place, board.failed, complete, None, baseline, as_json)


def _finish(place: Path, failed: int, complete: bool, cells: list[Cell] | None, baseline: str | None, as_json: bool) -> None:
    """Show what came of it, and end with the status that says how."""
    from mtk.errors import DataError
    from mtk.study.compare import compare
    from mtk.study.entries import read_sweep
    from mtk_cli import compared
    from mtk_cli.output import stdout

    wanted = None if cells is None else {(cell.row, cell.seed) for cell in cells}
    entries = [entry for entry in read_sweep(place) if wanted is None or (entry.row, entry.seed) in wanted]
    screen = stdout()
    try:
        found = compare(entries, baseline)
    except DataError as error:
        if complete and not failed:
            raise
        if not as_json:
            screen.say(str(error))
    else:
        if as_json:
            print_json({"out": str(place), "complete": complete, **_fields(found)})
        else:
            screen.print()
            compared.show(screen, found, with_settings=False)
            screen.say(f"\nAll of it is in {place}; mtk compare {place} shows this table again.")
    if not complete:
        raise click.exceptions.Exit(INTERRUPTED)
    if failed:
        raise click.exceptions.Exit(FAILED)


def _fields(found: Any) -> dict[str, Any]:
    from dataclasses import asdict

    return asdict(found)
