"""What is kept in the user's cache is what would be made anew, and no file there can spoil a run."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from mtk import cache


@pytest.fixture(autouse=True)
def _empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MTK_CACHE", str(tmp_path / "cache"))


class Make:
    """Gives some content, and counts how often it is asked."""

    def __init__(self, content: bytes = b"what was made") -> None:
        self.content, self.asked = content, 0

    def __call__(self) -> bytes:
        self.asked += 1
        return self.content


def files() -> list[Path]:
    return list(cache.directory("some").iterdir())


def test_it_is_made_once() -> None:
    make = Make()
    assert [cache.kept("some", ["a", b"b"], make) for _ in range(3)] == [make.content] * 3
    assert make.asked == 1
    assert len(files()) == 1


def test_every_part_decides() -> None:
    parts: list[list[str | bytes]] = [["a", "b"], ["ab"], ["b", "a"], ["a"], ["a", "b", ""], []]
    made = [cache.kept("some", some, Make(str(some).encode())) for some in parts]
    assert made == [str(some).encode() for some in parts]
    assert cache.kept("some", [b"a", b"b"], Make()) == made[0], "a text is its UTF-8"
    assert cache.kept("other", ["a", "b"], Make()) == b"what was made"


@pytest.mark.parametrize("damage", [lambda w: w[:-8], lambda w: w[:-1] + b"!", lambda w: b"", lambda w: b"no entry at all"])
def test_a_damaged_file_is_made_again(damage: Callable[[bytes], bytes]) -> None:
    make = Make()
    cache.kept("some", ["a"], make)
    (file,) = files()
    whole = file.read_bytes()
    file.write_bytes(damage(whole))
    assert cache.kept("some", ["a"], make) == make.content
    assert make.asked == 2
    assert file.read_bytes() == whole
    assert files() == [file]


def test_a_directory_that_cannot_be_written_fails_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("MTK_CACHE", str(tmp_path / "file"))  # not even root makes a directory there
    assert cache.kept("some", ["a"], Make()) == b"what was made"

    def full(*arguments: object) -> None:
        raise OSError("No space left on device")

    monkeypatch.setenv("MTK_CACHE", str(tmp_path / "full"))
    monkeypatch.setattr(Path, "replace", full)
    assert cache.kept("some", ["a"], Make()) == b"what was made"
    assert files() == []


def test_a_cache_that_can_only_be_read_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    make = Make()
    cache.kept("some", ["a"], make)

    def refuse(*arguments: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "utime", refuse)
    assert cache.kept("some", ["a"], make) == make.content
    assert make.asked == 1


def test_what_has_not_been_used_for_longest_makes_room(monkeypatch: pytest.MonkeyPatch) -> None:
    make = Make()
    for name in "abc":
        cache.kept("some", [name], make)
    by_age = sorted(files(), key=lambda file: file.stat().st_mtime_ns)
    for file, seconds in zip(by_age, (1, 3, 2), strict=True):
        os.utime(file, (seconds, seconds))
    cache.kept("some", ["a"], make)  # read, so that it is the last used
    assert make.asked == 3
    monkeypatch.setattr(cache, "LIMIT", int(3.5 * by_age[0].stat().st_size))
    cache.kept("some", ["d"], make)
    assert len(files()) == 3
    assert {by_age[0], by_age[1]} < set(files())


def test_where_it_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert cache.directory("some") == Path(os.environ["MTK_CACHE"]) / "some"
    monkeypatch.setenv("MTK_CACHE", "")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache.directory("some") == tmp_path / "mtk" / "some"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache.directory("some") == tmp_path / ".cache" / "mtk" / "some"


def test_without_a_home_there_is_no_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MTK_CACHE")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)

    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", homeless)
    assert cache.kept("some", ["a"], Make()) == b"what was made"


def test_nothing_has_the_name_of_an_entry_before_it_is_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    write = Path.write_bytes
    halfway: list[Path] = []

    def in_two_parts(path: Path, content: bytes) -> int:
        write(path, content[: len(content) // 2])
        halfway.append(path)
        assert not [file for file in files() if not file.suffix]
        return write(path, content)

    monkeypatch.setattr(Path, "write_bytes", in_two_parts)
    cache.kept("some", ["a"], Make())
    assert halfway
    assert [file.suffix for file in files()] == [""]


# Asks for the same entries in the same order as another process does at the same time.
_AT_THE_SAME_TIME = """
import sys
from mtk import cache

print("ready", flush=True)
sys.stdin.readline()
for number in range(30):
    content = bytes([number]) * 400_000
    assert cache.kept("some", [str(number)], lambda: content) == content
"""


def test_two_processes_share_it() -> None:
    command, pipe = [sys.executable, "-c", _AT_THE_SAME_TIME], subprocess.PIPE
    processes = [subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True) for _ in range(2)]
    for process in processes:
        assert process.stdout is not None
        process.stdout.readline()
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    complaints = [process.communicate()[1] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], complaints
    assert [file.suffix for file in files()] == [""] * 30  # what each wrote beside its entries is gone
