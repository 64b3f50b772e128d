"""A command line that configures runs and makes none, a package on the path, and one real run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from command_line import PLAN, RESULT, TINY, invoke

import mtk
from mtk.config import RunConfig
from mtk.events import Result as RunResult

Runs = list[RunConfig]
Install = Callable[..., None]


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> Runs:
    """The configurations that `mtk run` runs, without running them."""
    configs: Runs = []

    def run(config: RunConfig, *, out: Path | None, listeners: list[Any], shard: bool = False) -> RunResult:
        configs.append(config)
        for listener in listeners:
            for hook, event in (("mtk_run_started", PLAN), ("mtk_run_finished", RESULT)):
                getattr(listener, hook, lambda _: None)(event)
        return RESULT

    monkeypatch.setattr(mtk, "run", run, raising=False)
    return configs


@pytest.fixture
def install_one(install: Callable[..., Path]) -> Install:
    """Puts a package of one module on the path, as an installer would; plugin and module have its name."""

    def install_one(package: str, source: str) -> None:
        module = package.replace("-", "_")
        install(package, {module: source}, {package: module})

    return install_one


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "tiny"
    result = invoke("run", *TINY, "--epochs", "1", "--out", str(out))
    assert result.exit_code == 0, result.output
    assert "epoch 1, step 1: average" in result.stdout
    assert str(out) in result.stdout
    return out
