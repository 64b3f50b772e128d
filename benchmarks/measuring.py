"""What the benchmarks share: a workload of real batches, times taken side by side, a table, a file that says where.

Times on a shared machine drift, so nothing here compares a time with one of another hour: contestants take turns, in an
order drawn anew for every repeat, and what is reported is the median of their ratios within a repeat.
"""

from __future__ import annotations

import argparse
import json
import os
import pickle
import platform
import re
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from multiprocessing import get_context
from pathlib import Path
from random import Random
from statistics import median
from typing import Any, Literal, TypeVar

import msgspec
import torch
import transformers

import mtk
from mtk.combiner import Combiner
from mtk.config import RunConfig, check
from mtk.data.batches import pieces
from mtk.data.shards import Tokens
from mtk.data.split import TaskData
from mtk.data.tasks_toml import read_layout, read_task
from mtk.data.tokens import Batch
from mtk.engine.cuda_graphs import choose_recording
from mtk.engine.device import autocast_of, choose_device, choose_precision
from mtk.engine.gradients import Engine
from mtk.engine.packing import choose_padding_free, why_plain
from mtk.engine.processes import meeting_point
from mtk.engine.shapes import Shapes, Widest
from mtk.events import Result
from mtk.host.kinds import Kinds
from mtk.model.encoder import Encoder
from mtk.model.multitask import Model
from mtk.plan import HEAD_OF_A_PAIR, HEAD_OF_ONE_TEXT, find_data, find_encoder
from mtk.testing import tiny_encoder
from mtk.training.build_model import build_encoder, build_model
from mtk.training.trainer import Recipe, Trainer

T = TypeVar("T")

STEPS = 1_000  # of a run, as which steps are padded where they are recorded

RESULTS = Path(__file__).parent / "results"

# The options that a combiner of the study's three tasks cannot be built without, as they follow its name.
NEEDED = {
    "constant": ":weights=1/0.5/0.5",
    "cosmos": ":weights=1/1/1,lambda_=0.1",
    "pbi": ":weights=1/1/1",
    "pivrg": ":baseline=0.5/0.7/0.8",
}

# Encoders that are timed by their shape alone: a configuration, random weights, and the tokenizer of `minilm`.
SHAPES: dict[str, transformers.PreTrainedConfig] = {
    "bert-base-shape": transformers.BertConfig(),  # the defaults are those of bert-base-uncased
    "bert-tiny-shape": transformers.BertConfig(
        hidden_size=128, num_hidden_layers=2, num_attention_heads=2, intermediate_size=512
    ),
}


def parser(description: str | None) -> argparse.ArgumentParser:
    """The flags that every benchmark of a training step takes."""
    flags = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    flags.add_argument("--data", default="sample", help="a task set or a directory (sample)")
    flags.add_argument("--encoder", default="minilm", help=f"an encoder, or a shape: {', '.join(SHAPES)} (minilm)")
    flags.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N (auto)")
    flags.add_argument("--precision", default="auto", choices=("auto", "fp32", "bf16"), help="(auto)")
    flags.add_argument("--padding-free", default="auto", choices=("auto", "on", "off"), help="(auto)")
    flags.add_argument("--json", type=Path, metavar="FILE", help="write everything that was measured there")
    return flags


class Workload:
    """Tasks, tokenized for an encoder on a device, with the heads of mtk's defaults; models and trainers for them.

    Every model made here has the same weights. `tasks` limits the data to the tasks of these names; a name may come
    several times, as in `para`, `para`: the second is then another task with the same data.
    """

    def __init__(
        self,
        arguments: argparse.Namespace,
        registry: mtk.Registry,
        tasks: Sequence[str] | None = None,
        head_of_a_pair: str = HEAD_OF_A_PAIR,
    ) -> None:
        self.registry = registry
        self.device = choose_device(arguments.device)
        self.autocast = autocast_of(choose_precision(arguments.precision, self.device))
        self._encoder, self._padding_free = arguments.encoder, arguments.padding_free
        self._pooling = registry.part("pooling", RunConfig().pooling)
        layout = read_layout(find_data(arguments.data, registry), Kinds(registry))
        found = {name: read_task(source, bad_rows="skip") for name, source in layout.items()}
        self.data: dict[str, TaskData] = {}
        for number, name in enumerate(tasks or found, 1):
            own = f"{name}-{number}" if name in self.data else name
            self.data[own] = replace(found[name], task=msgspec.structs.replace(found[name].task, name=own))
        defaults = {True: registry.part("head", head_of_a_pair), False: registry.part("head", HEAD_OF_ONE_TEXT)}
        self.heads = {name: defaults[d.task.pair] for name, d in self.data.items()}
        model = self.model()
        self.train = {name: model.tokenize(name, d.train) for name, d in self.data.items()}
        self.plain = why_plain(model.encoder, next(iter(self.train.values())).names)

    def encoder(self) -> Encoder:
        if self._encoder not in SHAPES:
            return self._load(self._encoder)
        tokenizer = self._load("minilm").tokenizer
        return Encoder(transformers.AutoModel.from_config(SHAPES[self._encoder]), tokenizer, self._pooling.build())

    def model(self) -> Model:
        torch.manual_seed(0)
        tasks = [d.task for d in self.data.values()]
        model = build_model(self.encoder(), tasks, self.heads, 128).to(self.device)
        model.autocast = self.autocast
        return model.train()

    def trainer(self, combiner: str | type[Combiner], batch_size: int, **settings: Any) -> Trainer:
        """A trainer at the beginning of a run, with `--compile auto`; `settings` are fields of a run's configuration."""
        built = self.combiner(combiner)
        config = check({"epochs": 1_000, "padding_free": self._padding_free, **settings})
        record = choose_recording(config.compile, self.device, "", uses_host=built.uses_host)
        engine = Engine(
            self.model(),
            built,
            packed=self.plain is None,
            padding_free=self._is_free(config.padding_free),
            clip_norm=config.clip_norm,
            cosines=config.cosines,
        )
        sizes = dict.fromkeys(self.train, batch_size)
        recipe = Recipe(
            self.registry.part("sampler", config.sampler),
            self.registry.part("optimizer", config.optimizer),
            self.registry.part("schedule", config.schedule),
        )
        return Trainer(engine, self.train, sizes, config, recipe, report=lambda progress: None, record=record)

    def _is_free(self, setting: Literal["auto", "on", "off"]) -> bool:
        """One form for all that are compared, a sum too, as their batches are one another's."""
        return choose_padding_free(setting, self.device, self.autocast, self.plain, len(self.train))

    def combiner(self, combiner: str | type[Combiner]) -> Combiner:
        """A fresh one, on the device."""
        names = list(self.data)
        built = self.registry.part("combiner", combiner).build(tasks=names) if isinstance(combiner, str) else combiner(names)
        return built.to(self.device)

    def _load(self, name: str) -> Encoder:
        found = find_encoder(name, self.registry)
        return build_encoder(found.name, self._pooling, source=found.source, hint=found.hint)

    def steps(self, batch_size: int, parts: int = 1, **settings: Any) -> Iterator[dict[str, list[Batch]]]:
        """Batches of every task, each in so many parts, as a run with these settings draws and pads them, without end."""
        streams = {name: t.batches(batch_size, Random(name)) for name, t in self.train.items()}
        sizes = dict.fromkeys(self.train, batch_size)
        shapes: Shapes | Widest | None = None
        if self.device.type == "cuda":
            train: dict[str, Tokens] = {**self.train}
            free = self._is_free(settings.get("padding_free", self._padding_free))
            shapes = Widest(train, sizes) if free else Shapes(train, sizes, STEPS, 1)
        while True:
            examples = {name: next(stream) for name, stream in streams.items()}
            in_parts = {name: pieces(numbers, -(-len(numbers) // parts)) for name, numbers in examples.items()}
            lengths = shapes.of(in_parts) if shapes else {}
            yield {
                name: [self.train[name].batch(part, lengths.get(name, ())) for part in of_task]
                for name, of_task in in_parts.items()
            }


def make(trainer: Trainer, steps: Sequence[Mapping[str, list[Batch]]]) -> None:
    """These steps, each of all its turns."""
    for batches in steps:
        for turn in trainer.turns:
            trainer.optimize({task: batches[task] for task in turn})


def tokens(steps: Sequence[Mapping[str, Sequence[Batch]]]) -> int:
    """The tokens of some steps, padding left out."""
    return sum(part.tokens for step in steps for parts in step.values() for part in parts)


def seconds(work: Callable[[], object], device: torch.device) -> float:
    """How long `work` takes, the device's part included."""
    wait(device)
    began = time.perf_counter()
    work()
    wait(device)
    return time.perf_counter() - began


def wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def peak_bytes(work: Callable[[], object], device: torch.device) -> int:
    """What `work` takes at most beyond what is held before: of the device on CUDA, of the process on a CPU."""
    if device.type == "cuda":
        before = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        work()
        return torch.cuda.max_memory_allocated() - before
    Path("/proc/self/clear_refs").write_text("5")  # forget the peak so far
    before = resident("VmRSS")
    work()
    return resident("VmHWM") - before


def resident(field: str) -> int:
    """Bytes of this process's memory: VmRSS, those it has, or VmHWM, the most it had."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(field))


def loopback() -> int:
    """Bytes that this machine has sent to itself."""
    lines = Path("/proc/net/dev").read_text().splitlines()
    return next(int(line.split()[9]) for line in lines if line.strip().startswith("lo:"))


def a_bert(directory: Path, vocabulary: int, width: int, layers: int, heads: int, dropout: float = 0.1) -> Path:
    """An encoder of this shape with random weights, and a tokenizer that knows words, in a directory."""
    tiny_encoder(directory, words=[f"word{number}" for number in range(vocabulary - 200)])
    config = transformers.BertConfig(
        vocab_size=vocabulary,
        hidden_size=width,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        intermediate_size=4 * width,
        max_position_embeddings=128,
        hidden_dropout_prob=dropout,
        attention_probs_dropout_prob=dropout,
    )
    torch.manual_seed(0)
    transformers.BertModel(config, add_pooling_layer=False).save_pretrained(directory)
    return directory


def together(count: int, work: Callable[[], T]) -> list[T]:
    """What `work` gives in each of so many processes, which are forked and can join."""
    store, context = meeting_point(), get_context("fork")
    store.add("begun", 1)  # so that the store's thread is at rest, and holds no lock that a fork would keep
    all_there = context.Event()
    told = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(store.port), "WORLD_SIZE": str(count)}
    told["TORCHELASTIC_USE_AGENT_STORE"] = "True"
    pipes, children = [context.Pipe(duplex=False) for _ in range(count)], []
    for rank, (_, sending) in enumerate(pipes):

        def work_there(rank: int = rank, send: Callable[[bytes], None] = sending.send_bytes) -> None:
            os.environ.update(told, RANK=str(rank))
            all_there.wait()
            send(pickle.dumps(work()))

        children.append(context.Process(target=work_there))
        children[-1].start()
        sending.close()
    all_there.set()
    found: list[T] = [pickle.loads(receiving.recv_bytes()) for receiving, _ in pipes]
    for child in children:
        child.join()
    return found


def side_by_side(
    contestants: Mapping[str, Callable[[], object]], repeats: int, device: torch.device
) -> dict[str, list[float]]:
    """The seconds of every contestant in every repeat. Each is called once beforehand, unmeasured."""
    for work in contestants.values():
        work()
    times: dict[str, list[float]] = {name: [] for name in contestants}
    rng = Random(0)
    for repeat in range(repeats):
        for name in rng.sample(list(contestants), len(contestants)):
            times[name].append(seconds(contestants[name], device))
        print(f"repeat {repeat + 1} of {repeats}", flush=True)
    return times


def ratio(times: Mapping[str, Sequence[float]], name: str, reference: str) -> float:
    """The median over the repeats of one contestant's time by another's."""
    return median(one / other for one, other in zip(times[name], times[reference], strict=True))


def table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A Markdown table; numbers with three significant digits."""
    lines = [columns, ["---"] * len(columns), *([_cell(value) for value in row] for row in rows)]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def scored(arguments: argparse.Namespace, **settings: Any) -> Result:
    """A whole run with the flags of `parser` and these settings, rows that cannot be read left out, of which nothing is kept
    but its result. Ends the program where it is interrupted: what is not whole is not compared."""
    given = {name: getattr(arguments, name) for name in ("data", "encoder", "device", "precision")}
    with tempfile.TemporaryDirectory() as out:
        result = mtk.run(**given, bad_rows="skip", checkpoint_every="0", out=f"{out}/run", **settings)
    if result.interrupted or result.best is None:
        raise SystemExit("interrupted: what is not whole is not compared")
    return result


def finish(printed: str, measured: Mapping[str, Any], device: torch.device, path: Path | None) -> None:
    """Print a table and where it comes from; write what was measured, with that, to `path`."""
    print(f"\n{printed}\n\n{described(circumstances(device))}")
    if path:
        write(path, measured, device)


def write(path: Path, measured: Mapping[str, Any], device: torch.device) -> None:
    """What was measured, and where."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({**circumstances(device), **measured}, indent=2) + "\n", encoding="utf-8")


def circumstances(device: torch.device) -> dict[str, Any]:
    """Machine, versions and date."""
    packages = ("multitask-toolkit", "torch", "transformers", "torchjd", "LibMTL", "accelerate", "nltk")
    return {
        "date": date.today().isoformat(),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else _processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "versions": {"python": platform.python_version(), **{p: v for p in packages if (v := _version(p))}},
    }


def described(where: Mapping[str, Any]) -> str:
    """The circumstances as a sentence."""
    versions = ", ".join(f"{package} {number}" for package, number in where["versions"].items())
    return f"{where['date']}, {where['device']}, {where['threads']} threads on {where['cores']} cores; {versions}."


def _cell(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    found = re.search(r"^model name\s*: (.*)$", info.read_text(), re.MULTILINE) if info.exists() else None
    return found[1] if found else platform.processor() or platform.machine()


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
