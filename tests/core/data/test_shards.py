"""Training sets on disk give the batches that they would give in memory, each row once a pass, a few shards at a time."""

from __future__ import annotations

import os
import signal
from itertools import chain, islice
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest
import torch
import transformers
from safetensors.torch import load_file

import mtk
from mtk.data import shards
from mtk.data.batches import Place
from mtk.data.shards import Made, Shards, Source, Windows, prepared
from mtk.data.tasks_toml import TaskSource, read_layout, read_task
from mtk.data.tokens import TokenizedSplit
from mtk.file_form import FileForm
from mtk.host.kinds import Kinds
from mtk.host.registry import Registry

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shards of ten rows, of which three are held."""
    monkeypatch.setattr(shards, "ROWS", 10)
    monkeypatch.setattr(shards, "HELD", 3)


@pytest.fixture(scope="module")
def layout(tiny_corpus: Path) -> dict[str, TaskSource]:
    return read_layout(tiny_corpus, Kinds(Registry()))


@pytest.fixture(scope="module")
def tokenizer(tiny_encoder: Path) -> Any:
    return transformers.AutoTokenizer.from_pretrained(tiny_encoder)


def source_of(task: TaskSource) -> Source:
    return Source(task.task, task.files.paths("train"), FileForm(), "error")


def on_disk(task: TaskSource, tokenizer: Any, encoding: Any, place: Path, max_length: int = 16) -> Shards:
    how = (source_of(task), tokenizer, encoding, max_length)
    return Shards(prepared(*how, place), *how, CPU)


@pytest.mark.parametrize(
    ("task", "encoding"), [("sst", "joint"), ("para", "joint"), ("para", "separate"), ("sts", "both"), ("sts", "pretrained")]
)
@pytest.mark.parametrize("max_length", [8, 16])
def test_a_batch_is_that_of_memory(
    layout: dict[str, TaskSource], tokenizer: Any, task: str, encoding: Any, max_length: int, tmp_path: Path
) -> None:
    found = on_disk(layout[task], tokenizer, encoding, tmp_path, max_length)
    split = read_task(layout[task]).train
    held = TokenizedSplit(split, tokenizer, pair_encoding=encoding, max_length=max_length, device=CPU)
    assert len(found) == len(held) == 48
    assert list(found.ids) == split.ids
    assert found.lengths(range(48)) == held.lengths
    assert found.remarks() == held.remarks()
    assert torch.equal(found.exact_labels, held.labels)
    assert found.names == sorted(held.names)
    for more in (0, 8):
        rows = Random(more).sample(range(48), 20)
        assert found.shape(rows) == held.shape(rows)
        lengths = [longest + more for _, longest in held.shape(rows)]
        one, other = found.batch(rows, lengths), held.batch(rows, lengths)
        assert [r.inputs["input_ids"].shape[1] for r in one.readings] == lengths
        assert one.tokens == other.tokens
        assert torch.equal(one.labels, other.labels)
        told = [[(r.sequences, r.pretrained) for r in batch.readings] for batch in (one, other)]
        assert told[0] == told[1]
        for a, b in zip(one.readings, other.readings, strict=True):
            assert a.inputs.keys() == b.inputs.keys()
            assert all(torch.equal(a.inputs[name], b.inputs[name]) for name in a.inputs)
    assert len(found._held) <= 3


@pytest.fixture
def several(layout: dict[str, TaskSource], tokenizer: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shards:
    """A set of 48 rows, of which 16 at most are shuffled together."""
    monkeypatch.setattr(shards, "WINDOW", 16)
    monkeypatch.setattr(shards, "GROUP", 2)
    return on_disk(layout["para"], tokenizer, "joint", tmp_path)


@pytest.mark.parametrize("size", [1, 3, 4, 7, 11])
def test_a_pass_in_windows_holds_every_row_once(several: Shards, size: int) -> None:
    batches = several.batches(size, Random(1))
    assert isinstance(batches, Windows)
    passes = [list(islice(batches, batches.per_pass)) for _ in range(3)]
    for one in passes:
        assert sorted(chain.from_iterable(one)) == list(range(48))
        assert all(len(batch) <= max(size, 3) for batch in one)
    assert passes[0] != passes[1]


def test_a_window_holds_rows_of_few_shards(several: Shards) -> None:
    batches = several.batches(4, Random(1))
    window = list(chain.from_iterable(islice(batches, 4)))
    assert len({row // 10 for row in window}) <= 3
    assert window != sorted(window)


@pytest.mark.parametrize("taken", [0, 1, 5, 13, 14, 15, 40])
@pytest.mark.parametrize("count", [4, 3])
def test_what_was_left_off_goes_on_from_its_place(several: Shards, taken: int, count: int) -> None:
    first, second = several.batches(4, Random(3)), several.batches(4, Random(8))
    for _ in range(taken):
        first.take(count)
    kept = msgspec.json.decode(msgspec.json.encode(first.place), type=Place)
    second.go_to(kept)
    assert [second.take(count) for _ in range(40)] == [first.take(count) for _ in range(40)]


def test_shards_are_made_once_and_again_where_something_else_decides(
    layout: dict[str, TaskSource], tokenizer: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Path] = []
    make = shards._make

    def heard(path: Path, *how: Any) -> None:
        made.append(path)
        make(path, *how)

    monkeypatch.setattr(shards, "_make", heard)
    for _ in range(2):
        on_disk(layout["para"], tokenizer, "joint", tmp_path)
    assert len(made) == 1
    on_disk(layout["para"], tokenizer, "separate", tmp_path)
    on_disk(layout["para"], tokenizer, "joint", tmp_path, 8)
    assert len(made) == 3
    for left in tmp_path.glob("*/made.json"):  # as a death leaves it
        left.unlink()
    on_disk(layout["para"], tokenizer, "joint", tmp_path)
    assert len(made) == 4


def test_a_run_on_shards_is_the_run_in_memory(tiny_corpus: Path, tiny_encoder: Path, tmp_path: Path) -> None:
    settings: dict[str, Any] = {"data": str(tiny_corpus), "encoder": str(tiny_encoder), "device": "cpu", "precision": "fp32"}
    settings |= {"heads": {"para": "cosine"}, "combiner": "pcgrad", "epochs": 1}
    one = mtk.run(**settings, out=tmp_path / "one")
    other = mtk.run(**settings, tokens=str(tmp_path / "tokens"), out=tmp_path / "other")
    assert one.best == other.best
    first, second = (mtk.load(result.out, device="cpu").state_dict() for result in (one, other))
    assert all(torch.equal(value, second[name]) for name, value in first.items())


class CtrlC:
    """Ends a run after its fifth step."""

    @mtk.hookimpl
    def mtk_evaluated(self, evaluation: mtk.Evaluation) -> None:
        if evaluation.step == 5:
            os.kill(os.getpid(), signal.SIGINT)


def test_a_run_goes_on_in_the_middle_of_a_window(
    tiny_corpus: Path, tiny_encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shards, "WINDOW", 16)
    monkeypatch.setattr(shards, "GROUP", 2)
    settings: dict[str, Any] = {"data": str(tiny_corpus), "encoder": str(tiny_encoder), "device": "cpu", "precision": "fp32"}
    settings |= {"tokens": str(tmp_path / "t"), "batch_size": 4, "epochs": 2, "evaluate_every": 5, "heads": "linear"}
    whole = mtk.run(**settings, out=tmp_path / "whole")
    cut = mtk.run(**settings, out=tmp_path / "cut", listeners=[CtrlC()])
    assert (cut.interrupted, cut.steps) == (True, 5)
    assert mtk.run(resume=cut.out).best == whole.best
    one, other = (load_file(out / "checkpoint" / "state.safetensors") for out in (cut.out, whole.out))
    assert all(torch.equal(value, other[name]) for name, value in one.items())


@pytest.mark.slow
def test_several_files_are_made_by_several_processes(layout: dict[str, TaskSource], tokenizer: Any, tmp_path: Path) -> None:
    lines = layout["para"].files.paths("train")[0].read_text().splitlines()
    halves = [lines[:25], [lines[0], *lines[25:]]]
    paths = [tmp_path / f"part-{number}.csv" for number in range(2)]
    for path, half in zip(paths, halves, strict=True):
        path.write_text("\n".join(half) + "\n")
    how = (msgspec.structs.replace(source_of(layout["para"]), paths=paths), tokenizer, "joint", 16)
    parts = prepared(*how, tmp_path / "tokens")  # type: ignore[arg-type]
    assert [sum(made.rows) for _, made in parts] == [24, 24]
    whole = on_disk(layout["para"], tokenizer, "joint", tmp_path / "whole")
    found = Shards(parts, *how, CPU)  # type: ignore[arg-type]
    rows = list(range(48))
    assert torch.equal(found.batch(rows).readings[0].inputs["input_ids"], whole.batch(rows).readings[0].inputs["input_ids"])


def test_bad_rows_are_told(layout: dict[str, TaskSource], tokenizer: Any, tmp_path: Path) -> None:
    path = tmp_path / "bad.csv"
    path.write_text(layout["para"].files.paths("train")[0].read_text().replace("p7,", "p7,p7,"))
    bad = msgspec.structs.replace(source_of(layout["para"]), paths=[path])
    with pytest.raises(mtk.DataError, match=r"bad\.csv:9: "):
        prepared(bad, tokenizer, "joint", 16, tmp_path / "tokens")
    ((_, made),) = prepared(msgspec.structs.replace(bad, bad_rows="skip"), tokenizer, "joint", 16, tmp_path / "tokens")
    assert isinstance(made, Made)
    assert (sum(made.rows), len(made.skipped)) == (47, 1)


@pytest.mark.parametrize(
    ("settings", "said"),
    [({"augment": "eda"}, "--augment"), ({"limit": 8}, "--limit"), ({"stages": ["mlm:epochs=1"]}, "--stage")],
)
def test_what_needs_all_rows_at_once_is_refused(
    settings: dict[str, Any], said: str, tiny_corpus: Path, tmp_path: Path
) -> None:
    with pytest.raises(mtk.UsageError, match=f"--tokens leaves training rows on disk, and cannot do with {said}"):
        mtk.run(data=str(tiny_corpus), tokens=str(tmp_path / "t"), out=tmp_path / "run", **settings)
    assert not (tmp_path / "t").exists()


def test_a_place_that_is_none_is_told(layout: dict[str, TaskSource], tokenizer: Any, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(mtk.MtkError, match="the directory cannot be made: File exists"):
        on_disk(layout["para"], tokenizer, "joint", tmp_path / "file")
