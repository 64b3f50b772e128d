"""The notebook runs, on a tiny encoder and a few rows, and gives what stands in it: as many outputs, of the same form."""

from __future__ import annotations

import json
import runpy
from pathlib import Path
from typing import Any

import pytest
from short import short

NOTEBOOK = Path(__file__).parents[2] / "docs" / "notebook.ipynb"

pytestmark = pytest.mark.slow  # a kernel that imports everything


def forms(notebook: Any) -> list[list[list[str]]]:
    """Of each cell, what each of its outputs is."""
    return [
        [sorted(output.get("data", [output.get("name", output["output_type"])])) for output in cell.get("outputs", ())]
        for cell in notebook["cells"]
    ]


def test_it_gives_what_stands_in_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("nbclient", reason="the extra test is not installed")
    pytest.importorskip("ipykernel", reason="the extra test is not installed")
    for variable in ("IPYTHONDIR", "JUPYTER_RUNTIME_DIR"):  # where a kernel leaves something
        monkeypatch.setenv(variable, str(tmp_path / variable))
    executed = runpy.run_path(str(NOTEBOOK.with_suffix(".py")))["executed"]
    done = executed(tmp_path, PYTHONPATH=str(short(tmp_path / "site")), OMP_NUM_THREADS="1")
    kept = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    assert forms(done) == forms(kept)
    assert not [cell for cell in forms(done) if ["stderr"] in cell]
    told = done["cells"][1]["outputs"][0]["text"]
    assert "\r" not in told, "the line that moved is gone"
    assert "Done: best average" in told
