"""A run as a directory for others: which of its tasks a format holds, and what is written."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Literal, get_args

from mtk.errors import UsageError, nearest
from mtk.export import int8_loss, to_onnx, to_sentence_transformers, to_transformers
from mtk.files import write_directory
from mtk.model.multitask import Model
from mtk.training.checkpoint import load

Format = Literal["transformers", "sentence-transformers", "onnx"]
FORMATS: tuple[Format, ...] = get_args(Format)
NEEDS = {"onnx": to_onnx.check_extra, "sentence-transformers": to_sentence_transformers.check_extra}


def export(
    run: str | Path,
    to: Format,
    out: str | Path,
    *,
    tasks: Sequence[str] = (),
    int8: bool = False,
    progress: Callable[[int, int], object] = lambda done, total: None,
) -> list[str]:
    """Write the model of a run, with the heads of these tasks or of all that the format holds, to a new directory `out`.
    What is to be said of it, a line each: the tasks that were left out, and what 8 bits cost; while that is measured,
    `progress` is told how many rows are done, and of how many.

    Raises UsageError for a task that is asked for and cannot be had, and where none can."""
    out = Path(out)
    if out.exists():
        raise UsageError(f"--out {out} exists already. Delete it, or write to another directory.")
    if int8 and to != "onnx":
        raise UsageError(f"--int8 goes with --to onnx, and not with {to}.")
    if to in NEEDS:  # which takes no model to see
        NEEDS[to]()
    model = load(run, device="cpu", precision="fp32")
    for task in tasks:
        if task not in model.tasks:
            raise UsageError(f"{run} has no task '{task}'. {nearest(task, model.tasks)}")
    chosen, is_asked = list(tasks) or list(model.tasks), bool(tasks)
    if to == "sentence-transformers":
        return _one_by_one(model, chosen, out, is_asked)
    write: Callable[[Path], None] = partial(to_transformers.fill, model, chosen)
    if to == "onnx":
        write = partial(to_onnx.fill, model, chosen, int8=int8)
    write_directory(out, write)
    return int8_loss.measure(run, out, progress) if int8 else []


def _one_by_one(model: Model, tasks: Sequence[str], out: Path, is_asked: bool) -> list[str]:
    """A directory for each task; `out` itself for a single one that was asked for."""
    notes, written = [], 0
    for task in tasks:
        place = out if is_asked and len(tasks) == 1 else out / task
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            write_directory(place, partial(to_sentence_transformers.fill, model, task))
            written += 1
        except UsageError as reason:
            if is_asked:
                raise _instead(reason) from None
            notes.append(f"{reason}: it is left out; --to transformers and --to onnx have it.")
    if not written:
        raise _instead(UsageError("; ".join(note.partition(": it is left out")[0] for note in notes)))
    return notes


def _instead(reason: UsageError) -> UsageError:
    return UsageError(f"{str(reason).rstrip('.')}. --to transformers and --to onnx take any head.")
