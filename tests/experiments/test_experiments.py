"""The scripts beside the sweeps' files do what they say."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import building
import pytest
import torch

import mtk

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


def test_neighbours_are_those_of_the_cosine_and_become_a_task(tiny_encoder: Path, tiny_corpus: Path, tmp_path: Path) -> None:
    out = tmp_path / "near"
    made = script("neighbours.py", tiny_corpus, out, "--encoder", tiny_encoder, "--device", "cpu")
    assert made.returncode == 0, made.stderr
    data = building.read_tasks(out)["cos"]
    given = {
        pair for name in ("para", "sts") for pair in zip(*building.read_tasks(tiny_corpus)[name].train.texts, strict=True)
    }
    pairs = [dict(zip(zip(*split.texts, strict=True), split.labels or (), strict=True)) for split in (data.train, data.dev)]
    assert set(pairs[1]) < given
    assert given <= set(pairs[0]) | set(pairs[1])
    texts = sorted({text for pair in given for text in pair})
    encoder = building.encoder(tiny_encoder).eval()
    with torch.no_grad():
        inputs = dict(encoder.tokenizer(texts, padding=True, return_tensors="pt"))
        embeddings = torch.nn.functional.normalize(encoder(inputs).embedding, dim=-1)
    cosines = embeddings @ embeddings.T
    place = {text: number for number, text in enumerate(texts)}
    for split in pairs:
        for (first, second), cosine in split.items():
            assert cosine == pytest.approx(float(cosines[place[first], place[second]]), abs=0.02)
    nearest = cosines.fill_diagonal_(-2).argmax(dim=1).tolist()
    assert all((texts[i], texts[j]) in pairs[0] or cosines[i, j] > 0.999 for i, j in enumerate(nearest))


def test_the_best_recipe_is_three_commands(tiny_encoder: Path, tiny_corpus: Path, tmp_path: Path) -> None:
    near, before, after = tmp_path / "near", tmp_path / "before", tmp_path / "after"
    assert script("neighbours.py", tiny_corpus, near, "--encoder", tiny_encoder).returncode == 0
    mtk_run = [sys.executable, "-m", "mtk", "run", "--encoder", str(tiny_encoder), "--epoch", "2", "--quiet"]
    first = ["--data", str(near), "--head", "pretrained-cosine", "--batch-size", "32", "--epochs", "1", "--out", str(before)]
    subprocess.run([*mtk_run, *first], check=True, capture_output=True)
    then = ["--config", str(EXPERIMENTS / "best.toml"), "--from", str(before), "--data", str(tiny_corpus)]
    subprocess.run([*mtk_run, *then, "--out", str(after)], check=True, capture_output=True)
    model = mtk.load(after)
    assert [type(model.head(task)).__name__ for task in ("sst", "para", "sts")] == ["CNN", *["PretrainedCosine"] * 2]
    began = building.encoder(tiny_encoder).backbone.state_dict()
    assert model.pretrained is not None
    kept = model.pretrained.backbone.state_dict()
    assert all(torch.equal(kept[name], values) for name, values in began.items()), "it is from before either run"
