"""Text of any packing and encoding is read as it was written; what is no text is named as what it is."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from mtk.data.text_files import read_lines
from mtk.errors import DataError

TEXT = "id,text\r\n1,café 😀 \u2028 שלום\n"
LINES = ["id,text\r\n", TEXT.split("\r\n")[1]]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize("said", [None, "utf-8", "UTF_8", "latin-1"])
def test_a_byte_order_mark_says_what_it_is_and_is_no_text(tmp_path: Path, encoding: str, said: str | None) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes(TEXT.encode(encoding))
    if (encoding, said) != ("utf-8", "latin-1"):  # which has no mark
        assert list(read_lines(path, said)) == LINES


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_an_encoding_without_a_mark_is_said(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes(TEXT.encode(encoding))
    assert list(read_lines(path, encoding)) == LINES
    path.write_bytes("\ufeff".encode(encoding) + TEXT.encode(encoding))
    assert list(read_lines(path, encoding)) == LINES


def zipped(content: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("x.csv", content)
    return file.getvalue()


PACKERS: dict[str, Callable[[bytes], bytes]] = {".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress}


@pytest.mark.parametrize("suffix", PACKERS)
def test_a_packed_file_is_unpacked(tmp_path: Path, suffix: str) -> None:
    packed = PACKERS[suffix](TEXT.encode())
    (tmp_path / f"x.csv{suffix}").write_bytes(packed)
    assert list(read_lines(tmp_path / f"x.csv{suffix}")) == LINES
    (tmp_path / f"x.csv{suffix.upper()}").write_bytes(packed[:-6])
    with pytest.raises(DataError, match="cannot be read"):
        list(read_lines(tmp_path / f"x.csv{suffix.upper()}"))
    (tmp_path / f"y.csv{suffix}").write_bytes(TEXT.encode())
    with pytest.raises(DataError, match="cannot be read"):
        read_lines(tmp_path / f"y.csv{suffix}")
    (tmp_path / "x.csv").write_bytes(packed)
    with pytest.raises(DataError, match=f"let its name end in \\{suffix}"):
        read_lines(tmp_path / "x.csv")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file is empty"),
        (b"\xef\xbb\xbf", "the file is empty"),
        (b"a\0b", "binary file, or UTF-16"),
        (b"the dog and the cat\nsee the \0 bird\n", r"x\.csv:2: there is a NUL"),
        (b"ok\ncaf\xe9\n", r"x\.csv:2: this is not UTF-8"),
        (zipped(b"text,label\n"), "zip archive"),
        (b"PAR1\x15\x04", r"parquet; let its name end in \.parquet"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:ab\n", "git lfs pull"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "binary file"),
        (None, "it cannot be read"),
    ],
)
def test_a_file_that_is_no_text_is_named(tmp_path: Path, content: bytes | None, message: str) -> None:
    if content is not None:
        (tmp_path / "x.csv").write_bytes(content)
    with pytest.raises(DataError, match=message):
        list(read_lines(tmp_path / "x.csv"))


def test_what_is_not_in_its_encoding_is_said(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_bytes(TEXT.encode())
    for encoding in ("utf-16", "ascii", "undefined"):
        with pytest.raises(DataError, match=f"this is not {encoding}"):
            list(read_lines(tmp_path / "x.csv", encoding))
