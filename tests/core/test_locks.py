"""One process has a lock, until it releases it or dies; whoever looks whether it is held changes nothing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import mtk
from mtk.locks import Lock, is_locked

HOLDS = """
import sys
from pathlib import Path
from mtk.locks import Lock
Lock.take(Path(sys.argv[1]))
print("held", flush=True)
input()
"""


def test_one_has_it_until_it_is_released(tmp_path: Path) -> None:
    file = tmp_path / "lock"
    assert not is_locked(file)
    assert not file.exists(), "who looks makes none"
    mine = Lock.take(file)
    assert mine is not None
    assert is_locked(file)
    assert Lock.take(file) is None
    mine.release()
    assert not is_locked(file)
    again = Lock.take(file)
    assert again is not None
    again.release()


def test_a_death_releases_it(tmp_path: Path) -> None:
    file = tmp_path / "lock"
    holder = subprocess.Popen([sys.executable, "-c", HOLDS, str(file)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert holder.stdout is not None
    holder.stdout.readline()
    assert is_locked(file)
    holder.kill()
    holder.wait()
    assert file.exists(), "it could not remove its file"
    assert not is_locked(file)
    lock = Lock.take(file)
    assert lock is not None
    lock.release()


def test_one_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    with pytest.raises(mtk.MtkError, match=r"nowhere/lock cannot be written"):
        Lock.take(tmp_path / "nowhere" / "lock")
