"""mtk against the Trainer of transformers: real tokens and examples a second, on one task, and on several.

    python benchmarks/throughput.py --batch-size 8 64 --json FILE

The same encoder, weights, data, batch size, precision, dropout and fused AdamW with clipping. The Trainer has what makes it
fast: tokenized data, batches of like length padded to their longest, bf16 where mtk has it, and no evaluation, checkpoint or
report. It learns several tasks one after the other, mtk all of them in one run. Each goes through the same examples,
drawn at random from the training sets: once to warm up (on CUDA twice), then once on the clock; so the tokens are the same,
and padding counts for nothing. The two take turns; a ratio is the median over the repeats.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from functools import partial
from itertools import islice
from random import Random
from statistics import median
from typing import Any

import measuring
import torch
import transformers
from torch.utils.data import Dataset

import mtk
from mtk.data.split import Split, numbers
from mtk.kind import Kind

GOALS = {
    "cpu": "at batch size 8 at least 1.45 with one task, and 1.7 (fp32) and 2.0 (bf16) with three and pcgrad",
    "cuda": "at least 3 at batch size 8, 1.5 at 64",
}


class Encoded(Dataset[dict[str, Any]]):
    """A task's training split as a Trainer takes it: pairs as one sequence, as mtk's default head for them reads."""

    def __init__(self, split: Split, kind: Kind, tokenizer: Any) -> None:
        encoded = tokenizer(*split.texts, truncation=True, max_length=128)
        assert split.labels is not None
        labels = [int(numbers(label)[0]) for label in split.labels] if kind.outputs > 1 else split.labels
        self.rows = [
            {"labels": label, "length": len(encoded["input_ids"][i]), **{name: encoded[name][i] for name in encoded}}
            for i, label in enumerate(labels)
        ]

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return {name: value for name, value in self.rows[index].items() if name != "length"}


class Stopwatch(transformers.TrainerCallback):  # type: ignore[misc]
    """The seconds of the last epoch."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.began = self.seconds = 0.0

    def on_epoch_begin(self, args: Any, state: Any, control: Any, **others: Any) -> None:
        measuring.wait(self.device)
        self.began = time.perf_counter()

    def on_train_end(self, args: Any, state: Any, control: Any, **others: Any) -> None:
        measuring.wait(self.device)
        self.seconds = time.perf_counter() - self.began


class Contest:
    """The same examples of some tasks for both."""

    def __init__(self, arguments: argparse.Namespace, batch_size: int, tasks: list[str] | None = None) -> None:
        self.load = measuring.Workload(arguments, mtk.Registry(), tasks)
        self.batch_size, self.steps = batch_size, arguments.steps
        self.warm_up = 2 if self.load.device.type == "cuda" else 1
        self.splits = {name: _sample(d.train, batch_size * self.steps) for name, d in self.load.data.items()}
        model = self.load.model()
        self.load.train = {name: model.tokenize(name, split) for name, split in self.splits.items()}
        self.examples = sum(map(len, self.splits.values()))
        self.tokens = sum(sum(read.lengths) for tokens in self.load.train.values() for read in tokens.readings)

    def trainer(self) -> float:
        """The Trainer's seconds, for one task after the other."""
        return sum(map(self._trainer, self.splits))

    def mtk(self, combiner: str) -> float:
        """mtk's seconds. Batches are cut on the clock."""
        trainer, stream = self.load.trainer(combiner, self.batch_size), self.load.steps(self.batch_size)

        def epoch() -> None:
            for batches in islice(stream, self.steps):
                trainer.optimize(batches)

        for _ in range(self.warm_up):
            epoch()
        return measuring.seconds(epoch, self.load.device)

    def _trainer(self, task: str) -> float:
        load = self.load
        tokenizer = load.encoder().tokenizer
        kind = load.data[task].task.kind
        backbone = load.encoder().backbone
        config: Any = backbone.config
        config.num_labels = kind.outputs
        config.problem_type = None if kind.outputs > 1 else "regression"
        model = transformers.AutoModelForSequenceClassification.from_config(config)
        model.base_model.load_state_dict(backbone.state_dict(), strict=False)
        watch = Stopwatch(load.device)
        with tempfile.TemporaryDirectory() as directory:
            arguments = transformers.TrainingArguments(
                directory,
                per_device_train_batch_size=self.batch_size,
                num_train_epochs=self.warm_up + 1,
                learning_rate=5e-5,
                weight_decay=0.01,
                optim="adamw_torch_fused",
                bf16=load.autocast is not None,
                use_cpu=load.device.type == "cpu",
                train_sampling_strategy="group_by_length",
                remove_unused_columns=False,
                logging_strategy="no",
                save_strategy="no",
                eval_strategy="no",
                report_to="none",
                disable_tqdm=True,
            )
            transformers.Trainer(
                model,
                arguments,
                data_collator=transformers.DataCollatorWithPadding(tokenizer),
                train_dataset=Encoded(self.splits[task], kind, tokenizer),
                callbacks=[watch],
            ).train()
        return watch.seconds


def _sample(split: Split, count: int) -> Split:
    chosen = Random(0).sample(range(len(split)), min(count, len(split)))
    assert split.labels is not None
    return Split(
        [split.ids[i] for i in chosen],
        tuple([column[i] for i in chosen] for column in split.texts),
        [split.labels[i] for i in chosen],
        split.source,
    )


def main() -> None:
    parser = measuring.parser(__doc__)
    parser.add_argument("--batch-size", type=int, nargs="+", default=[8, 64], metavar="N", help="of each task (8 64)")
    parser.add_argument("--task", default="sst", help="the one task (sst)")
    parser.add_argument("--steps", type=int, default=30, metavar="N", help="steps on the clock (30)")
    parser.add_argument("--repeats", type=int, default=3, metavar="N", help="turns of each (3)")
    arguments = parser.parse_args()
    transformers.utils.logging.set_verbosity_error()

    found: list[dict[str, Any]] = []
    for batch_size in arguments.batch_size:
        alone, every = Contest(arguments, batch_size, [arguments.task]), Contest(arguments, batch_size)
        for name, contest, combiners in (
            (f"{arguments.task} alone", alone, ["sum"]),
            (f"{len(every.splits)} tasks", every, ["sum", "pcgrad"]),
        ):
            work: dict[str, Callable[[], float]] = {"Trainer": contest.trainer}
            work |= {f"mtk, {c}": partial(contest.mtk, c) for c in combiners}
            times: dict[str, list[float]] = {who: [] for who in work}
            for repeat in range(arguments.repeats):
                for who in work if repeat % 2 else reversed(work):
                    times[who].append(work[who]())
                print(f"{name}, batch size {batch_size}, repeat {repeat + 1} of {arguments.repeats}", flush=True)
            for who, seconds in times.items():
                found.append(
                    {
                        "contest": name,
                        "batch_size": batch_size,
                        "who": who,
                        "seconds": seconds,
                        "tokens": contest.tokens,
                        "examples": contest.examples,
                        "ratio": measuring.ratio(times, "Trainer", who),
                    }
                )

    columns = ["", "batch size", "", "tokens/s", "examples/s", "as fast as the Trainer"]
    rows = [
        [
            one["contest"],
            one["batch_size"],
            one["who"],
            f"{one['tokens'] / median(one['seconds']):,.0f}",
            f"{one['examples'] / median(one['seconds']):,.0f}",
            f"{one['ratio']:.2f}",
        ]
        for one in found
    ]
    load = every.load
    precision = "bf16" if load.autocast else "fp32"
    printed = f"{measuring.table(columns, rows)}\n\nGoal: {GOALS[load.device.type]}. In {precision}."
    measuring.finish(printed, {"precision": precision, "measured": found}, load.device, arguments.json)


if __name__ == "__main__":
    main()
