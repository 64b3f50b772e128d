"""What is written is whole or absent, at whatever moment a process dies; what is read is a regular file of bounded size."""

from __future__ import annotations

import errno
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from mtk.errors import DataError, MtkError
from mtk.files import append, read_file, settle, standing, write_directories, write_directory, write_file

# Writes the second version of two directories, and dies at the n-th thing that it does to the disk.
WRITER = """
import os, signal, sys
from pathlib import Path
from mtk.files import write_directories

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
write_directories({path: fill, path.with_name("beside"): fill})
"""


def first(partial: Path) -> None:
    (partial / "inner").mkdir()
    for name in ("one", "inner/two"):
        (partial / name).write_text("first")


def content(path: Path) -> set[str]:
    return {(standing(path) / name).read_text() for name in ("one", "inner/two")}


def test_a_death_at_any_moment_leaves_the_former_or_the_new(tmp_path: Path) -> None:
    seen, deadly = [], 1
    path, beside = tmp_path / "model", tmp_path / "beside"
    write_directories({path: first, beside: first})
    while True:
        done = subprocess.run([sys.executable, "-c", WRITER, str(path), str(deadly)], check=False)
        (found,) = content(path)  # both files of one version
        assert not beside.exists() or content(beside) == {found}, "the other is of the same one, or away"
        seen.append(found)
        if done.returncode == 0:
            break
        settle([path, beside])
        assert content(path) == {found}
        assert not beside.exists() or content(beside) == {found}
        write_directories({path: first, beside: first})  # whatever was left, the next ones are written whole
        assert content(path) == content(beside) == {"first"}
        assert sorted(p.name for p in tmp_path.iterdir()) == ["beside", "model"]
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


@pytest.mark.parametrize("renamed", range(1, 5))
def test_what_fails_between_two_directories_leaves_both(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, renamed: int
) -> None:
    path, beside = tmp_path / "model", tmp_path / "beside"
    write_directories({path: first, beside: first})
    real, left = os.rename, [renamed]

    def rename(*paths: Path) -> None:
        left[0] -= 1
        if left[0] == 0:
            full()
        real(*paths)

    monkeypatch.setattr(os, "rename", rename)
    with pytest.raises(MtkError, match="What was there before is untouched"):
        write_directories({path: lambda p: first(p), beside: lambda p: first(p)})
    assert content(path) == content(beside) == {"first"}
    assert sorted(p.name for p in tmp_path.iterdir()) == ["beside", "model"]


def test_a_link_in_the_place_of_a_directory_is_replaced_and_what_it_leads_to_stays(tmp_path: Path) -> None:
    (tmp_path / "away").mkdir()
    (tmp_path / "away" / "mine").write_text("mine")
    for target in ("away", "nowhere"):
        (tmp_path / "model").symlink_to(target)
        write_directory(tmp_path / "model", first)
        assert content(tmp_path / "model") == {"first"}
        assert (tmp_path / "away" / "mine").read_text() == "mine"
        shutil.rmtree(tmp_path / "model")


def test_what_is_added_is_added_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "lines"
    append(path, b"one\n")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (6, before[1]))  # as a quota does
    try:
        with pytest.raises(MtkError, match="lines cannot be written: File too large"):
            append(path, b"another\n")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert path.read_bytes() == b"one\n"
    append(path, b"two\n")
    assert path.read_bytes() == b"one\ntwo\n"


def test_nothing_is_added_through_a_link_or_to_a_pipe(tmp_path: Path) -> None:
    (tmp_path / "away").write_text("mine")
    (tmp_path / "link").symlink_to("away")
    os.mkfifo(tmp_path / "pipe")
    for name in ("link", "pipe", "."):
        with pytest.raises(MtkError, match="cannot be written"):
            append(tmp_path / name, b"x")
    assert (tmp_path / "away").read_text() == "mine"


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
