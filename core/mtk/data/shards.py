"""Training sets that are larger than memory: token ids, labels and ids in shards on disk, each a safetensors file of some
ten thousand rows, which are made once, file by file in parallel, and read a few at a time.

TOKENS/DIGEST/00000.safetensors    rows as they came, of one of the task's files
TOKENS/DIGEST/made.json            how many each has, once all are there

DIGEST is of all that decides them: the file, the task and the tokenizer. So nothing is ever out of date, runs share what is
alike, and of what a death left the files that are whole are kept.
"""

from __future__ import annotations

import multiprocessing
import os
import shutil
import tempfile
import time
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from functools import cached_property
from hashlib import sha256
from itertools import accumulate, chain
from pathlib import Path
from random import Random
from typing import Any, TypeAlias

import msgspec
import numpy as np
import safetensors
import safetensors.numpy
import torch
from numpy.typing import NDArray
from torch import Tensor

from mtk.data.batches import GROUP, Batches, Place, pieces, shuffled
from mtk.data.reading import BadRows, windows_of_split
from mtk.data.tokens import (
    ENCODINGS,
    LENGTHS,
    UNCUT,
    Batch,
    Reading,
    TokenizedSplit,
    cut_remark,
    description,
    label_tensor,
    padding,
    pretrained,
    tokenize,
    unread,
    unread_remark,
)
from mtk.errors import DataError, MtkError, UsageError
from mtk.file_form import FileForm
from mtk.files import read_json, write_file
from mtk.head import PairEncoding
from mtk.locks import Lock
from mtk.task import Task

ROWS = 1 << 14  # of a shard: of pairs of 50 tokens some 2 MB
WINDOW = 1 << 18  # rows that are shuffled together, of shards in random order
HELD = 2 * WINDOW // ROWS  # shards in memory
LONGEST = 1 << 13  # tokens: what is longer, before it is cut, counts as so long
Tokens: TypeAlias = "TokenizedSplit | Shards"
"""A training set that is ready to be trained on, in memory or on disk."""

_MADE, _FORMAT = "made.json", 1
_LABELS, _IDS, _ID_LENGTHS = "labels", "ids", "id_lengths"

Arrays = dict[str, NDArray[Any]]


class Made(msgspec.Struct, frozen=True):
    """What is in the shards of one file."""

    rows: list[int]  # of each shard
    names: list[str]  # what the tokenizer gives
    uncut: dict[int, int]  # tokens that a sequence had before it was cut, up to `LONGEST` -> how many
    unread: int  # sequences with no token that the encoder knows
    labels: list[int]  # the shape of a row's label
    skipped: list[str]
    notes: list[str]


class Source(msgspec.Struct, frozen=True):
    """A task's training files, and how they are read."""

    task: Task
    paths: list[Path]
    form: FileForm
    bad_rows: BadRows


def prepared(
    source: Source, tokenizer: Any, pair_encoding: PairEncoding, max_length: int, directory: Path
) -> list[tuple[Path, Made]]:
    """The shards of each of the files, in their order: those that are there, and others made now, by as many processes as
    there are files and cores; while another process makes some, it is waited for. Raises DataError for what cannot be read,
    MtkError for what cannot be written, and UsageError for a kind of task that is not kept so."""
    if source.task.kind.candidates or source.task.kind.level == "token" or source.task.group:
        raise UsageError(
            f"--tokens keeps tasks with one label for each text or pair, and {source.task.name} is of another form."
        )
    how = (source, tokenizer, pair_encoding, max_length)
    places = {path: directory / _digest(path, *how) for path in source.paths}
    if _missing(places):
        try:
            directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise MtkError(f"--tokens {directory}: the directory cannot be made: {error.strerror}.") from None
        while (lock := Lock.take(directory / ".lock")) is None:
            time.sleep(1)
        try:
            _make_all(_missing(places), how)
        finally:
            lock.release()
    return [(place, read_json(place / _MADE, "what is said of shards", 1 << 28, Made)) for place in places.values()]


def _missing(places: Mapping[Path, Path]) -> dict[Path, Path]:
    return {path: place for path, place in places.items() if not (place / _MADE).exists()}


def _make_all(missing: Mapping[Path, Path], how: tuple[Source, Any, PairEncoding, int]) -> None:
    if len(missing) == 1:
        ((path, place),) = missing.items()
        _make(path, place, *how)
    elif missing:
        workers = min(len(missing), os.cpu_count() or 1)
        with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), _alone) as pool:
            jobs = [pool.submit(_make, path, place, *how) for path, place in missing.items()]
            try:
                for job in jobs:
                    job.result()
            except BrokenProcessPool:
                raise MtkError(
                    "A process that made tokens was ended, as for want of memory; files that are done stay."
                ) from None
            except MtkError:
                pool.shutdown(wait=False, cancel_futures=True)
                raise


def _alone() -> None:
    """A process of several leaves the other cores to the others."""
    os.environ["RAYON_NUM_THREADS"] = "1"
    torch.set_num_threads(1)


def _digest(path: Path, source: Source, tokenizer: Any, pair_encoding: PairEncoding, max_length: int) -> str:
    status, task = path.stat(), source.task
    kind = [type(task.kind).__qualname__, str(task.kind), *task.kind.labels]
    said = [_FORMAT, path.resolve(), status.st_size, status.st_mtime_ns, task.text, task.label, task.id, kind]
    said += [source.form.over(task.form), source.bad_rows, pair_encoding, max_length]
    digest = sha256()
    for part in chain(map(str, said), description(tokenizer, max_length)):
        digest.update(part.encode("utf-8", "surrogatepass") + b"\0")
    return digest.hexdigest()[:24]


def _make(path: Path, place: Path, source: Source, tokenizer: Any, pair_encoding: PairEncoding, max_length: int) -> None:
    if place.exists():
        shutil.rmtree(place)
    place.mkdir()
    columns = _columns(source, pair_encoding)
    rows, shape, uncut, unknown = list[int](), tuple[int, ...](), np.zeros(LONGEST + 1, dtype=np.int64), 0
    names, skipped, notes = list[str](), list[str](), dict[str, None]()
    windows = windows_of_split(path, source.task, size=ROWS, bad_rows=source.bad_rows, form=source.form)
    for split in windows:
        arrays: Arrays = {}
        for number, chosen in enumerate(columns):
            tokens = tokenize([split.texts[column] for column in chosen], tokenizer, max_length, keep=False)
            lengths, before = tokens.pop(LENGTHS), tokens.pop(UNCUT)
            uncut += np.bincount(before.clamp_max(LONGEST).numpy(), minlength=LONGEST + 1)
            unknown += unread(tokens["input_ids"], lengths.long(), tokenizer)
            names = sorted(tokens)
            arrays |= {f"{number}.{name}": _narrow(values.numpy()) for name, values in tokens.items()}
            arrays[f"{number}.{LENGTHS}"] = _narrow(lengths.numpy())
        arrays[_LABELS] = label_tensor(split.labels, len(split)).float().numpy()
        shape = arrays[_LABELS].shape[1:]
        encoded = [name.encode("utf-8", "surrogatepass") for name in split.ids]
        arrays[_IDS] = np.frombuffer(b"".join(encoded), dtype=np.uint8)
        arrays[_ID_LENGTHS] = _narrow(np.array([len(name) for name in encoded], dtype=np.int64))
        try:
            safetensors.numpy.save_file(arrays, place / _shard(len(rows)))
        except (OSError, safetensors.SafetensorError) as error:
            raise MtkError(f"{place / _shard(len(rows))} cannot be written: {error}.") from None
        rows.append(len(split))
        skipped += split.skipped
        notes |= dict.fromkeys(split.notes)
    seen = {int(tokens): int(uncut[tokens]) for tokens in uncut.nonzero()[0]}
    made = Made(rows, names, seen, unknown, list(shape), skipped, list(notes))
    write_file(place / _MADE, msgspec.json.encode(made))


def _narrow(values: NDArray[Any]) -> NDArray[Any]:
    """The same numbers, none below 0, in the fewest bytes."""
    largest = int(values.max(initial=0))
    return values.astype(next(kind for kind in (np.uint8, np.uint16, np.int32, np.int64) if largest <= np.iinfo(kind).max))


def _shard(number: int) -> str:
    return f"{number:05}.safetensors"


class Shard:
    """One that was read."""

    def __init__(self, path: Path) -> None:
        try:
            self.arrays: Arrays = safetensors.numpy.load_file(path)
        except (OSError, safetensors.SafetensorError) as error:
            raise DataError(f"{path} cannot be read: {error}. Remove its directory, and it is made again.") from None
        self._ends = {
            name: values.cumsum(dtype=np.int64) for name, values in self.arrays.items() if name.endswith("lengths")
        }

    def row(self, lengths: str, values: str, row: int) -> NDArray[Any]:
        """What a row has of the `values` that lie end to end, each as long as `lengths` says."""
        end = int(self._ends[lengths][row])
        return self.arrays[values][end - int(self.arrays[lengths][row]) : end]


class Shards:
    """A training set in shards, of which `HELD` are in memory. It stands in the place of a `TokenizedSplit`."""

    items = None

    def __init__(
        self,
        parts: Sequence[tuple[Path, Made]],
        source: Source,
        tokenizer: Any,
        pair_encoding: PairEncoding,
        max_length: int,
        device: torch.device,
    ) -> None:
        """Of parts that `prepared` gave for the same."""
        self._paths = [place / _shard(number) for place, made in parts for number in range(len(made.rows))]
        self._made = [made for _, made in parts]
        rows = [count for made in self._made for count in made.rows]
        self._first = [0, *accumulate(rows)]
        self._readings, self._device = _readings(_columns(source, pair_encoding)), device
        self._pretrained = pretrained(pair_encoding, len(self._readings))
        self._pad = padding(tokenizer, self.names)
        self._held: OrderedDict[int, Shard] = OrderedDict()
        self.max_length = max_length
        paths = source.paths
        self.source = paths[0] if len(paths) == 1 else paths[0].parent / ", ".join(path.name for path in paths)
        self.skipped = [line for made in self._made for line in made.skipped]
        self.notes = [note for made in self._made for note in made.notes]

    def __len__(self) -> int:
        return self._first[-1]

    @property
    def names(self) -> list[str]:
        """The names of what the tokenizer gives."""
        return self._made[0].names

    @property
    def shards(self) -> list[range]:
        """The rows of each."""
        return [range(start, end) for start, end in zip(self._first, self._first[1:], strict=False)]

    @cached_property
    def ids(self) -> Sequence[str]:
        """Each row's, which is read when it is asked for."""
        return _Ids(self)

    @property
    def exact_labels(self) -> Tensor:
        """Of all rows, for a kind that looks at them once: in a file that goes when they do, and not in memory."""
        with tempfile.TemporaryFile() as file:
            labels = np.memmap(file, np.float32, "w+", shape=(len(self), *self._made[0].labels))
        for path, rows in zip(self._paths, self.shards, strict=True):
            with safetensors.safe_open(path, "np") as shard:
                labels[rows.start : rows.stop] = shard.get_tensor(_LABELS)
        return torch.from_numpy(labels)

    def reads_as(self, other: object) -> bool:
        """Whether the encoder reads the same in both."""
        own = (self._paths, self._readings, self._pretrained)
        return isinstance(other, Shards) and own == (other._paths, other._readings, other._pretrained)

    def batches(self, batch_size: int, rng: Random) -> Batches:
        """Its batches: of a set that is no larger than a window those that it would have in memory."""
        if len(self) <= WINDOW:
            return Batches(self.lengths(range(len(self))), batch_size, rng)
        return Windows(self, batch_size, rng)

    def lengths(self, rows: Sequence[int]) -> list[int]:
        """The tokens of the longest sequence of each of these rows."""
        found: list[int] = []
        for shard, own in self._by_shard(rows):
            all_of = [values for name, values in shard.arrays.items() if name.endswith(LENGTHS)]
            found += np.maximum.reduce(all_of)[own].tolist()
        return found

    def remarks(self) -> list[str]:
        """What the encoder does not get to see."""
        counts = np.zeros(LONGEST + 1, dtype=np.int64)
        for made in self._made:
            counts[list(made.uncut)] += list(made.uncut.values())
        total, cut = int(counts.sum()), int(counts[self.max_length + 1 :].sum())
        holding = int(np.searchsorted(counts.cumsum(), int(0.99 * total) + 1))
        unknown = sum(made.unread for made in self._made)
        found = [cut_remark(cut, total, self.max_length, holding), unread_remark(unknown, total)]
        return [remark for remark in found if remark]

    def shape(self, examples: Sequence[int]) -> list[tuple[int, int]]:
        """Of a batch of these examples, as `TokenizedSplit.shape` gives it."""
        found = []
        for columns in self._readings:
            lengths = (
                int(shard.arrays[f"{column}.{LENGTHS}"][own].max())
                for shard, own in self._by_shard(examples)
                for column in columns
            )
            found.append((len(columns) * len(examples), max(lengths)))
        return found

    def batch(self, examples: Sequence[int], lengths: Sequence[int] = ()) -> Batch:
        """The examples of these numbers, as `TokenizedSplit.batch` gives them."""
        rows = [(shard, row) for shard, own in self._by_shard(examples) for row in own]
        readings = [
            self._reading([(shard, row, column) for column in columns for shard, row in rows], len(columns), kept, length)
            for columns, kept, length in zip(
                self._readings, self._pretrained, lengths or [0] * len(self._readings), strict=True
            )
        ]
        labels = torch.from_numpy(np.stack([shard.arrays[_LABELS][row] for shard, row in rows]))
        moved = [replace(r, inputs={name: self._moved(v) for name, v in r.inputs.items()}) for r in readings]
        return Batch(tuple(moved), self._moved(labels))

    def by_item(self, values: Tensor, batch: Batch, examples: Sequence[int], unread: Tensor) -> Tensor:
        """As they are: each row is one thing."""
        return values

    def id_of(self, row: int) -> str:
        """A row's id."""
        ((shard, (own,)),) = self._by_shard([row])
        return shard.row(_ID_LENGTHS, _IDS, own).tobytes().decode("utf-8", "surrogatepass")

    def _reading(self, rows: Sequence[tuple[Shard, int, int]], sequences: int, kept: bool, length: int) -> Reading:
        lengths = torch.tensor([int(shard.arrays[f"{column}.{LENGTHS}"][row]) for shard, row, column in rows])
        mask = torch.arange(max(int(lengths.max()), length)) < lengths.unsqueeze(1)
        inputs = {}
        for name in self.names:
            flat = np.concatenate([shard.row(f"{c}.{LENGTHS}", f"{c}.{name}", row) for shard, row, c in rows])
            inputs[name] = torch.full(mask.shape, self._pad[name]).masked_scatter_(
                mask, torch.from_numpy(flat.astype(np.int64))
            )
        return Reading({**inputs, "attention_mask": mask.long()}, sequences, int(lengths.sum()), kept)

    def _moved(self, tensor: Tensor) -> Tensor:
        pinned = tensor.pin_memory() if self._device.type == "cuda" else tensor
        return pinned.to(self._device, non_blocking=True)

    def _by_shard(self, rows: Sequence[int]) -> Iterator[tuple[Shard, list[int]]]:
        """These rows in their order: those that follow one another in one shard together, by their numbers in it."""
        run, own = -1, list[int]()
        for row in rows:
            number = bisect_right(self._first, row) - 1
            if number != run:
                if own:
                    yield self._read(run), own
                run, own = number, []
            own.append(row - self._first[number])
        if own:
            yield self._read(run), own

    def _read(self, number: int) -> Shard:
        if number not in self._held:
            self._held[number] = Shard(self._paths[number])
            if len(self._held) > HELD:
                self._held.popitem(last=False)
        self._held.move_to_end(number)
        return self._held[number]


class _Ids(Sequence[str]):
    def __init__(self, shards: Shards) -> None:
        self._shards = shards

    def __len__(self) -> int:
        return len(self._shards)

    def __getitem__(self, row: Any) -> Any:
        return self._shards.id_of(row)


class Windows(Batches):
    """Batches of so many rows at a time, which are shuffled and sorted by length as `Batches` does with all: shards come in
    an order that is drawn for each pass, and a window is the next stretch of them."""

    def __init__(self, shards: Shards, batch_size: int, rng: Random) -> None:
        self._shards = shards
        whole = GROUP * batch_size
        self._window = max(1, WINDOW // whole) * whole
        self._windows = -(-len(shards) // self._window)
        self._at = 0
        super().__init__((), batch_size, rng)

    @property
    def per_pass(self) -> int:
        """How many batches a pass has."""
        last = len(self._shards) - (self._windows - 1) * self._window
        return (self._windows - 1) * (self._window // self._size) + sum(
            len(pieces(group, self._size)) for group in pieces(range(last), GROUP * self._size)
        )

    @property
    def place(self) -> Place:
        """Where the next batch is."""
        return msgspec.structs.replace(super().place, window=self._at)

    def go_to(self, place: Place) -> None:
        """Go on from a place that an equal one had come to."""
        self._rng.setstate(place.generator)
        self._begin_pass(place.window)
        self._given, self._used = place.given, place.used

    def _begin(self, given: int, used: int = 0) -> None:
        self._given, self._used = given, used
        if self._pass and self._at + 1 < self._windows:
            self._fill(self._at + 1)
        else:
            self._begin_pass(0)

    def _begin_pass(self, window: int) -> None:
        self._generator = self._rng.getstate()
        self._order = self._shards.shards
        self._rng.shuffle(self._order)
        self._seed = self._rng.getrandbits(64)
        self._fill(window)

    def _fill(self, window: int) -> None:
        """Let the batches be those of a window of this pass, which is drawn by itself: to begin there asks for no other."""
        self._at = window
        start, end = window * self._window, (window + 1) * self._window
        rows, before = list[int](), 0
        for shard in self._order:
            rows += shard[max(0, start - before) : max(0, end - before)]
            before += len(shard)
        batches = shuffled(self._shards.lengths(rows), self._size, Random(f"{self._seed} {window}"))
        self._pass = [[rows[place] for place in batch] for batch in batches]


def _columns(source: Source, pair_encoding: PairEncoding) -> Sequence[Sequence[int]]:
    """Which texts make a sequence, for each that an example is read as."""
    return ENCODINGS[pair_encoding] if source.task.pair else ((0,),)


def _readings(columns: Sequence[Sequence[int]]) -> list[list[int]]:
    """The numbers of what was read, for each pass of the encoder: columns that are read by themselves belong together."""
    apart = [number for number, chosen in enumerate(columns) if len(chosen) == 1]
    jointly = [number for number, chosen in enumerate(columns) if len(chosen) == 2]
    return [numbers for numbers in (apart, jointly) if numbers]
