"""Without the extra it says what to install; tests/cli/test_serve.py has it end by a signal."""

from __future__ import annotations

import socket
import sys
from pathlib import Path

import pytest

import mtk
from mtk.serving import server

RUN = Path(__file__).parents[2] / "runs" / "format-3"


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    with pytest.raises(mtk.UsageError, match=r"pip install 'multitask-toolkit\[serve\]'"):
        server.server(mtk.load(RUN, device="cpu"), "127.0.0.1", 0)


def test_an_address_that_is_taken_is_a_message() -> None:
    pytest.importorskip("uvicorn", reason="the extra serve is not installed")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        made = server.server(mtk.load(RUN, device="cpu"), "127.0.0.1", taken.getsockname()[1])
        with pytest.raises(mtk.UsageError, match="cannot be had"):
            server.serve(made, print)
