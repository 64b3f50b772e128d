"""What is written is whole or absent, at whatever moment a process dies; what is read is a regular file of bounded size."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from mtk.errors import DataError, MtkError
from mtk.files import read_file, standing, write_directory, write_file

# Writes the second version of a directory, and dies at the n-th thing that it does to the disk.
WRITER = """
import os, signal, sys
from pathlib import Path
from mtk.files import write_directory

path, deadly = Path(sys.argv[1]), int(sys.argv[2])
changes = 0

def hear(event, arguments):
    global changes
    writes = event == "open" and arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
    if (writes or event.startswith(("os.", "shutil."))) and any(str(path.parent) in str(argument) for argument in arguments):
        changes += 1
        if changes == deadly:
            os.kill(os.getpid(), signal.SIGKILL)

def fill(partial):
    (partial / "inner").mkdir()
    for name in ("one", "inner/two"):
        (partial / name).write_text("second")

sys.addaudithook(hear)
write_directory(path, fill)
"""


def first(partial: Path) -> None:
    (partial / "inner").mkdir()
    for name in ("one", "inner/two"):
        (partial / name).write_text("first")


def content(path: Path) -> set[str]:
    return {(standing(path) / name).read_text() for name in ("one", "inner/two")}


def test_a_death_at_any_moment_leaves_the_former_or_the_new(tmp_path: Path) -> None:
    seen, deadly = [], 1
    path = tmp_path / "model"
    write_directory(path, first)
    while True:
        done = subprocess.run([sys.executable, "-c", WRITER, str(path), str(deadly)], check=False)
        (found,) = content(path)  # both files of one version
        seen.append(found)
        if done.returncode == 0:
            break
        write_directory(path, first)  # whatever was left, the next one is written whole
        assert content(path) == {"first"}
        assert sorted(p.name for p in tmp_path.iterdir()) == ["model"]
        deadly += 1
    assert seen[0] == "first"
    assert seen[-1] == "second"
    assert deadly > 8


def full(*_: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("what", ["fsync", "rename", "mkdir"])
def test_a_full_disk_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    path = tmp_path / "model"
    write_directory(path, first)
    monkeypatch.setattr(os, what, full)
    with pytest.raises(
        MtkError, match=r"model cannot be written: No space left on device\. What was there before is untouched"
    ):
        write_directory(path, first)
    monkeypatch.undo()
    assert content(path) == {"first"}


@pytest.mark.parametrize("write", [lambda path: write_file(path, b"second"), lambda path: write_directory(path, full)])
def test_what_fails_leaves_no_trace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: Callable[[Path], None]) -> None:
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(MtkError, match="No space left on device"):
        write(tmp_path / "new")
    assert list(tmp_path.iterdir()) == []


def test_a_file_has_its_new_content_or_its_old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "summary.json"
    write_file(path, b"first")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(MtkError):
        write_file(path, b"second")
    assert path.read_bytes() == b"first"
    monkeypatch.undo()
    write_file(path, b"second")
    assert path.read_bytes() == b"second"


def test_modes_follow_the_umask(tmp_path: Path) -> None:
    def private(partial: Path) -> None:
        first(partial)
        (partial / "one").chmod(0o600)  # as safetensors leaves its files

    before = os.umask(0o027)
    try:
        write_file(tmp_path / "file", b"")
        write_directory(tmp_path / "directory", private)
    finally:
        os.umask(before)
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o640
    assert (tmp_path / "directory").stat().st_mode & 0o777 == 0o750
    assert (tmp_path / "directory" / "one").stat().st_mode & 0o777 == 0o640


def test_only_a_regular_file_of_bounded_size_is_read(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"12345")
    assert read_file(tmp_path / "file", "a test", 5) == b"12345"
    with pytest.raises(DataError, match="5 bytes are too many for a test; 4 are allowed"):
        read_file(tmp_path / "file", "a test", 4)
    os.mkfifo(tmp_path / "pipe")
    for name in ("pipe", "."):
        with pytest.raises(DataError, match="a test is a file, and this is none"):
            read_file(tmp_path / name, "a test", 5)
    with pytest.raises(DataError, match="a test cannot be read: No such file"):
        read_file(tmp_path / "absent", "a test", 5)
