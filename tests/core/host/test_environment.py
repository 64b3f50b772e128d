"""What is said of the environment is so, and no secret is among it."""

from __future__ import annotations

from importlib.metadata import version

import pytest
import torch

from mtk.data.token_cache import directory
from mtk.host import environment as module
from mtk.host.environment import environment


def test_it_names_releases_threads_and_caches() -> None:
    found = environment()
    assert found["mtk"] == version("multitask-toolkit")
    assert found["packages"]["torch"] == torch.__version__
    assert found["torch"]["threads"] == torch.get_num_threads()
    assert found["caches"]["tokens"].startswith(f"{directory()}: ")
    assert found["extras"]["hub"] == [], "which the tests need"


def test_what_an_extra_lacks_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    known = module.installed
    monkeypatch.setattr(module, "installed", lambda name: None if name == "pyarrow" else known(name))
    assert environment()["extras"]["hub"] == ["pyarrow>=21"]
    monkeypatch.setattr(module, "installed", lambda name: "1.0" if name == "pyarrow" else known(name))
    assert environment()["extras"]["hub"] == ["pyarrow>=21"]


def test_a_secret_is_not_among_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HF_TOKEN", "WANDB_API_KEY", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "hush")
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    found = environment()
    assert "hush" not in str(found)
    assert found["variables"]["OMP_NUM_THREADS"] == "3"
