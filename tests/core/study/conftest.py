"""Cells that train in a second."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="session")
def tiny(tiny_corpus: Path, tiny_encoder: Path) -> dict[str, Any]:
    """Settings of a small run."""
    settings = {"data": str(tiny_corpus), "encoder": str(tiny_encoder), "device": "cpu", "precision": "fp32"}
    return {**settings, "heads": "linear", "epochs": 2, "checkpoint_every": "1"}
