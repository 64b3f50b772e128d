"""A damaged run is refused in a message, or gives the results that it gave: never others, no traceback, no hang."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

import mtk

CASES = int(os.environ.get("MTK_DAMAGED", "80"))  # 1,000 were tried once
TEXTS = ["the dog is happy", "the cat is awful", "the bird is quiet"]


@pytest.fixture(scope="module")
def run(tiny_corpus: Path, tiny_encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("damaged") / "run"
    mtk.run(data=str(tiny_corpus), encoder=str(tiny_encoder), heads="linear", steps=2, out=out, precision="fp32")
    return out


def flip(file: Path, rng: Random) -> None:
    content = bytearray(file.read_bytes())
    for _ in range(rng.choice((1, 8))):
        content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    file.write_bytes(content)


def cut(file: Path, rng: Random) -> None:
    file.write_bytes(file.read_bytes()[: rng.randrange(file.stat().st_size)])


def lengthen(file: Path, rng: Random) -> None:
    file.write_bytes(file.read_bytes() + rng.randbytes(rng.choice((1, 100))))


def swap(file: Path, rng: Random) -> None:
    other = rng.choice([p for p in file.parent.iterdir() if p.is_file()])
    file.write_bytes(other.read_bytes())


def link(file: Path, rng: Random) -> None:
    away = file.parents[2] / f"away-{file.name}"
    shutil.copy(file, away)
    file.unlink()
    file.symlink_to(rng.choice((away, Path("/dev/zero"), Path("nowhere"))))


def pipe(file: Path, rng: Random) -> None:
    file.unlink()
    os.mkfifo(file)


def directory(file: Path, rng: Random) -> None:
    file.unlink()
    file.mkdir()


def other_type(file: Path, rng: Random) -> None:
    file.write_text(rng.choice(("null", "[]", "{}", "[" * 50_000, "9" * 5000, '{"format": 9}', "\0" * 100, "")))


def inside(file: Path, rng: Random) -> None:
    """Another value in a file of text, such as a huge number or a path that leads away."""
    text = file.read_text("utf-8", "replace")
    old = rng.choice(["128", "linear", "mean", "heads/", "encoder/", '"sst"', "fp32", "bad", ": 2", '"1"'])
    new = rng.choice(["9" * 400, "../../../etc/passwd", "-1", "null", "a\u202eb", "1e999", '"\x1b[31m"', "x" * 5000])
    file.write_text(text.replace(old, new), encoding="utf-8")


DAMAGES: list[Callable[[Path, Random], None]] = [
    flip, cut, lengthen, swap, link, pipe, directory, other_type, inside, Path.unlink  # type: ignore[list-item]
]  # fmt: skip


@pytest.mark.parametrize("seed", range(CASES))
def test_a_damaged_model_is_refused_or_the_same(run: Path, tmp_path: Path, seed: int) -> None:
    rng = Random(seed)
    copy = shutil.copytree(run, tmp_path / "run")
    files = sorted(p for p in (copy / "model").rglob("*") if p.is_file())
    damage, file = rng.choice(DAMAGES), rng.choice(files)
    if damage is Path.unlink:
        file.unlink()
    else:
        damage(file, rng)
    wanted = mtk.load(run, device="cpu").predict("sst", TEXTS)
    try:
        found = mtk.load(copy, device="cpu").predict("sst", TEXTS)
    except mtk.MtkError as error:
        assert len(str(error).splitlines()) <= 3
        return
    assert found == wanted
