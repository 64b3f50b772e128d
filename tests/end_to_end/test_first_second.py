"""A slip of the pen is answered before torch is imported, and a part's option before transformers is."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

RUN = """
import atexit, sys
heavy = ("torch", "transformers")
atexit.register(lambda: print(*[name for name in heavy if name in sys.modules]))
sys.argv = ["mtk", "run", *{flags!r}]
from mtk_cli import main
main()
"""


def run(*flags: str) -> tuple[int, str, set[str]]:
    """Exit code, message, and what heavy was imported."""
    done = subprocess.run([sys.executable, "-c", RUN.format(flags=flags)], capture_output=True, text=True, check=False)
    return done.returncode, done.stderr, set(done.stdout.split())


@pytest.mark.parametrize(
    ("flags", "answer"),
    [
        (("--head", "sst=cnnn"), "There is no head 'cnnn'. Did you mean cnn?"),
        (("--head", "stt=cnn"), "There is no task 'stt' for heads. Did you mean sts or sst?"),
        (("--combiner", "pcgrd"), "There is no combiner 'pcgrd'. Did you mean pcgrad"),
        (("--augment", "edda"), "There is no augmenter 'edda'. Did you mean eda or aeda?"),
        (("--listen", "tensorbord"), "There is no listener 'tensorbord'. Did you mean tensorboard?"),
        (("--data", "nowhere"), "--data: nowhere does not exist."),
        (("--encoder", "./nowhere"), "--encoder: there is no directory ./nowhere."),
        (("--batch-size", "para=0"), "'0' will not do"),
    ],
)
def test_a_name_is_answered_before_torch_is_imported(flags: tuple[str, ...], answer: str) -> None:
    code, message, heavy = run(*flags)
    assert (code, heavy) == (2, set())
    assert answer in message


@pytest.mark.parametrize(
    ("flags", "answer"),
    [
        (("--head", "cnn:kernel=x"), "'x' is no value for option 'kernel' of 'cnn': it takes int, ≥ 1."),
        (("--combiner", "pcgrad:scop=layer"), "'pcgrad' has no option 'scop'. Did you mean scope?"),
    ],
)
def test_an_option_is_answered_before_data_and_encoder(flags: tuple[str, ...], answer: str, tmp_path: Path) -> None:
    code, message, heavy = run(*flags, "--encoder", str(tmp_path))
    assert (code, heavy) == (2, {"torch"})
    assert answer in message
