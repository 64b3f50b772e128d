"""The scripts beside the sweeps' files do what they say."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

EXPERIMENTS = Path(__file__).parents[2] / "experiments"


def script(name: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(EXPERIMENTS / name), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_how_tasks_got_along_is_drawn(tiny_encoder: Path, tiny_corpus: Path, tmp_path: Path) -> None:
    sweep = [sys.executable, "-m", "mtk", "sweep", "--combiner", "pcgrad", "--seed", "0,1", "--epochs", "1"]
    sweep += ["--data", str(tiny_corpus), "--encoder", str(tiny_encoder), "--out", str(tmp_path / "sweep")]
    subprocess.run(sweep, check=True, capture_output=True)
    out, figures = tmp_path / "conflict.svg", tmp_path / "conflict.json"
    listed = script("conflict.py", tmp_path / "sweep", "--row", "no such row", "--out", out)
    assert listed.returncode == 1
    name = listed.stderr.split("It has ")[1].strip().rstrip(".")
    assert script("conflict.py", tmp_path / "sweep", "--row", name, "--out", out, "--json", figures).returncode == 0
    found = json.loads(figures.read_text())
    assert out.read_text().startswith("<?xml")
    assert found["seeds"] == [0, 1]
    assert set(found["cosines"]) == {"sst/para", "sst/sts", "para/sts"}
    shares = found["in conflict"]
    assert shares["any pair, before"] >= max(shares[pair] for pair in found["cosines"])
    assert all(0 <= share <= 1 for share in shares.values())


def test_a_part_is_held_out_and_nothing_is_lost(tmp_path: Path) -> None:
    lines = [f"{number}\ttext {number}\t{number % 2}\n" for number in range(60)]
    (tmp_path / "ids-sst-train.csv").write_text("id\tsentence\tsentiment\n" + "".join(lines))
    assert script("hold_out.py", tmp_path, tmp_path / "held").returncode == 0
    kept, aside = ((tmp_path / f"held/ids-sst-{split}.csv").read_text().splitlines(True) for split in ("train", "dev"))
    assert (len(kept), len(aside)) == (51, 11)
    assert kept[0] == aside[0] == "id\tsentence\tsentiment\n"
    assert sorted([*kept[1:], *aside[1:]]) == sorted(lines)
