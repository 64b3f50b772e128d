"""Several processes against one: the same losses and weights, the bytes that they send, and what torchrun costs one.

    python benchmarks/processes.py --json FILE

The same run of `--steps` steps is made by one process and by each of `--counts`, on CPUs with gloo, one thread each, from
the sample corpus, without dropout, in fp32, with uneven last batches. Sent bytes are counted by the system on its loopback
interface, headers and all, and stand beside the formula of docs/scale.md. Nothing else should use that interface meanwhile.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from functools import partial
from itertools import pairwise
from pathlib import Path
from random import Random
from statistics import median
from typing import Any, NamedTuple

import measuring
import msgspec
import safetensors.torch
import torch
from torch import Tensor

import mtk
from mtk.engine.embedding_gradients import IDS, EmbeddingGradients
from mtk.engine.gradients import Engine, Outcome

METHODS: dict[str, dict[str, Any]] = {
    "sum": {},
    "sum, in two parts": {"combiner": "sum", "accumulate": 2},
    "round-robin": {},
    "pcgrad": {},
    "pcgrad by layer": {"combiner": "pcgrad:scope=layer"},
    "upgrad": {},
    "graddrop": {},
}
COUNTED = slice(5, -5)  # steps, of all
FLOAT = 4
VOCABULARY, WIDTH, LAYERS = 10_000, 128, 4


class Made(NamedTuple):
    """What one process has of a run."""

    losses: list[Tensor]  # [T], of each step
    sent: float  # bytes a step, by all processes
    formula: float


def main() -> None:
    flags = measuring.parser(__doc__)
    flags.add_argument("--counts", nargs="+", type=int, default=[2, 4], metavar="N", help="(2 4)")
    flags.add_argument("--methods", nargs="+", default=list(METHODS), choices=METHODS, metavar="NAME")
    flags.add_argument("--steps", type=int, default=50, metavar="N", help="of a run (50)")
    flags.add_argument("--launches", type=int, default=3, metavar="N", help="of a run under torchrun (3)")
    arguments = flags.parse_args()
    torch.set_num_threads(1)
    rows, found = [], []
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        settings = {
            "data": arguments.data,
            "bad_rows": "skip",
            # with a table of embeddings that is sent by its touched rows
            "encoder": str(measuring.a_bert(place / "encoder", VOCABULARY, WIDTH, LAYERS, heads=4, dropout=0.0)),
            "device": "cpu",
            "precision": "fp32",
            "dropout": 0.0,
            "steps": arguments.steps,
            "checkpoint_every": "0",
        }
        for name in arguments.methods:
            method = {"combiner": name, **METHODS[name]}
            (alone,) = measuring.together(1, partial(a_run, 1, settings | method, place / "alone"))
            for count in arguments.counts:
                out = place / f"{name} {count}"
                made = measuring.together(count, partial(a_run, count, settings | method, out))
                loss = max(_off(one, other) for m in made for one, other in zip(m.losses, alone.losses, strict=True))
                weight = _off_in_weights(out, place / "alone")
                sent = made[0].sent / made[0].formula
                rows.append([name, count, f"{loss:.1e}", f"{weight:.1e}", made[0].sent / 1e6, made[0].formula / 1e6, sent])
                found.append(
                    {"method": name, "processes": count, "losses off": loss, "weights off": weight}
                    | {"bytes": made[0].sent, "formula": made[0].formula}
                )
                print(rows[-1], flush=True)
            subprocess.run(["rm", "-r", str(place / "alone")], check=True)
        started = launched(settings, place, arguments.launches)
    columns = ["method", "processes", "losses off", "weights off", "MB sent a step", "by the formula", "ratio"]
    printed = measuring.table(columns, rows)
    if started:
        printed += f"\n\nOne process under torchrun takes {started:.3f} of the time of one that was started plainly."
    measuring.finish(printed, {"measured": found, "under torchrun": started}, torch.device("cpu"), arguments.json)


def a_run(count: int, settings: dict[str, Any], out: Path) -> Made:
    """The run, in one of its processes."""
    losses: list[Tensor] = []
    counters: list[int] = []
    looked_up: list[int] = []
    heads: list[int] = []
    engines: list[Engine] = []
    backward, exchange = Engine.backward, EmbeddingGradients.exchange

    def heard(engine: Engine, batches: Any, sizes: Any = None) -> Outcome:
        if sizes is None:  # the dry run's
            return backward(engine, batches, sizes)
        counters.append(measuring.loopback())
        engines.append(engine)
        heads.append(sum(p.numel() for task in batches for p in engine.model.head(task).parameters()))
        looked_up.append(0)
        outcome = backward(engine, batches, sizes)
        losses.append(outcome.losses)
        return outcome

    def exchanged(table: EmbeddingGradients, processes: Any, most: int, count: int) -> None:
        looked_up[-1] += most
        exchange(table, processes, most, count)

    Engine.backward = heard  # type: ignore[method-assign,assignment]
    EmbeddingGradients.exchange = exchanged  # type: ignore[method-assign,assignment]
    mtk.run(out=out, **settings)
    sent = [later - before for before, later in pairwise(counters)][COUNTED]
    formula = [
        _formula(engines[0], count, len(losses[step]), heads[step], looked_up[step]) for step in range(len(losses) - 1)
    ][COUNTED]
    return Made(losses, sum(sent) / max(1, len(sent)), sum(formula) / max(1, len(formula)) or 1.0)


def _formula(engine: Engine, count: int, tasks: int, heads: int, looked_up: int) -> float:
    """The bytes of a step that all processes send together, as docs/scale.md has them."""
    if not engine._rows or count == 1:
        return 0.0
    dense = engine._rows.matrix.shape[1]
    if isinstance(engine.combiner, mtk.LossCombiner):
        rows = 2.0  # the gradient's sum: a reduce-scatter and a gather
    elif isinstance(engine.combiner, mtk.GramianCombiner):
        rows = tasks + 1.0
    else:
        rows = 2.0 * tasks
    tables = (1 if rows == 2 else tasks) * VOCABULARY * WIDTH
    lookups = (count - 1) * FLOAT * min(count * looked_up * (WIDTH + IDS), 2 * tables)
    return (count - 1) * FLOAT * (rows * dense + 2 * heads) + lookups


def launched(settings: dict[str, Any], place: Path, repeats: int) -> float | None:
    """The time of a training step of one process that torchrun started, over that of one which was started plainly."""
    config = place / "config.toml"
    config.write_bytes(msgspec.toml.encode({**settings, "steps": 100}))
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "1"]
    ways, times = {"plain": [], "torchrun": torchrun}, {"plain": list[float](), "torchrun": list[float]()}
    for repeat in range(repeats):
        for way in Random(repeat).sample(list(ways), len(ways)):
            out = place / f"{way} {repeat}"
            command = [sys.executable, *ways[way], "-m", "mtk", "run", "--config", str(config), "--out", str(out), "--quiet"]
            subprocess.run(command, check=True, capture_output=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
            times[way].append(1 / msgspec.json.decode((out / "summary.json").read_bytes())["examples_per_second"])
    ratios = [one / other for one, other in zip(times["torchrun"], times["plain"], strict=True)]
    return median(ratios) if ratios else None


def _off(one: Tensor, other: Tensor) -> float:
    return float(((one - other).abs() / other.abs().clamp_min(1)).max())


def _off_in_weights(one: Path, other: Path) -> float:
    """The largest difference of two runs' encoders, over the largest weight."""
    first, second = (safetensors.torch.load_file(out / "model" / "encoder" / "model.safetensors") for out in (one, other))
    largest = max(float(value.abs().max()) for value in second.values())
    return max(float((first[name] - value).abs().max()) for name, value in second.items()) / largest


if __name__ == "__main__":
    main()
