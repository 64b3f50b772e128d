"""How much `mtk serve` answers on the loopback: clients that ask one text after the other, more and more of them.

    python benchmarks/serve.py RUN --texts FILE --json FILE

Each request has one text and asks every task that takes one. The clients are threads of this process, on the same cores. As
a reference the model answers the same texts in this process, 64 at once and nothing between.
"""

from __future__ import annotations

import argparse
import http.client
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import quantiles
from typing import Any

import measuring
import torch

import mtk


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="the directory of a run")
    parser.add_argument("--texts", type=Path, required=True, help="a text a line")
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 4, 16, 64], help="1 4 16 64 unless given")
    parser.add_argument("--seconds", type=float, default=5, help="for each number of clients (5)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="for what was measured")
    arguments = parser.parse_args()
    texts = [line for line in arguments.texts.read_text(encoding="utf-8").splitlines() if line.strip()]
    command = [sys.executable, "-m", "mtk_cli", "serve", str(arguments.run), "--port", "0", "--device", "cpu"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout
            address = server.stdout.readline().rpartition("//")[2].strip()
            load(address, texts, 2, 1.0)
            measured = [load(address, texts, clients, arguments.seconds) for clients in arguments.clients]
        finally:
            server.terminate()
    alone = without_http(arguments.run, texts)
    rows = [[row["clients"], row["texts/s"], 1000 * row["p50"], 1000 * row["p95"], row["texts/batch"]] for row in measured]
    printed = measuring.table(["clients", "texts/s", "p50, ms", "p95, ms", "texts a batch"], rows)
    printed += f"\n\nThe model without HTTP, 64 texts at once: {alone:.0f} texts/s"
    measuring.finish(printed, {"measured": measured, "without HTTP": alone}, torch.device("cpu"), arguments.json)


def load(address: str, texts: Sequence[str], clients: int, seconds: float) -> dict[str, Any]:
    """So many clients, each asking as soon as it has its answer."""
    before = health(address)
    end = time.perf_counter() + seconds

    def client(number: int) -> list[float]:
        connection, asked = http.client.HTTPConnection(address), number
        found: list[float] = []
        while (start := time.perf_counter()) < end:
            connection.request("POST", "/predict", json.dumps({"texts": [texts[asked % len(texts)]]}))
            answer = connection.getresponse()
            answer.read()
            assert answer.status == 200, answer.status
            found.append(time.perf_counter() - start)
            asked += clients
        return found

    with ThreadPoolExecutor(clients) as pool:
        start = time.perf_counter()
        latencies = [seconds for found in pool.map(client, range(clients)) for seconds in found]
        took = time.perf_counter() - start
    after, parts = health(address), quantiles(latencies, n=100)
    batches = after["batches"] - before["batches"]
    return {
        "clients": clients,
        "texts/s": len(latencies) / took,
        "p50": parts[49],
        "p95": parts[94],
        "texts/batch": (after["served"] - before["served"]) / batches,
    }


def health(address: str) -> dict[str, Any]:
    connection = http.client.HTTPConnection(address)
    connection.request("GET", "/health")
    found: dict[str, Any] = json.load(connection.getresponse())
    return found


def without_http(run: Path, texts: Sequence[str]) -> float:
    """Texts a second, of the same tasks."""
    model = mtk.load(run, device="cpu")
    groups = model.alike(name for name, task in model.tasks.items() if not task.pair)
    start = time.perf_counter()
    for at in range(0, len(texts), 64):
        for group in groups:
            split = model.split_of(group[0], texts[at : at + 64])
            model.answer(group, model.tokenize(group[0], split))
    return len(texts) / (time.perf_counter() - start)


if __name__ == "__main__":
    main()
