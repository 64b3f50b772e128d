"""Options of every type are set from the command line, recorded, and read again by whoever repeats the run or loads it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

import mtk
from mtk.config import read_config
from mtk_cli import cli

PLUGIN = """
import mtk

@mtk.hookimpl
def mtk_register(registry):
    registry.head("taught", "clinic_part:Taught", summary="s")
    registry.combiner("shares", "clinic_part:Shares", summary="s")
"""
PARTS = """
from pathlib import Path
from typing import Annotated, Literal
import mtk, torch
from msgspec import Meta

class Taught(mtk.Head):
    pair_encoding = "joint"
    def __init__(self, width, outputs, *, words: Path, more: list[Path] = [],
                 rates: list[Annotated[float, Meta(gt=0)]] = [1.0], bias: bool = False,
                 depth: int | None = 1, act: Literal["relu", "tanh"] = "relu", gain=1.0):
        super().__init__()
        self.words = [path.read_text() for path in (words, *more)]
        self.rates, self.depth, self.act, self.gain = rates, depth, act, gain
        self.score = torch.nn.Linear(width, outputs, bias=bias)
    def forward(self, first):
        return self.score(first.embedding) * self.gain

class Shares(mtk.GramianCombiner):
    def __init__(self, tasks, *, shares: list[float] | None = None):
        super().__init__(tasks)
        if shares and len(shares) != len(tasks):
            raise ValueError(f"{len(shares)} shares for {len(tasks)} tasks")
        self.register_buffer("shares", torch.tensor(shares or [1.0] * len(tasks)), persistent=False)
    def weights(self, gramian):
        return self.shares
"""


def test_they_are_set_recorded_and_read_again(
    install: Callable[..., Path],
    tiny_corpus: Path,
    tiny_encoder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    install("clinic", {"clinic": PLUGIN, "clinic_part": PARTS}, {"ward": "clinic"})
    for name in ("a.txt", "b.txt", "c.txt"):
        (tmp_path / name).write_text(name)
    monkeypatch.chdir(tmp_path)
    head = f"taught:words=a.txt,more=b.txt{os.pathsep}c.txt,rates=0.1/0.2,bias=true,depth=none,act=tanh,gain=2"
    small = ("--data", str(tiny_corpus), "--encoder", str(tiny_encoder), "--limit", "4", "--steps", "1", "--device", "cpu")
    flags = ("--head", f"sst={head}", "--combiner", "shares:shares=1/0.5/2")
    result = CliRunner().invoke(cli, ["run", *small, *flags, "--out", "run"])
    assert result.exit_code == 0, result.stderr

    text = head.replace("a.txt", f"{tmp_path}/a.txt").replace("b.txt", f"{tmp_path}/b.txt")
    text = text.replace(f"{os.pathsep}c.txt", f"{os.pathsep}{tmp_path}/c.txt")
    config = read_config(tmp_path / "run" / "config.toml")
    assert config["heads"]["sst"] == f"clinic/{text}"
    assert config["combiner"] == "clinic/shares:shares=1/0.5/2"
    card = json.loads((tmp_path / "run" / "model" / "model.json").read_text())
    assert card["heads"]["sst"]["options"]["rates"] == "0.1/0.2"

    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")  # the record means the same from there
    loaded = mtk.load(tmp_path / "run", device="cpu").head("sst")
    assert loaded.words == ["a.txt", "b.txt", "c.txt"]
    assert (loaded.rates, loaded.depth, loaded.act, loaded.gain) == ([0.1, 0.2], None, "tanh", 2.0)
    repeated = CliRunner().invoke(
        cli, ["run", "--config", str(tmp_path / "run" / "config.toml"), "--out", "again", "--json"]
    )
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert json.loads(repeated.stdout)["metrics"] == summary["best"]["metrics"]


@pytest.mark.parametrize(
    ("flag", "message"),
    [
        ("taught", "'taught' needs option 'words': write taught:words=…"),
        ("taught:words=a,rates=1/0", "'1/0' is no value for option 'rates' of 'taught': it takes float/float…, > 0."),
        ("taught:words=a,act=gelu", "'gelu' is no value for option 'act' of 'taught': it takes relu|tanh."),
        ("taught:words=a,gain=much", "'much' is no value for option 'gain' of 'taught': it takes float."),
    ],
)
def test_a_value_that_does_not_fit_is_refused(install: Callable[..., Path], flag: str, message: str) -> None:
    install("clinic", {"clinic": PLUGIN, "clinic_part": PARTS}, {"ward": "clinic"})
    result = CliRunner().invoke(cli, ["run", "--head", flag, "--limit", "4"])
    assert (result.exit_code, result.stderr) == (2, f"error: {message}\n")


def test_show_tells_how_each_is_written(install: Callable[..., Path]) -> None:
    install("clinic", {"clinic": PLUGIN, "clinic_part": PARTS}, {"ward": "clinic"})
    rows = [line.split("  ") for line in CliRunner().invoke(cli, ["show", "taught"]).stdout.splitlines()]
    shown = {row[0].strip(): [cell.strip() for cell in row[1:] if cell.strip()] for row in rows}
    assert shown["words"] == ["path", "must be given"]
    assert shown["rates"] == ["float/float…, > 0", "1.0"]
    assert shown["bias"] == ["bool", "false"]
    assert shown["depth"] == ["int or none", "1"]
