"""`mtk.run(progress=True)`: a run from Python shows what `mtk run` shows, and its configuration knows nothing of it."""

from __future__ import annotations

from pathlib import Path

import pytest

import mtk


def test_a_run_from_python_shows_how_it_goes(
    tiny_corpus: Path, tiny_encoder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = {"data": str(tiny_corpus), "encoder": str(tiny_encoder), "steps": 1, "device": "cpu"}
    heard: list[str] = []

    class Listener:
        @mtk.hookimpl
        def mtk_run_preparing(self, preparation: mtk.Preparation) -> None:
            heard.append(preparation.stage)

    mtk.run(**settings, out=tmp_path / "run", progress=True, listeners=[Listener()])
    shown = capsys.readouterr().out
    assert "epoch 1, step 1: average" in shown
    assert str(tmp_path / "run") in shown
    assert heard == ["reading 3 tasks", f"loading the encoder {tiny_encoder}", "tokenizing", "a dry run"]
    assert "progress" not in (tmp_path / "run" / "config.toml").read_text()

    mtk.run(**settings, out=tmp_path / "silent")
    assert capsys.readouterr().out == ""


def test_where_the_listener_is_not_there_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MTK_DISABLE_PLUGINS", "progress")
    with pytest.raises(mtk.UsageError, match="no listener 'multitask-toolkit/progress'"):
        mtk.run(progress=True)
