"""A split of a data set of the hub as Arrow files on this machine: `datasets` loads it down and prepares it, once."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from mtk import hub
from mtk.errors import DataError, in_words, nearest

INFO = "dataset_info.json"  # what `datasets` writes last of all into a directory that it prepared


def split_files(name: str, subset: str | None, split: str, revision: str | None) -> list[Path]:
    """The files of one split, in their order, as they were at a revision. Raises DataError."""
    try:
        import datasets
    except ImportError:
        raise DataError(f"{name}: the hub's data is read through datasets: pip install 'multitask-toolkit[hub]'.") from None
    directory = _directory(datasets, name, subset, hub.commit_of("dataset", name, revision).commit)
    try:
        splits = list(msgspec.json.decode((directory / INFO).read_bytes())["splits"])
    except (OSError, msgspec.DecodeError, KeyError, TypeError) as error:
        raise DataError(f"{directory} is not what `datasets` prepared: {in_words(error)}. Remove it.") from None
    if split not in splits:
        raise DataError(f"The data set '{name}' has no split '{split}'. {nearest(split, splits)}")
    of_split = re.compile(rf".*-{re.escape(split)}(-\d+-of-\d+)?\.arrow")
    return sorted(path for path in directory.iterdir() if of_split.fullmatch(path.name))


def _directory(datasets: Any, name: str, subset: str | None, commit: str) -> Path:
    """Where the data set is prepared. Raises DataError."""
    if subset is not None and (there := _prepared(datasets, subset, commit)):
        return there[0]
    problem: Exception | None = None
    try:
        with hub.said("dataset", name, commit, DataError), _quiet(datasets):
            builder = datasets.load_dataset_builder(name, subset, revision=commit)
            if builder.hash == commit:  # where the hub does not answer it is whatever was loaded down last
                builder.download_and_prepare()
                return Path(builder.cache_dir)
    except Exception as error:
        problem = error
    there = _prepared(datasets, subset or "*", commit)
    if len(there) == 1:
        return there[0]
    if isinstance(problem, DataError):
        raise problem
    if problem is None or isinstance(problem, ConnectionError):
        several = " Of several subsets of it `subset` names one." if there else ""
        raise DataError(
            f"The data set '{name}' cannot be had: the hub could not be asked, and its commit {commit} was not loaded down "
            f"before.{several}"
        )
    raise DataError(f"datasets {datasets.__version__} cannot read the data set '{name}': {in_words(problem)}") from problem


def _prepared(datasets: Any, subset: str, commit: str) -> list[Path]:
    """The directories in which a commit was prepared before; no two data sets have the same."""
    cache = Path(datasets.config.HF_DATASETS_CACHE)
    return [path.parent for path in sorted(cache.glob(f"*/{subset}/*/{commit}/{INFO}"))]


@contextmanager
def _quiet(datasets: Any) -> Iterator[None]:
    """Without bars of progress, and without a word of what was taken from the cache instead, which is checked."""
    logger, shown = logging.getLogger("datasets"), datasets.is_progress_bar_enabled()
    level = logger.level
    logger.setLevel(logging.ERROR)
    datasets.disable_progress_bars()
    try:
        with hub.quiet():
            yield
    finally:
        logger.setLevel(level)
        if shown:
            datasets.enable_progress_bars()
