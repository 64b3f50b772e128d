"""What a training step costs under every installed combiner, relative to `sum` on the same batches.

    python benchmarks/methods.py --json methods.json --write docs/methods.md

Real batches of the sample corpus, 8 examples of each of its 3 tasks, through the real encoder and heads: forward and
backward passes, the combiner, the optimizer. A step of `round-robin` is its turns together, so that all see the same
examples. Every combiner is timed right beside `sum`, in turn before it and after it, and all of them in every repeat: what
else the machine does befalls both. The number is the median over the repeats of the two times' ratio.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import time
from collections.abc import Mapping
from datetime import date
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from random import Random
from statistics import median
from typing import Any

import torch

import mtk
from mtk.combiner import Combiner
from mtk.data.batches import shuffled
from mtk.data.layout import find_data, read_tasks
from mtk.data.tokens import Batch
from mtk.device import choose_device, choose_precision
from mtk.encoder import load_encoder
from mtk.gradients import Engine
from mtk.model import Model
from mtk.spec import Spec

BATCH_SIZE = 8
LEARNING_RATE = 1e-5

# What these are run with, as they have options without a default.
SPECS = {
    "constant": "constant:weights=1/1/1",
    "cosmos": "cosmos:weights=1/1/1,lambda_=1",
    "pbi": "pbi:weights=1/1/1",
}

ROW = r"^(\| `{name}` \|.*\|)[^|]*\|$"
WHERE = re.compile(r"(?<=<!-- measured -->\n).*(?=<!-- end -->)", re.DOTALL)


class Bench:
    """One model, its optimizer and its data, on which any combiner can be timed."""

    def __init__(self, device: torch.device, registry: mtk.Registry) -> None:
        torch.manual_seed(0)
        data = read_tasks(find_data("sample", registry))
        heads = {name: Spec("concat-mlp" if d.task.pair else "cnn") for name, d in data.items()}
        self.tasks = list(data)
        encoder = load_encoder("minilm", "mean", registry)
        self.model = Model(encoder, [d.task for d in data.values()], heads, 128, registry).to(device)
        self.model.autocast = choose_precision("auto", device)
        self.model.train()
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=LEARNING_RATE, fused=True)
        self._tokens = {name: self.model.tokenize(name, d.train) for name, d in data.items()}
        self._streams = {name: shuffled(t.lengths, BATCH_SIZE, Random(name)) for name, t in self._tokens.items()}

    def batches(self) -> dict[str, Batch]:
        """The next batch of every task."""
        return {name: self._tokens[name].batch(next(stream)) for name, stream in self._streams.items()}

    def seconds(self, combiner: Combiner, steps: list[dict[str, Batch]]) -> float:
        """How long `steps` take, when one has been taken before."""
        engine = Engine(self.model, combiner)
        self._step(engine, steps[0])
        self._wait()
        began = time.perf_counter()
        for batches in steps:
            self._step(engine, batches)
        self._wait()
        return time.perf_counter() - began

    def _step(self, engine: Engine, batches: Mapping[str, Batch]) -> None:
        for turn in engine.combiner.turns():
            engine.backward({task: [batches[task]] for task in turn})
            self.optimizer.step()
            engine.combiner.after_step(partial(engine.losses, {task: [batches[task]] for task in turn}))
            self.optimizer.zero_grad(set_to_none=True)
            engine.combiner.zero_grad(set_to_none=True)

    def _wait(self) -> None:
        if self.model.device.type == "cuda":
            torch.cuda.synchronize()


def measure(bench: Bench, combiners: Mapping[str, Combiner], repeats: int, steps: int) -> dict[str, list[float]]:
    """The time under each combiner by that under `sum`, in every repeat."""
    reference = combiners["sum"]
    ratios: dict[str, list[float]] = {name: [] for name in combiners}
    order, rng = list(combiners), Random(0)
    for repeat in range(repeats):
        rng.shuffle(order)
        for name in order:
            batches = [bench.batches() for _ in range(steps)]
            pair = [combiners[name], reference]
            seconds = [bench.seconds(c, batches) for c in (pair if repeat % 2 else reversed(pair))]
            ratio = seconds[0] / seconds[1]
            ratios[name].append(ratio if repeat % 2 else 1 / ratio)
        print(f"repeat {repeat + 1} of {repeats}", flush=True)
    return ratios


def circumstances(device: torch.device, bench: Bench, repeats: int, steps: int) -> dict[str, Any]:
    packages = ("multitask-toolkit", "torch", "transformers", "torchjd")
    return {
        "date": date.today().isoformat(),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else _processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "precision": "bf16" if bench.model.autocast else "fp32",
        "parameters": sum(p.numel() for p in bench.model.encoder.parameters()),
        "repeats": repeats,
        "steps": steps,
        "versions": {"python": platform.python_version(), **{p: v for p in packages if (v := _version(p))}},
    }


def write(path: Path, costs: Mapping[str, float], where: Mapping[str, Any]) -> None:
    """Fill in the last column of the table in `path`, and what stands between the marks below it."""
    text = path.read_text(encoding="utf-8")
    for name, cost in costs.items():
        text, count = re.subn(ROW.format(name=re.escape(name)), rf"\1 {cost:.2f} |", text, flags=re.MULTILINE)
        if count != 1:
            print(f"{path} has no row for {name}")
    versions = ", ".join(f"{package} {number}" for package, number in where["versions"].items())
    text = WHERE.sub(
        f"Measured on {where['date']} on {where['device']}, {where['threads']} of {where['cores']} cores, "
        f"{where['precision']}: medians of {where['repeats']} repeats of {where['steps']} steps each; {versions}.\n",
        text,
    )
    path.write_text(text, encoding="utf-8")


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    found = re.search(r"^model name\s*: (.*)$", info.read_text(), re.MULTILINE) if info.exists() else None
    return found[1] if found else platform.processor() or platform.machine()


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=20, metavar="N", help="comparisons with sum (20)")
    parser.add_argument("--steps", type=int, default=5, metavar="N", help="optimizer steps in each of them (5)")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="these combiners (all)")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N (auto)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every ratio, the machine and the versions there")
    parser.add_argument("--write", type=Path, metavar="FILE", help="fill in the last column of the table there")
    arguments = parser.parse_args()

    registry = mtk.Registry()
    installed = [c.name for c in registry.components if c.kind == "combiner"]
    names = dict.fromkeys(["sum", *(arguments.only or installed)])
    device = choose_device(arguments.device)
    bench = Bench(device, registry)
    combiners = {
        name: registry.build("combiner", Spec.parse(SPECS.get(name, name)), bench.tasks).to(device) for name in names
    }
    ratios = measure(bench, combiners, arguments.repeats, arguments.steps)
    where = circumstances(device, bench, arguments.repeats, arguments.steps)
    costs = {name: median(values) for name, values in ratios.items()}

    print("\n| combiner | step, by that of sum | half of them within |\n| --- | --- | --- |")
    for name in sorted(costs, key=costs.__getitem__):
        values = sorted(ratios[name])
        print(f"| `{name}` | {costs[name]:.2f} | {values[len(values) // 4]:.2f} to {values[-1 - len(values) // 4]:.2f} |")
    if arguments.json:
        arguments.json.write_text(json.dumps({**where, "ratios": ratios}, indent=2) + "\n", encoding="utf-8")
    if arguments.write:
        write(arguments.write, costs, where)


if __name__ == "__main__":
    main()
