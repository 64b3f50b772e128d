"""A model of a step's time, fitted to steps that are measured here and checked against others, and what it expects of GPUs.

    python benchmarks/scaling.py --json FILE
    python benchmarks/scaling.py --no-measure --rate 989e12 --network 50e9

A step's time is a sum: operations by a rate of arithmetic, bytes that are moved through memory, bytes that are sent, rounds
in which processes wait for one another, and what each step costs anyway. How many of each there are follows from the
encoder, the method and the number of processes, and is counted by formulas. What one of them takes is fitted, here, to runs
on CPUs with gloo, one thread each, and checked against runs that were left out of it. What is measured of them is for how
long a processor worked for the first process, since a clock also tells what else a shared machine does.

Of GPUs nothing is measured. What one operation, byte, round or launch takes there are the flags below, and everything that
is printed of them is extrapolated from those assumptions.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import measuring
import numpy as np
import torch
from scipy.optimize import nnls

import mtk
from mtk.engine.embedding_gradients import IDS
from mtk.engine.gradients import Outcome
from mtk.engine.processes import FEWEST
from mtk.training.trainer import Trainer

FLOAT, HALF = 4, 2  # bytes
ADAMW = 7  # numbers that are read and written of each parameter
HEADS = 10_000  # numbers in the heads of a step, about
SUMS = 2  # of heads and losses, and of T·T products
HOST_ROUNDS = 5  # for each other process: two messages of any length, each after its length, and one of two numbers
# Operations of torch's in a step of a BERT with three tasks, as its profiler counts them: for each layer in the packed form,
# or in the pass of one task; and what is around the layers.
PACKED, PLAIN, AROUND = 230, 95, 400
METHODS = ("sum", "pcgrad")
GRAMIAN = METHODS[1:]
FITTED, LEFT_OUT = (4, 16), (8,)  # examples of a task in a step
MEASURED_ON = (1, 2)  # processes
MACHINE = 8  # GPUs that the faster links join


@dataclass(frozen=True)
class Encoder:
    """What of an encoder decides how long it takes."""

    name: str
    layers: int
    width: int
    entries: int  # of the table of embeddings
    by_rows: bool = True  # whether that is kept and sent by its touched rows

    @property
    def blocks(self) -> float:
        """Numbers in matrices that every token is multiplied with."""
        return 12.0 * self.layers * self.width**2

    @property
    def table(self) -> float:
        return float(self.entries * self.width)


class Work(NamedTuple):
    """What one process does in a step."""

    operations: float  # of matrices' products
    moved: float  # bytes, by rows of gradients and the optimizer
    sent: float  # bytes
    rounds: float  # in which devices wait for one another
    host_rounds: float  # in which hosts do
    kernels: float  # that are launched; of a CPU this is what a step costs anyway


@dataclass(frozen=True)
class Step:
    """A step of T tasks of so many examples each, of `length` tokens, which `processes` share."""

    encoder: Encoder
    method: str
    examples: int
    processes: int
    length: float
    tasks: int = 3
    sharded: bool = False

    @property
    def work(self) -> Work:
        """Of the process that has most."""
        e, n, t = self.encoder, self.processes, self.tasks
        rows = t if self.method in GRAMIAN else 1
        taken = -(-self.examples // max(1, min(n, self.examples // FEWEST)))  # of a task, by a process that takes some
        takers = min(n, t * max(1, self.examples // FEWEST))  # of all tasks; the others wait
        tokens = self.length * max(taken, t * self.examples / takers)
        operations = tokens * (6 * e.blocks + 12 * e.layers * e.width * self.length)
        whole, share = e.blocks + e.table, (n - 1) / n
        if self.sharded:
            moved = FLOAT * (rows + 2 * rows + 1 + ADAMW) * whole / n
            sent = share * t * whole * (2 * HALF + FLOAT)
            rounds, of_layer = (n - 1) * 3 * t * (e.layers + 1), t * PLAIN
        else:
            dense = e.blocks if e.by_rows else whole
            moved = FLOAT * (rows * dense + (2 * rows + 1) * dense / n + ADAMW * whole)
            sent = FLOAT * share * dense * ((rows + 1) if self.method in GRAMIAN else 2)
            if e.by_rows:
                sent += FLOAT * min((n - 1) * tokens * (e.width + IDS), 2 * rows * share * e.table)
            rounds, of_layer = (n - 1) * (rows + 1), PACKED
        sent += share * FLOAT * 2 * HEADS
        rounds += (n - 1) * SUMS
        return Work(operations, moved, sent, rounds, HOST_ROUNDS * (n - 1), AROUND + of_layer * e.layers)


class Costs(NamedTuple):
    """Seconds of one operation, byte, round or launch."""

    operations: float
    moved: float
    sent: float
    rounds: float
    host_rounds: float
    kernels: float

    def parts(self, work: Work, *, at_once: bool) -> dict[str, float]:
        """The seconds of each part of a step. A GPU computes while the next kernels are launched, `at_once`: the longer of
        both counts."""
        parts = {name: cost * count for name, cost, count in zip(self._fields, self, work, strict=True)}
        computed, launched = parts.pop("operations") + parts.pop("moved"), parts.pop("kernels")
        return {"computed": max(computed, launched) if at_once else computed + launched, **parts}


HERE = Encoder("4 layers, 256 wide", 4, 256, 10_000)
EXPECTED = [
    (Encoder("MiniLM", 6, 384, 30_522), False),
    (Encoder("BERT-large", 24, 1024, 30_522), False),
    (Encoder("of 7 B parameters", 32, 4096, 32_000, by_rows=False), True),
]


def main() -> None:
    flags = measuring.parser(__doc__)
    flags.add_argument("--steps", type=int, default=12, metavar="N", help="of a measured run (12)")
    flags.add_argument("--no-measure", dest="measure", action="store_false", help="only what is expected of GPUs")
    flags.add_argument("--rate", type=float, default=350e12, help="operations a second of a GPU in bf16, as reached")
    flags.add_argument("--memory", type=float, default=2.5e12, help="bytes a second of its memory, as reached")
    flags.add_argument(
        "--link", type=float, default=300e9, help=f"bytes a second that a GPU sends to others of its {MACHINE}"
    )
    flags.add_argument("--network", type=float, default=40e9, help="and to those of other machines")
    flags.add_argument("--round", type=float, default=5e-6, help="seconds for one round of devices")
    flags.add_argument("--host-round", type=float, default=50e-6, help="seconds for one round of hosts")
    flags.add_argument("--launch", type=float, default=5e-6, help="seconds to launch a kernel")
    flags.add_argument("--each", type=int, default=32, help="examples of a task for each GPU (32)")
    flags.add_argument("--length", type=float, default=64, help="tokens of one (64)")
    arguments = flags.parse_args()
    found: dict[str, Any] = {}
    printed = ""
    if arguments.measure:
        torch.set_num_threads(1)
        found["measured"], costs = fitted(arguments)
        found["costs"] = costs._asdict()
        columns = ["processes", "method", "examples", "processor's ms a step", "by the model", "ratio", ""]
        printed = measuring.table(columns, [list(row.values()) for row in found["measured"]])
        told = ", ".join(f"{name} {1e9 * cost:.3g} ns" for name, cost in costs._asdict().items())
        printed += f"\n\nFitted: {told}.\n\n"
    found["expected"] = expected(arguments)
    columns = ["encoder", "method", "GPUs", "ms a step", "computed", "sent", "rounds", "rounds of hosts", "efficiency"]
    printed += measuring.table(columns, [list(row.values()) for row in found["expected"]])
    found["assumed"] = {
        name: getattr(arguments, name)
        for name in ("rate", "memory", "link", "network", "round", "host_round", "launch", "each", "length")
    }
    measuring.finish(printed, found, torch.device("cpu"), arguments.json)


def expected(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """Extrapolated from the assumptions alone: as many examples for each GPU, however many there are."""
    rows = []
    for encoder, sharded in EXPECTED:
        for method in METHODS:
            fewest = 0.0
            for count in (*([] if sharded else [1]), MACHINE, 64, 1000):
                step = Step(encoder, method, arguments.each * count, count, arguments.length, sharded=sharded)
                sending = 1 / (arguments.link if count <= MACHINE else arguments.network)
                costs = Costs(
                    1 / arguments.rate,
                    1 / arguments.memory,
                    sending,
                    arguments.round,
                    arguments.host_round,
                    arguments.launch,
                )
                parts = costs.parts(step.work, at_once=True)
                total = sum(parts.values())
                if sharded:  # FSDP2 sends while it computes
                    total -= min(parts["computed"], parts["sent"])
                fewest = fewest or total
                name = f"{encoder.name}, --shard" if sharded else encoder.name
                rows.append(
                    {"encoder": name, "method": method, "GPUs": count, "ms": 1e3 * total}
                    | {part: 1e3 * seconds for part, seconds in parts.items()}
                    | {"efficiency": fewest / total}
                )
    return rows


def fitted(arguments: argparse.Namespace) -> tuple[list[dict[str, Any]], Costs]:
    """Measured steps, each with what the model says of it, and what the model was fitted to: runs of some sizes, and not of
    others."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        encoder = str(measuring.a_bert(place / "encoder", HERE.entries, HERE.width, HERE.layers, heads=4))
        timed = [
            (Step(HERE, method, examples, count, length), seconds, examples in FITTED)
            for examples in (*FITTED, *LEFT_OUT)
            for method in METHODS
            for count in MEASURED_ON
            for seconds, length in [measured(arguments, encoder, method, examples, count, place)]
        ]
    chosen = [(step, seconds) for step, seconds, is_fitted in timed if is_fitted]
    parts = np.array([[*step.work[:4], step.work.kernels] for step, _ in chosen])
    scale = parts.max(axis=0)
    times = np.array([seconds for _, seconds in chosen])
    # rounds of devices and of hosts cannot be told apart with two processes
    found, _ = nnls(parts / scale / times[:, None], np.ones(len(times)))  # relative errors count alike
    operations, moved, sent, rounds, kernels = (float(cost) for cost in found / scale)
    costs = Costs(operations, moved, sent, rounds, 0.0, kernels)
    rows = []
    for step, seconds, is_fitted in timed:
        said = sum(costs.parts(step.work, at_once=False).values())
        rows.append(
            {"processes": step.processes, "method": step.method, "examples": step.examples}
            | {"ms": 1e3 * seconds, "model": 1e3 * said, "ratio": said / seconds, "": "fitted" if is_fitted else "left out"}
        )
    return rows, costs


def measured(
    arguments: argparse.Namespace, encoder: str, method: str, examples: int, count: int, place: Path
) -> tuple[float, float]:
    """For how many seconds a processor works for the first process in a step, in the median; the tokens of an example."""
    settings: dict[str, Any] = {
        "data": arguments.data,
        "bad_rows": "skip",
        "limit": {"*": 100},
        "encoder": encoder,
        "heads": {"*": "linear"},
        "combiner": method,
        "batch_size": examples,
        "device": "cpu",
        "precision": "fp32",
        "steps": arguments.steps,
        "checkpoint_every": "0",
    }
    out = place / f"{method} {examples} {count}"
    made = measuring.together(count, partial(steps_of, settings, out))
    seconds, tokens = median(made[0][0]), sum(tokens for _, tokens in made) / (3 * examples)
    print(f"{method}, {examples} examples, {count} processes: {1e3 * seconds:.0f} ms", flush=True)
    return seconds, tokens


def steps_of(settings: Mapping[str, Any], out: Path) -> tuple[list[float], float]:
    """The processor's seconds for each step of a run, in one of its processes, and the mean tokens of a step there."""
    times: list[float] = []
    tokens: list[int] = []
    optimize = Trainer.optimize

    def timed(trainer: Trainer, batches: Any, sizes: Any = None) -> Outcome:
        began = time.process_time()
        outcome = optimize(trainer, batches, sizes)
        times.append(time.process_time() - began)
        tokens.append(sum(part.tokens for parts in batches.values() for part in parts))
        return outcome

    Trainer.optimize = timed  # type: ignore[method-assign,assignment]
    mtk.run(out=out, **settings)
    return times[3:], sum(tokens) / len(tokens)


if __name__ == "__main__":
    main()
