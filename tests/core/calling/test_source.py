"""Where code lies, and whether a module defines a name, found without importing it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import pytest

from mtk.calling.source import file_of, folder_of, line_of, may_define, module_file


@pytest.mark.parametrize(
    "source",
    [
        "class Head: ...",
        "def Head(): ...",
        "Head = 3",
        "Head: type = int",
        "from elsewhere import Head",
        "from elsewhere import (\n    Tail as Head,\n)",
        "import Head",
        "try:\n    from fast import Head\nexcept ImportError:\n    class Head: ...",
        "for Head in (1, 2): ...",
        "if (Head := 3): ...",
        "from elsewhere import *",
        "def __getattr__(name): ...",
        "globals()['He' + 'ad'] = 3",
        "raise ImportError('install the extra')",  # which explains itself when it is asked for
        "class Head(:",  # whose import says what is wrong
    ],
)
def test_a_module_may_define_what_its_source_binds(source: str) -> None:
    assert may_define(source, "Head")


@pytest.mark.parametrize(
    "source", ["", "import mtk\n\nclass Haed(mtk.Head): ...", "# Head", "'Head'", "x.Head = 3", "class HeadOfAll: ..."]
)
def test_a_module_that_only_mentions_a_name_does_not(source: str) -> None:
    assert not may_define(source, "Head")


def test_files_are_found_in_packages_that_are_not_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, text in {"ward/__init__.py": "1 / 0", "ward/bed.py": "", "ward/sick/__init__.py": "", "alone.py": ""}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "ward" / f"fast{EXTENSION_SUFFIXES[0]}").write_bytes(b"")
    (tmp_path / "ward" / "data").mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    for module, file in {
        "ward": "ward/__init__.py",
        "ward.bed": "ward/bed.py",
        "ward.sick": "ward/sick/__init__.py",
        "ward.fast": f"ward/fast{EXTENSION_SUFFIXES[0]}",
        "alone": "alone.py",
    }.items():
        assert module_file(module) == tmp_path / file
    assert file_of("ward.bed") == tmp_path / "ward" / "bed.py"
    assert [module_file(m) for m in ("ward.nothing", "nothing", "nothing.at.all", "ward.data")] == [None] * 4
    assert folder_of("ward:data") == tmp_path / "ward" / "data"
    assert folder_of("ward:nothing") is None
    assert "ward" not in sys.modules


def test_an_error_is_placed_at_the_last_line_of_the_package_that_it_passed(install: Callable[..., Path]) -> None:
    site = install("clinic", {"clinic": "import json\n\ndef fail():\n    json.loads('{')\n"})
    import clinic  # type: ignore[import-not-found]

    with pytest.raises(ValueError) as caught:
        clinic.fail()
    assert line_of(caught.value, "clinic") == f" ({site / 'clinic.py'}:4)"
    assert line_of(caught.value, "mtk") == ""
