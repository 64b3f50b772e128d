"""From a file and flags to the cells of a sweep: any setting of a run may have several values.

    preset = "study"
    seed = [0, 1, 2]
    combiner = ["sum", "pcgrad"]            # two rows
    stages = [[], ["mlm:epochs=1"]]         # of a setting that is a list, a list of them
    learning_rate = "1e-5..1e-3"            # a range, for `mtk sweep --search`

    [heads]
    sst = ["linear", "cnn"]                 # of a setting by task, for each task

    [[row]]                                 # rows that have a name, in place of a grid, or each with a grid of its own
    name = "surgery"
    combiner = "pcgrad"

What is said later wins: a preset, the file, the row, the flags.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any, get_args, get_origin

import msgspec

from mtk.config import PRESETS, RunConfig, check, layered
from mtk.errors import DataError, UsageError, nearest
from mtk.files import is_directory, read_file
from mtk.study.cells import Cell
from mtk.study.entries import as_text

LARGEST = 1 << 20  # bytes of a file
LONGEST_NAME = 80  # of a cell's directory, without its seed
MOST = 10_000  # cells

Fields = dict[str, Any]
_TYPES = {field.name: field.type for field in msgspec.structs.fields(RunConfig)}


@dataclass(frozen=True)
class Range:
    """Values between two, as `1e-5..1e-3`."""

    low: float
    high: float
    whole: bool  # whether they are whole numbers

    @property
    def log(self) -> bool:
        """Whether it spans so much that its orders of magnitude count."""
        return self.low > 0 and self.high >= 10 * self.low

    def __str__(self) -> str:
        return f"{self.low:g}..{self.high:g}"


@dataclass(frozen=True)
class Row:
    """Settings that have several values, each; a row of the table for each combination."""

    name: str  # empty where there are no named rows
    axes: dict[str, list[Any]]  # setting, or `heads.sst`, or `preset` -> its values


def read_rows(file: Path) -> list[Row]:
    """What a file sets. Raises DataError for what is none, with the key."""
    content = read_file(file, "a sweep", LARGEST)
    try:
        fields = msgspec.toml.decode(content)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{file}: this is not TOML: {error}.") from None
    rows = fields.pop("row", [{}])
    if not isinstance(rows, list) or not rows or not all(isinstance(row, dict) for row in rows):
        raise DataError(f"{file}: `row` is written [[row]], once for each.")
    names = [row.pop("name", "") for row in rows]
    named = rows != [{}] or any(names)
    if named and not all(isinstance(name, str) and name.strip() for name in names):
        raise DataError(f'{file}: each [[row]] has a `name = "…"`, which the table calls it.')
    if twice := [name for name, count in Counter(names).items() if count > 1]:
        raise DataError(f"{file}: two rows are called '{twice[0]}'.")
    common = axes_of(fields, str(file))
    found = []
    for name, row in zip(names, rows, strict=True):
        where = f"{file}: row '{name}'" if name else str(file)
        found.append(Row(name, over(common, axes_of(row, where))))
    return found


def axes_of(fields: Mapping[str, Any], source: str | None = None) -> dict[str, list[Any]]:
    """The values of each setting: one where nothing else is said. Raises UsageError, or DataError if they come from the file
    `source`, for a setting that there is not or a value that it does not take."""
    error: type[UsageError | DataError] = UsageError if source is None else DataError
    where = "" if source is None else f"{source}: "
    axes: dict[str, list[Any]] = {}
    for name, given in fields.items():
        if name not in (*_TYPES, "preset") or name in ("versions", "revisions"):
            raise error(f"{where}there is no setting '{name}'. {nearest(name, [*_TYPES, 'preset', 'row'])}")
        for axis, values in _axes(name, given):
            if not values:
                raise error(f"{where}{axis} has no value.")
            axes[axis] = [_checked(axis, value, where, error) for value in values]
            if again := [value for place, value in enumerate(axes[axis]) if value in axes[axis][:place]]:
                raise error(f"{where}{axis} has the value {as_text(again[0])} twice.")
    return axes


def expand(rows: Iterable[Row], flags: Mapping[str, list[Any]] | None = None) -> list[Cell]:
    """The cells of all rows, in their order, the seeds of each together; `flags` win over what a row says. Raises
    UsageError for a range, for rows that come to the same, and for settings that do not fit together."""
    cells: list[Cell] = []
    for row in rows:
        axes = over(row.axes, flags or {})
        if open_ := [axis for axis, values in axes.items() if any(isinstance(value, Range) for value in values)]:
            raise UsageError(f"{open_[0]} is a range: --search N draws from it. A grid needs values, with commas between.")
        seeds = axes.pop("seed", [0])
        for chosen in product(*axes.values()):
            name = row_name(row.name, axes, chosen)
            settings = settings_of(dict(zip(axes, chosen, strict=True)))
            cells += [cell(name, int(seed), settings) for seed in seeds]
            if len(cells) > MOST:
                raise UsageError(f"These are more than {MOST:,} runs, which nobody waits for.")
    return _distinct(cells)


def row_name(name: str, axes: Mapping[str, Sequence[Any]], chosen: Sequence[Any]) -> str:
    """What the table calls a choice: what there was to choose."""
    open_ = [(axis, value) for axis, value in zip(axes, chosen, strict=True) if len(axes[axis]) > 1]
    several = [f"{axis.removesuffix('.*')}={as_text(value)}" for axis, value in open_]
    return ", ".join([*([name] if name else []), *several]) or "run"


def settings_of(chosen: Mapping[str, Any]) -> Fields:
    """The settings that a choice of a value for each axis makes, with those of its preset below. Raises UsageError."""
    given: Fields = {}
    for axis, value in chosen.items():
        name, _, task = axis.partition(".")
        if task:
            given[name] = {**given.get(name, {}), task: value}
        elif name != "preset":
            given[name] = value
    below = PRESETS[chosen["preset"]] if chosen.get("preset") else {}
    config = check(layered(below, given))
    named = {name: getattr(config, name) for name in ("data", "encoder", "from_run")}
    places = {name: str(Path(place).resolve()) for name, place in named.items() if place and is_directory(place)}
    settings = msgspec.to_builtins(msgspec.structs.replace(config, **places))
    return {name: value for name, value in settings.items() if value is not None}


def cell(row: str, seed: int, settings: Fields) -> Cell:
    """A cell; its directory is called as its row, as far as a file system takes it."""
    slug = re.sub(r"[^A-Za-z0-9.=_-]+", "-", row).strip("-.")[:LONGEST_NAME] or "row"
    return Cell(row, seed, f"{slug}-seed{seed}", {**settings, "seed": seed})


def _distinct(cells: list[Cell]) -> list[Cell]:
    """Cells with directories of their own. Raises UsageError where two are the same run."""
    used: Counter[str] = Counter()
    found, runs = [], dict[bytes, Cell]()
    for each in cells:
        settings = msgspec.json.encode(each.settings, order="deterministic")
        if (same := runs.setdefault(settings, each)) is not each:
            raise UsageError(f"The rows '{same.row}' and '{each.row}' are one run, with seed {each.seed}. Leave one out.")
        used[each.directory] += 1
        number = used[each.directory]
        found.append(each if number == 1 else msgspec.structs.replace(each, directory=f"{each.directory}-{number}"))
    return found


def over(below: Mapping[str, list[Any]], above: Mapping[str, list[Any]]) -> dict[str, list[Any]]:
    """Both; what is said above of every task replaces what is said of one below."""
    all_tasks = {axis.removesuffix(".*") for axis in above if axis.endswith(".*")}
    kept = {axis: above.get(axis, values) for axis, values in below.items()}
    kept = {axis: values for axis, values in kept.items() if axis in above or axis.partition(".")[0] not in all_tasks}
    return {**kept, **above}


def _axes(name: str, given: Any) -> Iterator[tuple[str, list[Any]]]:
    """The axes of one setting, and their values."""
    if by_task(name):
        for task, value in (given if isinstance(given, dict) else {"*": given}).items():
            yield f"{name}.{task}", value if isinstance(value, list) else [value]
    elif is_list(name):
        nested = isinstance(given, list) and any(isinstance(value, list) for value in given)
        yield name, given if nested else [given]
    else:
        yield name, given if isinstance(given, list) else [given]


def by_task(name: str) -> bool:
    """Whether a setting has a value for each task."""
    return any(get_origin(member) is dict for member in get_args(_TYPES.get(name))) and name not in ("versions", "revisions")


def is_list(name: str) -> bool:
    """Whether a setting's value is a list itself."""
    return get_origin(_TYPES.get(name)) is list


def _checked(axis: str, value: Any, where: str, error: type[UsageError | DataError]) -> Any:
    name, _, task = axis.partition(".")
    if name == "preset":
        if value not in PRESETS:
            raise error(f"{where}there is no preset '{value}'. {nearest(str(value), PRESETS)}")
        return value
    if isinstance(value, str) and (found := _range(name, value)):
        ends = (found.low, found.high)
        for end in ends:
            _checked(axis, int(end) if found.whole else end, where, error)
        return found
    try:
        check({name: {task: value} if task else value})
    except UsageError as problem:
        raise error(f"{where}{str(problem).rstrip('.')}.") from None
    return value


def _range(name: str, text: str) -> Range | None:
    """What LOW..HIGH says of a setting that is a number; None where it is no such thing."""
    low, dots, high = text.partition("..")
    try:
        ends = (float(low), float(high)) if dots else (0.0, 0.0)
    except ValueError:
        return None
    if by_task(name) or not ends[0] < ends[1]:
        return None
    between = ends[0] + 0.4999 * (ends[1] - ends[0])
    if _takes(name, between):
        return Range(*ends, whole=False)
    return Range(*ends, whole=True) if _takes(name, round(between)) else None


def _takes(name: str, value: float) -> bool:
    try:
        check({name: value})
    except UsageError:
        return False
    return True
