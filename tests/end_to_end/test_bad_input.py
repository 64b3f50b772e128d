"""Each mistake gets one message that says what, where and what to do; no traceback, and nothing half-written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner, Result

from mtk.model.multitask import Model
from mtk_cli import cli


@pytest.fixture
def run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny_corpus: Path, tiny_encoder: Path
) -> Callable[..., tuple[Result, list[Path]]]:
    """Runs `mtk run` on the tiny corpus in an empty directory, and tells what is there afterwards."""
    monkeypatch.chdir(tmp_path)

    def call(*flags: str) -> tuple[Result, list[Path]]:
        before = set(tmp_path.rglob("*"))
        common = ["run", "--data", str(tiny_corpus), "--encoder", str(tiny_encoder), "--steps", "1", "--device", "cpu"]
        result = CliRunner().invoke(cli, [*common, *flags])
        return result, sorted(set(tmp_path.rglob("*")) - before)

    return call


USAGE = {
    "head": (["--head", "cosin"], "no head 'cosin'. Did you mean cosine?"),
    "combiner": (["--combiner", "pcgrd"], "Did you mean pcgrad"),
    "augmenter": (["--augment", "sst=edaa"], "Did you mean eda or aeda?"),
    "kind": (["--combiner", "cosine"], "its kind is head"),
    "task of a head": (["--head", "stt=cosine"], "no task 'stt' for heads. Did you mean"),
    "task of a batch size": (["--batch-size", "pera=4"], "no task 'pera'"),
    "task of a limit": (["--limit", "pera=4"], "no task 'pera'"),
    "option": (["--head", "cnn:chanels=8"], "has no option 'chanels'. Did you mean channels?"),
    "value of an option": (["--head", "cnn:channels=many"], "'many' is no value for option 'channels' of 'cnn'"),
    "value out of bounds": (["--head", "cnn:dropout=1.5"], "dropout"),
    "value that the constructor refuses": (["--head", "cnn:kernel=2"], "kernel=2 is even"),
    "malformed": (["--head", "cnn:dropout"], "NAME:key=value"),
    "copies": (["--augment", "random-swap:copies=0"], "copies"),
    "flag": (["--epocs", "3"], "--epoch"),
    "value of a flag": (["--epochs", "0"], "epochs"),
    "device": (["--device", "gpu"], "gpu"),
    "data": (["--data", "nowhere"], "nowhere"),
    "encoder": (["--encoder", "./nowhere"], "nowhere"),
    "preset": (["--preset", "studdy"], "study"),
}


@pytest.mark.parametrize("case", USAGE)
def test_a_mistake_of_usage_exits_2(run: Callable[..., tuple[Result, list[Path]]], case: str) -> None:
    flags, message = USAGE[case]
    result, left = run(*flags)
    assert result.exit_code == 2, result.output
    assert message in result.stderr
    assert "Traceback" not in result.output
    assert result.exception is None or isinstance(result.exception, SystemExit)
    assert not left


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device here")
def test_cuda_where_there_is_none(run: Callable[..., tuple[Result, list[Path]]]) -> None:
    result, left = run("--device", "cuda")
    assert result.exit_code == 2
    assert "no CUDA device" in result.stderr
    assert not left


def missing(path: Path) -> None:
    path.unlink()


def empty(path: Path) -> None:
    path.write_bytes(b"")


def binary(path: Path) -> None:
    path.write_bytes(b"\x00\x01\x02" * 100)


def without_label(path: Path) -> None:
    path.write_text("id,sentence\nm0,the dog is happy\n")


def unknown_label(path: Path) -> None:
    path.write_text("id,sentence,mood\nm0,the dog is happy,good\nm1,the dog is sad,terrible\n")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (missing, "cannot be read"),
        (empty, "the file is empty"),
        (binary, "binary"),
        (without_label, ":1: there is no column 'mood'"),
        (unknown_label, ":3: 'terrible' is none of the labels"),
    ],
)
def test_a_bad_file_exits_1_and_is_named(
    run: Callable[..., tuple[Result, list[Path]]],
    tiny_corpus: Path,
    tmp_path_factory: pytest.TempPathFactory,
    spoil: Callable[[Path], None],
    message: str,
) -> None:
    corpus = tmp_path_factory.mktemp("spoilt")
    for file in tiny_corpus.iterdir():
        (corpus / file.name).write_bytes(file.read_bytes())
    spoil(corpus / "sst-train.csv")
    result, left = run("--data", str(corpus))
    assert result.exit_code == 1, result.output
    assert "sst-train.csv" in result.stderr
    assert message in result.stderr
    assert "Traceback" not in result.output
    assert not left


def test_an_existing_directory_is_not_written_into(run: Callable[..., tuple[Result, list[Path]]], tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    result, left = run("--out", "taken")
    assert result.exit_code == 2
    assert "taken exists already" in result.stderr
    assert not left


def test_out_of_memory_says_which_knob_to_turn(
    run: Callable[..., tuple[Result, list[Path]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

    monkeypatch.setattr(Model, "loss_of", fail)
    result, left = run("--out", "full")
    assert result.exit_code == 1
    assert "Out of memory" in result.stderr
    assert "--accumulate" in result.stderr
    assert "--batch-size" in result.stderr
    assert not left
