"""What augmentation costs: mtk's `eda` beside the authors' eda.py (github.com/jasonwei20/eda_nlp), which is imported from
a clone of theirs.

    NLTK_DATA=DIR python benchmarks/augment.py --eda-nlp DIR --json FILE

The same sentences, strength 0.1 of all four operations, 9 copies of each sentence, one process and one thread each. Warm is
a pass over all sentences in a process that has made one before. Cold is a pass by a fresh process, from its first import on:
NLTK, WordNet and, for mtk, whatever else it imports are part of it. mtk makes a table of WordNet's synonyms and keeps it:
cold is a process that finds it, and the first ever is one that makes it. Contestants take turns; a ratio is the median over
the repeats of two rates of the same repeat.

What counts is the copies that a user gets. eda.py makes three by each operation and gives nine of these twelve; mtk draws an
operation for each copy and makes nine. The original sentence, which eda.py gives beside them, is not counted.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from statistics import median
from typing import Any

ALPHA, COPIES = 0.1, 9
OURS, THEIRS = "mtk eda", "eda.py"
FIRST = "mtk eda, first ever"
GOALS = {"warm": 20.0, "cold": 5.0, "first ever": 5.0}
START = "MTK_BENCHMARK_START"  # when a fresh process was started, by the clock that all processes share

Pass = Callable[[], int]


def main() -> None:
    arguments = _arguments()
    if arguments.cold:
        _cold(arguments)
        return
    import measuring
    import torch

    torch.set_num_threads(1)
    texts = _texts(arguments.data, arguments.sentences)
    warm = measuring.side_by_side(
        {OURS: _ours(texts), THEIRS: _theirs(texts, arguments.eda_nlp)}, arguments.repeats, torch.device("cpu")
    )
    cold: dict[str, list[float]] = {OURS: [], FIRST: [], THEIRS: []}
    rng = Random(0)
    with tempfile.TemporaryDirectory() as kept:
        _fresh(OURS, texts[:1], arguments.eda_nlp, kept)  # which makes the table
        for repeat in range(arguments.cold_repeats):
            for name in rng.sample(list(cold), len(cold)):
                with tempfile.TemporaryDirectory() as empty:
                    cache = empty if name == FIRST else kept
                    cold[name].append(_fresh(OURS if name == FIRST else name, texts, arguments.eda_nlp, cache))
            print(f"fresh processes, {repeat + 1} of {arguments.cold_repeats}", flush=True)

    rows, measured = [], {}
    for kind, times, ours in (("warm", warm, OURS), ("cold", cold, OURS), ("first ever", cold, FIRST)):
        faster = measuring.ratio(times, THEIRS, ours)
        rates = {name: COPIES * len(texts) / median(times[name]) for name in (ours, THEIRS)}
        rows.append([kind, *(f"{rate:,.0f}" for rate in rates.values()), faster, f"≥ {GOALS[kind]:g}"])
        seconds = {name: times[name] for name in rates}
        measured[kind] = {"seconds": seconds, "copies_per_second": rates, "ratio": faster}
    columns = ["augmented sentences a second", OURS, THEIRS, "times as many", "goal"]
    about = {"sentences": len(texts), "words": sum(len(text.split()) for text in texts), "copies": COPIES, "alpha": ALPHA}
    measuring.finish(
        measuring.table(columns, rows), {**about, "goals": GOALS, **measured}, torch.device("cpu"), arguments.json
    )


def _arguments() -> argparse.Namespace:
    flags = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    flags.add_argument("--eda-nlp", type=Path, required=True, metavar="DIR", help="a clone of jasonwei20/eda_nlp")
    flags.add_argument("--data", default="sample", help="a task set or a directory with a task sst (sample)")
    flags.add_argument("--sentences", type=int, metavar="N", help="only the first N")
    flags.add_argument("--repeats", type=int, default=7, help="of the warm measurement (7)")
    flags.add_argument("--cold-repeats", type=int, default=5, help="fresh processes of each (5)")
    flags.add_argument("--json", type=Path, metavar="FILE", help="write everything that was measured there")
    flags.add_argument("--cold", choices=(OURS, THEIRS), help=argparse.SUPPRESS)  # what a fresh process is to do
    return flags.parse_args()


def _texts(data: str, count: int | None) -> list[str]:
    """Sentences of sst that both can read: eda.py fails at one without a letter."""
    import mtk
    from mtk.data.tasks_toml import read_layout, read_task
    from mtk.host.kinds import Kinds
    from mtk.plan import find_data

    registry = mtk.Registry()
    train = read_task(read_layout(find_data(data, registry), Kinds(registry))["sst"], bad_rows="skip").train
    return [text for text in train.texts[0] if any(c in "abcdefghijklmnopqrstuvwxyz" for c in text.lower())][:count]


def _ours(texts: Sequence[str]) -> Pass:
    import mtk
    from mtk.data.augmentation import changed_copies

    augmenter, copies = mtk.Registry().part("augmenter", f"eda:alpha={ALPHA}").build(), COPIES
    rng = Random(0)

    def work() -> int:
        made = sum(len(changed_copies(text, augmenter, copies, rng)) for text in texts)
        assert made == COPIES * len(texts)
        return made

    return work


def _theirs(texts: Sequence[str], clone: Path) -> Pass:
    sys.path.insert(0, str(clone / "code"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # `is not ''`, which Python takes for a mistake
        eda: Any = importlib.import_module("eda").eda

    def work() -> int:
        made = sum(len(eda(text, ALPHA, ALPHA, ALPHA, ALPHA, num_aug=COPIES)) - 1 for text in texts)
        assert made == COPIES * len(texts)
        return made

    return work


def _fresh(name: str, texts: Sequence[str], clone: Path, cache: str) -> float:
    """The seconds of one pass by a new process, from its start to its last sentence."""
    command = [sys.executable, __file__, "--cold", name, "--eda-nlp", str(clone)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "MTK_CACHE": cache, START: repr(time.monotonic())}
    done = subprocess.run(
        command, input=json.dumps(texts), stdout=subprocess.PIPE, encoding="utf-8", env=environment, check=True
    )
    return float(done.stdout)


def _cold(arguments: argparse.Namespace) -> None:
    texts = json.load(sys.stdin)
    work = _ours(texts) if arguments.cold == OURS else _theirs(texts, arguments.eda_nlp)
    work()
    print(time.monotonic() - float(os.environ[START]))


if __name__ == "__main__":
    main()
