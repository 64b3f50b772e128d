"""From parquet, Arrow files and data sets that `datasets` saved to rows. pyarrow reads them, and is imported then."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from mtk.errors import DataError

AT_ONCE = 1000  # rows


class ClassLabel(int):
    """The number of a class, as `datasets` keeps it, and the names of all of them."""

    names: tuple[str, ...] = ()

    @property
    def name(self) -> str | None:
        """None where there is no class of this number: -1 stands for no label."""
        return self.names[self] if 0 <= self < len(self.names) else None


def read_arrow(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """The rows of a .parquet or .arrow file, or of a directory that `datasets` saved, numbered from 1. Raises DataError."""
    if not path.exists():
        raise DataError(f"{path}: it cannot be read: No such file or directory.")
    try:
        import pyarrow as arrow
    except ImportError:
        raise DataError(
            f"{path}: parquet and saved data sets are read through pyarrow: pip install 'multitask-toolkit[hub]'."
        ) from None
    number = 0
    try:
        for batch in _batches(path, arrow):
            classes = _class_names(batch.schema.metadata)
            for row in batch.to_pylist():
                number += 1
                for column, names in classes.items():
                    row[column] = _class_label(row.get(column), names)
                yield number, row
    except (arrow.ArrowException, OSError, ValueError, OverflowError) as error:
        raise DataError(f"{path}: it cannot be read: {' '.join(str(error).split())}.") from None


NOTES = ("dataset_dict.json", "dataset_info.json", "state.json")  # what `datasets` keeps beside the rows


def is_saved(path: Path) -> bool:
    """Whether a directory is a split that `datasets` saved."""
    return (path / "state.json").is_file()


def _batches(path: Path, arrow: Any) -> Iterator[Any]:
    if path.suffix.lower() == ".parquet":
        from pyarrow import parquet

        yield from parquet.ParquetFile(path).iter_batches(AT_ONCE)
        return
    for file in [path] if path.is_file() else _saved(path):
        with arrow.memory_map(str(file)) as source:
            for batch in _of_arrow(source, arrow):
                for start in range(0, batch.num_rows, AT_ONCE):
                    yield batch.slice(start, AT_ONCE)


def _of_arrow(source: Any, arrow: Any) -> Iterator[Any]:
    """The batches of an Arrow file, or of a stream, which is what `datasets` writes."""
    if source.read(6) == b"ARROW1":
        file = arrow.ipc.open_file(source)
        yield from (file.get_batch(number) for number in range(file.num_record_batches))
    else:
        source.seek(0)
        yield from arrow.ipc.open_stream(source)


def _saved(path: Path) -> list[Path]:
    """The files of a data set as `save_to_disk` writes it, in the order in which state.json names them."""
    if (path / "dataset_dict.json").exists():
        inside = ", ".join(sorted(f"{path.name}/{p.name}" for p in path.iterdir() if p.is_dir()))
        raise DataError(f"{path}: this holds several splits; name one of them: {inside}.")
    try:
        state = msgspec.json.decode((path / "state.json").read_bytes())
        return [path / file["filename"] for file in state["_data_files"]]
    except (OSError, msgspec.DecodeError, KeyError, TypeError):
        raise DataError(f"{path}: it cannot be read: Is a directory, and no data set that `datasets` saved.") from None


def _class_names(metadata: Any) -> dict[str, tuple[str, ...]]:
    """The columns that are classes with names, as `datasets` notes it in the schema."""
    try:
        features = msgspec.json.decode((metadata or {})[b"huggingface"])["info"]["features"]
        return {
            column: tuple(map(str, feature["names"]))
            for column, feature in features.items()
            if isinstance(feature, dict) and feature.get("_type") == "ClassLabel" and feature.get("names")
        }
    except (KeyError, TypeError, AttributeError, msgspec.DecodeError):
        return {}


def _class_label(value: Any, names: tuple[str, ...]) -> Any:
    if type(value) is not int:
        return value
    label = ClassLabel(value)
    label.names = names
    return label
