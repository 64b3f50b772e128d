"""How long mtk takes before it does something: `mtk --help`, `mtk list`, and a run up to its first optimizer step.

    python benchmarks/startup.py --json FILE

Each is a fresh process, timed from outside, from its start on. The commands are timed to their end. A run is timed to the
first report of its only step (`mtk.run(steps=1)`), so that imports, reading, tokenizing, loading the encoder and the
dry run are part of it, and the evaluation is not. It is timed with an empty token cache, and with one that an earlier run
has filled; splits of fewer than 500 texts are never kept, so that little of the sample corpus is. The files themselves are
in the operating system's memory: each is run once beforehand, unmeasured. On a busy machine the ratio to the imports that no
run can do without says more than the seconds.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from random import Random
from statistics import median

HELP, LIST = "mtk --help", "mtk list"
FLOOR = "python, torch and the model's class of transformers alone"
IMPORTS = "import torch, transformers.models.bert.modeling_bert"
RUN = {  # what is timed -> the moment of a run that ends it
    "a run, until it is announced": "started",
    "a run, until its first step is done": "stepped",
}
EMPTY, FILLED = "empty token cache", "filled token cache"
START = "MTK_BENCHMARK_START"  # when the process was started, by the clock that all processes share


class Done(Exception):  # noqa: N818 - no error
    """Ends a run after its step: the evaluation that would follow takes longer than all before it, and is not timed."""


def main() -> None:
    arguments = _arguments()
    if arguments.child:
        _run(arguments.data, arguments.device)
        return
    import measuring  # not needed, and not paid for, in a process that is timed

    from mtk.engine.device import choose_device

    times: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as place:
        contestants: list[Callable[[], dict[str, float]]] = [
            lambda: {HELP: _process("-m", "mtk_cli", "--help")},
            lambda: {LIST: _process("-m", "mtk_cli", "list")},
            lambda: {FLOOR: _process("-c", IMPORTS)},
            lambda: _timed_run(arguments, Path(place, "filled"), FILLED),
            lambda: _with_empty_cache(arguments, Path(place)),
        ]
        for work in contestants:
            work()
        rng = Random(0)
        for repeat in range(arguments.repeats):
            for work in rng.sample(contestants, len(contestants)):
                for name, taken in work().items():
                    times.setdefault(name, []).append(taken)
            print(f"repeat {repeat + 1} of {arguments.repeats}", flush=True)

    names = [HELP, LIST, FLOOR, *(f"{name}, {cache}" for name in RUN for cache in (EMPTY, FILLED))]
    rows = [
        [
            name,
            median(times[name]),
            f"{min(times[name]):.3g} to {max(times[name]):.3g}",
            f"{measuring.ratio(times, name, FLOOR):.2f}",
        ]
        for name in names
    ]
    measuring.finish(
        measuring.table(["seconds", "median", "range", "by those imports"], rows),
        {"data": arguments.data, "repeats": arguments.repeats, "seconds": {name: times[name] for name in names}},
        choose_device(arguments.device),
        arguments.json,
    )


def _arguments() -> argparse.Namespace:
    flags = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    flags.add_argument("--data", default="sample", help="of the run: a task set or a directory (sample)")
    flags.add_argument("--device", default="auto", help="of the run: auto, cpu, cuda or cuda:N (auto)")
    flags.add_argument("--repeats", type=int, default=5, help="(5)")
    flags.add_argument("--json", type=Path, metavar="FILE", help="write everything that was measured there")
    flags.add_argument("--child", action="store_true", help=argparse.SUPPRESS)  # the fresh process that is timed
    return flags.parse_args()


def _process(*arguments: str) -> float:
    began = time.monotonic()
    subprocess.run([sys.executable, *arguments], stdout=subprocess.DEVNULL, check=True)
    return time.monotonic() - began


def _with_empty_cache(arguments: argparse.Namespace, place: Path) -> dict[str, float]:
    with tempfile.TemporaryDirectory(dir=place) as cache:
        return _timed_run(arguments, Path(cache), EMPTY)


def _timed_run(arguments: argparse.Namespace, cache: Path, called: str) -> dict[str, float]:
    """The seconds from the start of a fresh process to each moment in RUN."""
    command = [sys.executable, __file__, "--child", "--data", arguments.data, "--device", arguments.device]
    environment = {**os.environ, "MTK_CACHE": str(cache), START: repr(time.monotonic())}
    done = subprocess.run(command, stdout=subprocess.PIPE, encoding="utf-8", env=environment, check=True)
    moments = json.loads(done.stdout.splitlines()[-1])
    return {f"{name}, {called}": moments[moment] for name, moment in RUN.items()}


def _run(data: str, device: str) -> None:
    import mtk

    began = float(os.environ[START])
    moments: dict[str, float] = {}

    class Clock:
        @mtk.hookimpl
        def mtk_run_started(self) -> None:
            moments["started"] = time.monotonic() - began

        @mtk.hookimpl
        def mtk_progressed(self) -> None:
            moments.setdefault("stepped", time.monotonic() - began)
            raise Done

    with tempfile.TemporaryDirectory() as place, suppress(Done):
        mtk.run(data=data, device=device, bad_rows="skip", steps=1, out=Path(place, "run"), listeners=[Clock()])
    print(json.dumps(moments))


if __name__ == "__main__":
    main()
