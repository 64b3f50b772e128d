"""How predictions are written: a value a line, a table, JSON Lines or parquet, a window of rows at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import msgspec

from mtk import UsageError

if TYPE_CHECKING:
    from mtk.model.windows import Answered
    from mtk.task import Task

SEPARATORS = {".csv": ",", ".tsv": "\t"}
JSON = (".jsonl", ".ndjson", ".json")
PARQUET = ".parquet"
KNOWN = (*SEPARATORS, ".jsonl", PARQUET)


def write(windows: Iterable[Answered], tasks: Sequence[Task], out: Path, *, probabilities: bool) -> None:
    """Write what is said of all windows to a new file, as its suffix says; it is there once all of it is. Raises
    MtkError."""
    from mtk.files import replacing, unwritten

    suffix = out.suffix.lower()
    try:
        with replacing(out) as file:
            if suffix == PARQUET:
                _parquet(windows, tasks, probabilities, file)
            elif suffix in JSON:
                file.writelines(msgspec.json.encode(record) + b"\n" for record in records(windows, tasks))
            else:
                file.writelines(piece.encode() for piece in table(windows, tasks, probabilities, SEPARATORS[suffix]))
    except OSError as error:
        raise unwritten(out, error) from error


def lines(windows: Iterable[Answered], task: Task) -> Iterator[str]:
    """The predictions of one task by themselves: scores with four digits."""
    from mtk.model.multitask import written

    for window in windows:
        predictions = [answer["prediction"] for answer in window.answers[task.name]]
        for value, text in zip(predictions, written(task.kind, predictions), strict=True):
            yield f"{value:.4f}" if isinstance(value, float) else text


def records(windows: Iterable[Answered], tasks: Sequence[Task]) -> Iterator[dict[str, Any]]:
    """An object for each row: its id, and the answer, or for several tasks that of each by its name."""
    for window in windows:
        for number, row in enumerate(window.ids):
            if len(tasks) == 1:
                yield {"id": row, **window.answers[tasks[0].name][number]}
            else:
                yield {"id": row, "answers": {task.name: window.answers[task.name][number] for task in tasks}}


def table(windows: Iterable[Answered], tasks: Sequence[Task], probabilities: bool, separator: str = ",") -> Iterator[str]:
    """A table in pieces: a header, and the rows of a window."""
    from mtk.data.formats import csv_of

    header: list[str] | None = _header(tasks, probabilities)
    for window in windows:
        yield csv_of(header, zip(*_columns(window, tasks, probabilities), strict=True), separator)
        header = None


def check_out(out: Path) -> None:
    """Raises UsageError for a file that cannot be written, before anything is predicted."""
    if out.suffix.lower() not in (*KNOWN, *JSON):
        raise UsageError(f"--out {out}: predictions are written as {', '.join(KNOWN)}; let its name end so.")
    if out.exists():
        raise UsageError(f"--out {out} exists already. Delete it, or write to another file.")
    if not out.parent.is_dir():
        raise UsageError(f"--out {out}: there is no directory {out.parent}.")
    if out.suffix.lower() == PARQUET:
        try:
            import pyarrow.parquet  # noqa: F401
        except ImportError:
            raise UsageError(
                f"--out {out}: parquet is written through pyarrow: pip install 'multitask-toolkit[hub]'."
            ) from None


def _header(tasks: Sequence[Task], probabilities: bool) -> list[str]:
    """The columns; those of several tasks begin with its name."""
    header = ["id"]
    for task in tasks:
        own = [f"probability of {label}" for label in task.labels if _shown(task, probabilities)]
        if len(tasks) == 1:
            header += ["prediction", *own]
        else:
            header += [task.name, *(f"{task.name}: {name}" for name in own)]
    return header


def _columns(window: Answered, tasks: Sequence[Task], probabilities: bool) -> Iterator[Sequence[Any]]:
    """What stands in each column of a table."""
    from mtk.model.multitask import written

    yield window.ids
    for task in tasks:
        answers = window.answers[task.name]
        yield written(task.kind, (answer["prediction"] for answer in answers))
        if _shown(task, probabilities):
            yield from ([answer["probabilities"][label] for answer in answers] for label in task.labels)


def _shown(task: Task, probabilities: bool) -> bool:
    return probabilities and task.has_probabilities


def _parquet(windows: Iterable[Answered], tasks: Sequence[Task], probabilities: bool, file: IO[bytes]) -> None:
    """The same table with types: ids and labels are strings, scores and probabilities are doubles."""
    import pyarrow as arrow
    from pyarrow import parquet

    header, table = _header(tasks, probabilities), None
    try:
        for window in windows:
            columns = list(_columns(window, tasks, probabilities))
            for task in tasks:
                values = [answer["prediction"] for answer in window.answers[task.name]]
                if all(isinstance(value, float) for value in values):
                    columns[header.index(task.name if len(tasks) > 1 else "prediction")] = values
            rows = arrow.table(dict(zip(header, columns, strict=True)))
            table = table or parquet.ParquetWriter(file, rows.schema)
            table.write_table(rows)
    finally:
        if table is not None:
            table.close()
