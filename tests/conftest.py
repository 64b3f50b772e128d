"""What tests of several kinds share: WordNet, an encoder small enough to train in a second, and a corpus it can learn.

WordNet is found in NLTK_DATA, or else in the folder that developers share, if it is there.
"""

from __future__ import annotations

import csv
import importlib
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from pathlib import Path
from random import Random

import pytest
from hub_standin import Hub, led_to, running
from hypothesis import settings

settings.register_profile("mtk", deadline=None)  # a machine that others use too is slow at times
settings.load_profile("mtk")

_SHARED = Path(__file__).parents[2] / "shared" / "nltk_data"

if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # as many processes as cores, and no threads that wait for one another

if _SHARED.is_dir():
    os.environ.setdefault("NLTK_DATA", str(_SHARED))  # read by NLTK when it is imported, here and in subprocesses


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("cuda"):
        import torch

        if not torch.cuda.is_available():
            pytest.skip("needs a CUDA device")


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No test reads the user's cache or writes there, nor do the subprocesses that it starts. For the whole session, so that
    it comes before every other fixture."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MTK_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def wordnet() -> None:
    """Skips, and says so, where there is no WordNet."""
    import mtk
    from mtk_augment.wordnet import load

    try:
        load()
    except mtk.UsageError as error:
        pytest.skip(str(error))


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Path]]:
    """Puts a distribution on the path, as an installer would: modules, metadata and entry points."""
    monkeypatch.delenv("MTK_DISABLE_PLUGINS", raising=False)
    before = set(sys.modules)

    def install(
        package: str,
        modules: dict[str, str],
        plugins: dict[str, str] | None = None,
        *,
        metadata: bytes | None = None,
        entry_points: bytes | None = None,
        directory: str = "site",
        requires: str = "",
    ) -> Path:
        site = tmp_path / directory
        info = site / f"{package.replace('-', '_')}-1.2.dist-info"
        info.mkdir(parents=True)
        for module, source in modules.items():
            (site / f"{module}.py").write_text(source)
        lines = "".join(f"{name} = {module}\n" for name, module in (plugins or {m: m for m in modules}).items())
        (info / "entry_points.txt").write_bytes(f"[mtk]\n{lines}".encode() if entry_points is None else entry_points)
        text = f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.2\n"
        text += f"Requires-Dist: {requires}\n" if requires else ""
        (info / "METADATA").write_bytes(text.encode() if metadata is None else metadata)
        monkeypatch.syspath_prepend(site)
        importlib.invalidate_caches()
        return site

    yield install
    for module in set(sys.modules) - before:
        if str(tmp_path) in (getattr(sys.modules[module], "__file__", None) or ""):
            del sys.modules[module]


_MOODS = {
    "bad": ("awful", "boring", "dull", "sad"),
    "fine": ("fair", "plain", "quiet", "usual"),
    "good": ("bright", "happy", "lovely", "warm"),
}
_SENTENCE = (("dog", "cat", "bird", "horse"), ("eats", "sees", "finds", "sells"), ("bread", "fish", "gold", "roses"))
# What differs in a pair comes from words of its own, so that a head learns it whether it reads a pair jointly or not.
_CHANGES = (("king", "queen", "cook"), ("paints", "hides", "takes"), ("hats", "books", "coins"))
_WORDS = ("a", "the", "is", "was", "this", "and", *chain(*_MOODS.values(), *_SENTENCE, *_CHANGES))

_TRAIN, _DEV, _TEST = 48, 24, 12

_TASKS = """\
[sst]
kind = "classification"
labels = ["bad", "fine", "good"]
text = "sentence"
label = "mood"
id = "id"
train = "sst-train.csv"
dev = "sst-dev.csv"
test = "sst-test.csv"

[para]
kind = "binary"
text = ["first", "second"]
label = "same"
id = "id"
train = "para-train.csv"
dev = "para-dev.csv"

[sts]
kind = "regression"
range = [0, 5]
text = ["first", "second"]
label = "score"
id = "id"
train = "sts-train.csv"
dev = "sts-dev.csv"
"""


@pytest.fixture(scope="session")
def tiny_encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory that `--encoder` reads: a BERT of two layers with random weights, and its WordPiece tokenizer."""
    from mtk.testing import tiny_encoder

    return tiny_encoder(tmp_path_factory.mktemp("tiny-encoder"), words=_WORDS)


@pytest.fixture(scope="session")
def tiny_corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory that `--data` reads: `sst` (three moods of one text, with a test file), `para` (whether two texts are
    equal, 0 or 1) and `sts` (how much of two texts is equal, 0 to 5). 48 training and 24 development rows each."""
    directory = tmp_path_factory.mktemp("tiny-corpus")
    (directory / "tasks.toml").write_text(_TASKS)
    rng = Random(0)
    for split, rows in (("train", _TRAIN), ("dev", _DEV)):
        _write(directory / f"sst-{split}.csv", "id,sentence,mood", (_mood(i, rng) for i in range(rows)))
        _write(directory / f"para-{split}.csv", "id,first,second,same", (_same(i, rng) for i in range(rows)))
        _write(directory / f"sts-{split}.csv", "id,first,second,score", (_score(i, rng) for i in range(rows)))
    _write(directory / "sst-test.csv", "id,sentence", (_mood(i, rng)[:2] for i in range(_TEST)))
    return directory


def _write(path: Path, header: str, rows: Iterable[tuple[str, ...]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header.split(","), *rows])


def _mood(number: int, rng: Random) -> tuple[str, ...]:
    mood = list(_MOODS)[number % len(_MOODS)]
    return f"m{number}", f"the {rng.choice(_SENTENCE[0])} is {rng.choice(_MOODS[mood])}", mood


def _same(number: int, rng: Random) -> tuple[str, ...]:
    first = _sentence(rng)
    return f"p{number}", " ".join(first), " ".join(_changed(first, 0 if number % 2 else 3, rng)), str(number % 2)


def _score(number: int, rng: Random) -> tuple[str, ...]:
    first, equal = _sentence(rng), number % 4
    return f"s{number}", " ".join(first), " ".join(_changed(first, 3 - equal, rng)), f"{5 * equal / 3:.2f}"


def _sentence(rng: Random) -> list[str]:
    return [rng.choice(words) for words in _SENTENCE]


def _changed(sentence: list[str], count: int, rng: Random) -> list[str]:
    """The sentence with `count` of its words replaced."""
    changed = list(sentence)
    for place in rng.sample(range(len(sentence)), count):
        changed[place] = rng.choice(_CHANGES[place])
    return changed


@pytest.fixture
def standin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A stand-in for the hub, which this process takes for it; what it loads down is kept for the test alone."""
    home = tmp_path / "home"
    home.mkdir()
    with running() as found:
        led_to(found.address, home, monkeypatch)
        yield found
