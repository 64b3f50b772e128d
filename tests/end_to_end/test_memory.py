"""Running out of memory ends in one message, which names the batch and the knob: in training, in eval and in predict."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import mtk

# What the process may take beyond what it has when everything is imported: less than one tensor of the attention's scores,
# which is 393 MB, and far more than the tokenizer needs, which ends the process where an allocation fails.
BOUNDED = """
import resource, sys
from pathlib import Path
import torch, mtk_cli
from mtk.model import multitask
from mtk.training import loop

torch.set_num_threads(1)
multitask.EVALUATION_BATCH = int(sys.argv[1])
multitask.EVALUATION_TOKENS = 128 * multitask.EVALUATION_BATCH
taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (taken + (350 << 20),) * 2)
sys.argv = ["mtk", *sys.argv[2:]]
mtk_cli.main()
"""
LONG = " ".join(["the dog sees bread"] * 40)

TASKS = """
[long]
kind = "binary"
labels = ["no", "yes"]
text = "text"
label = "label"
train = "train.csv"
dev = "dev.csv"
"""


@pytest.fixture
def long_corpus(tmp_path: Path) -> Path:
    """Texts of 160 words, a batch of which takes some hundred megabytes."""
    (tmp_path / "corpus").mkdir()
    for split, rows in (("train", 3000), ("dev", 3000)):
        lines = ["text,label", *(f"{LONG},{('yes', 'no')[row % 2]}" for row in range(rows))]
        (tmp_path / "corpus" / f"{split}.csv").write_text("\n".join(lines))
    (tmp_path / "corpus" / "tasks.toml").write_text(TASKS)
    return tmp_path / "corpus"


def bounded(rows: int, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", BOUNDED, str(rows), *arguments]
    one_thread = {"TOKENIZERS_PARALLELISM": "false", "MALLOC_ARENA_MAX": "1"}  # each thread would set 64 MB aside
    return subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **one_thread})


def test_the_batch_and_the_knob_are_named(long_corpus: Path, tiny_encoder: Path, tmp_path: Path) -> None:
    given = ("--data", str(long_corpus), "--encoder", str(tiny_encoder), "--head", "linear", "--device", "cpu")
    given = (*given, "--precision", "fp32", "--max-length", "128", "--steps", "1")
    ended = bounded(4, "run", *given, "--batch-size", "3000", "--out", str(tmp_path / "run"))
    assert ended.returncode == 1, ended.stderr
    assert (
        "error: Out of memory in step 1, on a batch of long: 3,000 examples, read as 3,000 sequences of 128" in ended.stderr
    )
    assert "--accumulate 2" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert not (tmp_path / "run").exists()

    mtk.run(
        data=str(long_corpus), encoder=str(tiny_encoder), heads="linear", device="cpu", precision="fp32", max_length=128,
        limit=8, steps=1, batch_size=4, out=tmp_path / "run",
    )  # fmt: skip
    file = str(long_corpus / "dev.csv")
    for command in (
        ("eval", str(tmp_path / "run"), "--data", str(long_corpus)),
        ("predict", str(tmp_path / "run"), "long", file),
    ):
        ended = bounded(3000, *command, "--device", "cpu")
        assert ended.returncode == 1, ended.stderr
        assert "error: Out of memory in predicting long for 3,000 examples, read as 3,000 sequences of 128" in ended.stderr
        assert "Use --precision bf16 or a --device with more memory" in ended.stderr
        assert "Traceback" not in ended.stderr
