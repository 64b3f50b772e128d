"""`mtk serve` says where it is, and ends by SIGTERM with what was asked before answered."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from http.client import HTTPConnection
from pathlib import Path

import pytest

pytest.importorskip("uvicorn", reason="the extra serve is not installed")

RUN = Path(__file__).parents[1] / "runs" / "format-3"


def test_it_answers_what_it_has_and_ends() -> None:
    command = [sys.executable, "-m", "mtk_cli", "serve", str(RUN), "--port", "0", "--device", "cpu"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            line = process.stdout.readline()
            assert line.startswith("serving sst, para, sts at http://127.0.0.1:")
            host, port = line.removesuffix("\n").rpartition("//")[2].split(":")
            asking, watching = (HTTPConnection(host, int(port), timeout=60) for _ in range(2))
            asking.request("POST", "/predict", json.dumps({"texts": ["the dog is happy"] * 256}))
            while not has_come(watching):
                pass
            process.send_signal(signal.SIGTERM)  # while it computes
            answer = asking.getresponse()
            assert (answer.status, len(json.load(answer)["answers"]["sst"])) == (200, 256)
            assert process.stderr
            errors, status = process.stderr.read(), process.wait(60)
        finally:
            process.kill()
    assert (status, errors) == (0, "")


def has_come(watching: HTTPConnection) -> bool:
    """Whether the server has a request that it answers, or has answered."""
    watching.request("GET", "/health")
    health = json.load(watching.getresponse())
    return bool(health["waiting"] or health["served"])
