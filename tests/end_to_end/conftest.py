"""What tests of runs in several processes share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import together


@pytest.fixture(scope="module")
def settings(tiny_encoder: Path, tiny_corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Of a run without dropout: what that drops depends on who draws."""
    encoder = together.without_dropout(tiny_encoder, tmp_path_factory.mktemp("encoder"))
    return {**together.SETTINGS, "data": str(tiny_corpus), "encoder": str(encoder)}


@pytest.fixture
def one_thread() -> Iterator[None]:
    with together.one_thread():
        yield
