"""The whole way over the hub, in processes that its own variables lead to a stand-in: data and encoder in, a model out, and
the same run again from the cache, where nothing may be asked."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hub_standin import environment, running

from mtk.config import read_config

pytest.importorskip("datasets", reason="the extra hub is not installed")

TASKS = """\
[mood]
kind = "classification"
labels = ["bad", "good"]
data = "org/moods"
text = "sentence"
label = "mood"
train = "train"
dev = "validation"
"""


def mtk(*commands: list[str], **variables: str) -> subprocess.CompletedProcess[str]:
    """Several commands, one after the other in one process, as far as the first that fails."""
    code = (
        "import json, sys; from mtk_cli import cli; "
        "sys.exit(next(filter(None, (cli(c, standalone_mode=False) for c in json.loads(sys.argv[1]))), 0))"
    )
    return subprocess.run(
        [sys.executable, "-c", code, json.dumps(commands)],
        capture_output=True,
        text=True,
        env={**os.environ, **variables},
        check=False,
    )


@pytest.mark.slow  # two processes that import everything
def test_data_and_encoder_come_from_it_and_the_model_goes_there(tiny_encoder: Path, tmp_path: Path) -> None:
    (tmp_path / "tasks.toml").write_text(TASKS)
    rows = "".join(
        json.dumps({"sentence": f"the dog is {mood}", "mood": label}) + "\n"
        for mood, label in [("sad", "bad"), ("happy", "good")] * 6
    ).encode()
    run, again = tmp_path / "run", tmp_path / "again"
    asked = ["run", "--data", str(tmp_path), "--encoder", "org/tiny", "--head", "linear", "--steps", "2", "--quiet"]
    with running() as hub:
        data, at = hub.add("dataset", "org/moods", {"train.jsonl": rows, "dev.jsonl": rows}, private=True)
        _, encoder = hub.add("model", "org/tiny", tiny_encoder, private=True)
        variables = environment(hub.address, tmp_path / "home")
        done = mtk([*asked, "--out", str(run)], ["push", str(run), "org/moods-model", "--private"], **variables)
        assert done.returncode == 0, done.stderr
        assert "huggingface" not in done.stderr.lower(), "no other library has a word in it"
        pushed = hub.repositories["model", "org/moods-model"]
        assert {"model.safetensors", "heads.safetensors", "README.md", "tasks.json"} <= pushed.commits[
            pushed.branches["main"]
        ].keys()
        data.commit({"train.jsonl": rows * 2})
        hub.asked.clear()
        repeated = ["run", "--config", str(run / "config.toml"), "--quiet", "--out", str(again)]
        offline = mtk(repeated, **variables, HF_HUB_OFFLINE="1")
        assert offline.returncode == 0, offline.stderr
        assert hub.asked == []
    config = read_config(run / "config.toml")
    assert config["revisions"] == {"data org/moods": at, "encoder org/tiny": encoder}
    assert read_config(again / "config.toml") == config
    weights = "model/encoder/model.safetensors"
    assert (again / weights).read_bytes() == (run / weights).read_bytes()
