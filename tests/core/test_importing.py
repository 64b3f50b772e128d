"""What is imported with less work is all there."""

from __future__ import annotations

import gc
import subprocess
import sys
from pathlib import Path

import pytest

from mtk.importing import deferred, unsearched


def test_garbage_is_looked_for_again_afterwards() -> None:
    with pytest.raises(KeyError), unsearched():
        assert not gc.isenabled()
        raise KeyError
    assert gc.isenabled()
    gc.disable()
    try:
        with unsearched():
            pass
        assert not gc.isenabled(), "as the caller had it"
    finally:
        gc.enable()


_FROZEN = """
import gc
from mtk.importing import import_transformers
import_transformers()
print(gc.get_freeze_count() > 100_000)
"""


def test_what_was_imported_is_never_looked_through_but_where_torch_was_there_before() -> None:
    told = [
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
        for code in (_FROZEN, f"import torch{_FROZEN}")
    ]
    assert told == ["True", "False"]


@pytest.fixture
def late(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a package that can be imported, and has not been."""
    (tmp_path / "late").mkdir()
    (tmp_path / "late" / "__init__.py").write_text("def double(x):\n    return 2 * x\n\n\nLIMIT = 3\n")
    (tmp_path / "late" / "inner.py").write_text("DEEP = 4\n")
    monkeypatch.syspath_prepend(tmp_path)
    for name in ("late", "late.inner"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    return "late"


def test_a_function_is_imported_when_it_is_called(late: str) -> None:
    with deferred(late, "double"):
        from late import double  # type: ignore[import-not-found]
    assert late not in sys.modules
    assert double(4) == 8
    assert double(4) == 8
    import late as real  # type: ignore[import-not-found]

    assert real.double(3) == 6
    assert real.LIMIT == 3


def test_what_else_is_asked_for_is_there_at_once(late: str) -> None:
    with deferred(late, "double"):
        from late import LIMIT

        assert LIMIT == 3
        import late as real

        assert real.double.__module__ == "late", "the real one, from now on"
    assert sys.modules[late] is real


def test_a_module_in_it_is_too(late: str) -> None:
    with deferred(late, "double"):
        from late.inner import DEEP  # type: ignore[import-not-found]
    assert DEEP == 4


def test_what_was_imported_before_stays(late: str) -> None:
    import late as real

    with deferred(late, "double"):
        from late import double
    assert double is real.double


_DETECTION = """
import sys
from mtk.importing import import_transformers
import_transformers()
print("scipy.optimize" in sys.modules)
from transformers.loss import loss_for_object_detection as losses
rows, columns = losses.linear_sum_assignment([[1, 0], [0, 1]])
print(rows.tolist(), columns.tolist(), "scipy.optimize" in sys.modules)
"""


def test_transformers_does_not_import_scipys_optimizers_and_can_call_them() -> None:
    done = subprocess.run([sys.executable, "-c", _DETECTION], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["False", "[0, 1] [1, 0] True"]
