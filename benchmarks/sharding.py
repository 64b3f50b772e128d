"""What each of several processes holds of an encoder with --shard and without, and what they send, against the formulas.

    python benchmarks/sharding.py --json FILE

Runs of a few steps of pcgrad on three tasks, on CPUs with gloo, one thread each, in fp32, of a BERT of some 43 M parameters
with random weights. What is held are the bytes of parameters, rows of gradients and the optimizer's state, counted in each
process. The peak is that of its resident memory while steps are made, by the system, beyond what it has beside the
parameters when the first one begins; what is freed is given back to the system at once. Sent bytes are those of the loopback
interface, headers and all, which nothing else should use meanwhile.
"""

from __future__ import annotations

import ctypes
import tempfile
from collections.abc import Mapping
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import measuring
import torch

import mtk
from mtk.engine.gradients import Outcome
from mtk.engine.sharding import own_part
from mtk.training.trainer import Trainer

FLOAT, MB = 4, 1e6
VOCABULARY, WIDTH, LAYERS = 10_000, 512, 12
MOMENTS = 2  # numbers that AdamW keeps of each
COPIES = 3  # of its largest layer, while that is gathered or its gradient summed
MMAP_THRESHOLD = -3, 1 << 16  # glibc's number for it, and bytes


class Made(NamedTuple):
    """What one process has of a run."""

    encoder: int  # numbers in all of it
    dense: int  # those of them that have columns in the rows of gradients: without a table that is kept by its touched rows
    largest: int  # in its largest layer
    tasks: int
    held: dict[str, int]  # bytes of the encoder's parameters, of the rows of gradients, and of the optimizer's state
    peak: int  # bytes
    sent: float  # bytes a step, by all processes


def main() -> None:
    flags = measuring.parser(__doc__)
    flags.add_argument("--counts", nargs="+", type=int, default=[1, 2, 4], metavar="N", help="(1 2 4)")
    flags.add_argument("--steps", type=int, default=4, metavar="N", help="of a run (4)")
    arguments = flags.parse_args()
    torch.set_num_threads(1)
    ctypes.CDLL(None).mallopt(*MMAP_THRESHOLD)  # or what is freed in pieces stays with the process
    rows, found = [], []
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        settings: dict[str, Any] = {
            "data": arguments.data,
            "bad_rows": "skip",
            "limit": {"*": 24},
            "encoder": str(measuring.a_bert(place / "encoder", VOCABULARY, WIDTH, LAYERS, heads=8)),
            "heads": {"*": "linear"},
            "combiner": "pcgrad",
            "batch_size": 4,
            "max_length": 16,
            "device": "cpu",
            "precision": "fp32",
            "steps": arguments.steps,
            "checkpoint_every": "0",
        }
        for count in arguments.counts:
            for shard in (False, True) if count > 1 else (False,):
                made = measuring.together(count, partial(a_run, settings, place / f"{count} {shard}", shard))
                one = max(made, key=lambda process: sum(process.held.values()))
                held = sum(one.held.values())
                formula = FLOAT * (one.encoder * (1 + MOMENTS) + one.dense * one.tasks) / (count if shard else 1)
                peak = max(process.peak for process in made)
                highest = formula + FLOAT * (one.encoder / count + COPIES * one.largest) if shard else None
                through = traffic(one, count) if shard else None
                numbers = [*one.held.values(), held, formula, peak, highest, one.sent, through]
                rows.append(["--shard" if shard else "", count, *("" if n is None else f"{n / MB:,.0f}" for n in numbers)])
                found.append(
                    {"shard": shard, "processes": count, "bytes": one.held, "held, by the formula": formula}
                    | {"peak": peak, "peak, by the formula": highest, "sent": one.sent, "sent, by the formula": through}
                    | {"encoder": one.encoder, "largest layer": one.largest}
                )
                print(rows[-1], flush=True)
    columns = ["", "processes", "parameters", "gradients", "optimizer", "held, MB", "by the formula"]
    columns += ["peak", "by the formula", "sent a step, by all", "by the formula"]
    measuring.finish(measuring.table(columns, rows), {"measured": found}, torch.device("cpu"), arguments.json)


def traffic(made: Made, count: int) -> float:
    """The bytes of a step that all processes send together with --shard, by gloo, whose reduce-scatter is an all-reduce."""
    gathered, summed = 2 * (count - 1), 2 * (count - 1)
    return FLOAT * made.tasks * made.encoder * float(gathered + summed)


def a_run(settings: Mapping[str, Any], out: Path, shard: bool) -> Made:
    """The run, in one of its processes."""
    trainers: list[Trainer] = []
    counters: list[int] = []
    peaks: list[int] = []
    optimize = Trainer.optimize

    def heard(trainer: Trainer, batches: Any, sizes: Any = None) -> Outcome:
        if not trainers:
            Path("/proc/self/clear_refs").write_text("5")  # forget what loading took
            peaks.append(measuring.resident("VmRSS") - held_of(trainer)["parameters"])
        trainers.append(trainer)
        counters.append(measuring.loopback())
        peaks.append(measuring.resident("VmHWM"))
        return optimize(trainer, batches, sizes)

    Trainer.optimize = heard  # type: ignore[method-assign,assignment]
    mtk.run(out=out, shard=shard, **settings)
    trainer = trainers[-1]
    sent = [later - earlier for earlier, later in pairwise(counters)][1:]
    layers = [sum(p.numel() for p in members) for members in trainer.engine._layers.values()]
    numbers = sum(p.numel() for p in trainer.model.encoder.parameters())
    assert trainer.engine._rows
    dense = numbers if shard else trainer.engine._rows.matrix.shape[1]
    before, *_, peak = peaks
    held = held_of(trainer)
    return Made(numbers, dense, max(layers), len(trainer.train), held, peak - before, sum(sent) / max(1, len(sent)))


def held_of(trainer: Trainer) -> dict[str, int]:
    """The bytes that this process holds of the encoder's parameters, and for them."""
    rows, encoder = trainer.engine._rows, list(trainer.model.encoder.parameters())
    state = [v for p in encoder for v in trainer.optimizer.state.get(p, {}).values() if isinstance(v, torch.Tensor)]
    return {
        "parameters": sum(own_part(p).nbytes for p in encoder),
        "gradients": rows.matrix.nbytes if rows else 0,
        "optimizer": sum(own_part(value).nbytes for value in state),
    }


if __name__ == "__main__":
    main()
