"""A part: what one `NAME:key=value` asks for, built with what its constructor names."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import mtk
from mtk.host.registry import Registry

PLUGIN = """
import mtk

@mtk.hookimpl
def mtk_register(registry):
    registry.head("own", "clinic_part:Rank", summary="s")
    registry.augmenter("own", "clinic_part:Echo", summary="s")
"""
PARTS = """
from pathlib import Path
import mtk

class Rank(mtk.Head):
    def __init__(self, width, task, *, dropout: float = 0.1, rank: int = 2, words: Path | None = None):
        super().__init__()
        if rank > width:
            raise ValueError("rank is above the width")
        self.made_of = (width, task, dropout, rank, words)
    def forward(self, first):
        return first.embedding

class Echo(mtk.Augmenter):
    copies = 3
    def __call__(self, words, rng):
        return list(words)
"""
OFFERED = {"width": 8, "outputs": 3, "inputs": 1, "task": "the task"}


@pytest.fixture
def registry(install: Callable[..., Path]) -> Registry:
    install("clinic", {"clinic": PLUGIN, "clinic_part": PARTS}, {"ward": "clinic"})
    return Registry()


def test_it_is_built_with_what_it_names_and_its_options(registry: Registry) -> None:
    built = registry.part("head", "own:rank=4").build(**OFFERED)
    assert built.made_of == (8, "the task", 0.1, 4, None)
    assert built._component == registry.find("head", "own"), "a message can name it"


def test_a_default_is_for_those_that_have_it_and_were_given_no_other(registry: Registry) -> None:
    assert registry.part("head", "own", {"dropout": "0.3", "nothing": "1"}).text == "own:dropout=0.3"
    assert registry.part("head", "own:dropout=0.5", {"dropout": "0.3"}).options == {"dropout": 0.5}


def test_it_is_recorded_with_its_package_and_with_paths_in_full(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    part = registry.part("head", "own:rank=3,words=a.txt")
    assert part.recorded == f"clinic/own:rank=3,words={tmp_path}/a.txt"
    assert part.options["words"] == Path("a.txt")


def test_what_the_framework_adds_is_kept_from_the_constructor(registry: Registry) -> None:
    assert registry.part("augmenter", "own:copies=5").framework == {"copies": 5}
    assert registry.part("augmenter", "own").framework == {"copies": None}
    assert registry.part("augmenter", "own:copies=5").build().copies == 3
    with pytest.raises(mtk.UsageError, match="'own' has no option 'copies'"):
        registry.part("head", "own:copies=5")


def test_a_value_that_the_constructor_refuses_is_the_users_mistake(registry: Registry) -> None:
    with pytest.raises(mtk.UsageError, match=r"^'own:rank=9' cannot be built: rank is above the width$"):
        registry.part("head", "own:rank=9").build(**OFFERED)
