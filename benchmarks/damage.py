"""Whether a damaged run is refused in a message, or gives the results that it gave: never others, no traceback, no hang.

    python benchmarks/damage.py --json benchmarks/results/damage-cpu.json

1,000 times a file of a finished run is damaged: bits flipped, cut, lengthened, swapped with another, a link, a pipe, a
directory or nothing in its place, another type, other numbers, names and paths. Then all that reads the file is asked:
`mtk eval`, `mtk predict`, `mtk run --config`, and `mtk run --resume`, which goes one epoch further than was planned.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from random import Random
from typing import Any

import dying
import killing
import measuring
import torch

CASES = 1000
LONGEST = 60.0  # seconds of a command; what takes longer hangs
TEXTS = "a film I would gladly see again\na dull and boring one\nnothing in it is new\n"

Damage = Callable[[Path, Random], None]


def flip(file: Path, rng: Random) -> None:
    content = bytearray(file.read_bytes())
    for _ in range(rng.choice((1, 8))):
        content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    file.write_bytes(content)


def cut(file: Path, rng: Random) -> None:
    file.write_bytes(file.read_bytes()[: rng.randrange(file.stat().st_size)])


def lengthen(file: Path, rng: Random) -> None:
    file.write_bytes(file.read_bytes() + rng.randbytes(rng.choice((1, 100))))


def swap(file: Path, rng: Random) -> None:
    """With another file's content."""
    others = [p for p in file.parents[1].rglob("*") if p.is_file() and p != file]
    file.write_bytes(rng.choice(sorted(others)).read_bytes())


def link(file: Path, rng: Random) -> None:
    away = file.with_name(f"{file.name}-away")
    shutil.copy(file, away)
    file.unlink()
    file.symlink_to(rng.choice((away, Path("/dev/zero"), Path("nowhere"))))


def pipe(file: Path, rng: Random) -> None:
    file.unlink()
    os.mkfifo(file)


def directory(file: Path, rng: Random) -> None:
    file.unlink()
    file.mkdir()


def absent(file: Path, rng: Random) -> None:
    file.unlink()


def other_type(file: Path, rng: Random) -> None:
    file.write_text(rng.choice(("null", "[]", "{}", "[" * 50_000, "9" * 5000, '{"format": 9}', "\0" * 100, "", "a = 1")))


def word(file: Path, rng: Random) -> None:
    """Another word in a file of text, such as a path that leads away."""
    text = file.read_text("utf-8", "replace")
    old = rng.choice(["linear", "mean", "heads/", "encoder/", '"sst"', "fp32", "sum", "data", "seed"])
    new = rng.choice(["../../../etc/passwd", "/etc/passwd", "null", "a\u202eb", '"\x1b[31m"', "x" * 5000, "\0", "y"])
    file.write_text(text.replace(old, new), encoding="utf-8")


def number(file: Path, rng: Random) -> None:
    """Another number in a file of text, a huge one for instance."""
    text = file.read_text("utf-8", "replace")
    if found := list(re.finditer(r"\d+", text)):
        at = rng.choice(found)
        new = rng.choice(["9" * 400, "-1", "1e999", "0", "18446744073709551616", "1e-400", "nan", str(int(at[0][:9]) + 1)])
        file.write_text(text[: at.start()] + new + text[at.end() :], encoding="utf-8")


DAMAGES: list[Damage] = [flip, cut, lengthen, swap, link, pipe, directory, absent, other_type, word, number]


@dataclass
class Finished:
    """A run to be damaged, and what is made of it as it is."""

    directory: Path
    texts: Path
    flags: tuple[str, ...]
    wanted: dict[str, Any]

    @classmethod
    def make(cls, place: Path, flags: tuple[str, ...]) -> Finished:
        """In the new directory `place`."""
        place.mkdir()
        texts = place / "texts.txt"
        texts.write_text(TEXTS)
        made = cls(place / "run", texts, flags, {})
        ended = dying.process("run", *flags, "--out", str(made.directory))
        assert ended.status == 0, ended.err
        copy = shutil.copytree(made.directory, place / "copy")
        for command in ("eval", "predict", "config", "resume"):
            ended, found = made.asked(command, copy)
            assert ended.status == 0, ended.err
            made.wanted[command] = found
        shutil.rmtree(copy)
        return made

    def asked(self, command: str, run: Path) -> tuple[dying.Ended, Any]:
        """A command that reads the run, and what it gives."""
        again = run.with_name("again")
        arguments = {
            "eval": ["eval", str(run), "--json", "--device", "cpu"],
            "predict": ["predict", str(run), "sst", str(self.texts), "--device", "cpu"],
            "config": ["run", "--config", str(run / "config.toml"), "--out", str(again)],
            "resume": ["run", "--resume", str(run), "--epochs", "2"],
        }[command]
        ended = dying.process(*arguments, longest=LONGEST)
        found: Any = None
        if ended.status == 0 and command in ("config", "resume"):
            found = dying.results(again if command == "config" else run)
        elif ended.status == 0:
            found = {**json.loads(ended.out), "run": ""} if command == "eval" else ended.out
        shutil.rmtree(again, ignore_errors=True)
        return ended, found


def readers(place: Path) -> list[str]:
    """Which commands read this file of a run."""
    if place.parts[0] == "model":
        return ["eval", "predict", "resume"]
    return ["eval", "config", "resume"] if place.name == "config.toml" else ["resume"]


def tried(finished: Finished, seed: int) -> dict[str, Any]:
    """One damage, what was made of it by each command, and what is wrong with that."""
    rng = Random(seed)
    own = finished.directory.parent / str(seed)
    copy = shutil.copytree(finished.directory, own / "copy")
    files = sorted(p.relative_to(copy) for p in copy.rglob("*") if p.is_file())
    # half of them of what decides most: the configuration, and what a checkpoint and a model say of themselves
    cards = [p for p in files if p.name in ("config.toml", "state.json", "model.json", "manifest.json")]
    place, damage = rng.choice(rng.choice((files, cards))), rng.choice(DAMAGES)
    damage(copy / place, rng)
    answers, wrong = {}, []
    for command in readers(place):
        ended, found = finished.asked(command, copy)
        answers[command] = ended.status
        wanted = finished.wanted[command]
        if "is not there any more: what was told" in ended.err:  # which is said, and not an other result
            found, wanted = (
                {k: v for k, v in of.items() if k not in ("evaluations", "steps told")} for of in (found, wanted)
            )
        errors = [line for line in ended.err.splitlines() if line.startswith("error: ")]
        if ended.hung or "Traceback" in ended.err or ended.status not in (0, 1, 2):
            wrong.append(f"{command}: exit status {ended.status}{', it hung' if ended.hung else ''}: {ended.err[-1500:]}")
        elif ended.status and len(errors) != 1:
            wrong.append(f"{command}: {len(errors)} messages: {ended.err[-500:]}")
        elif not ended.status and found != wanted:
            unlike = [k for k in wanted if found.get(k) != wanted[k]] if isinstance(wanted, dict) else found
            wrong.append(f"{command}: other results: {unlike}")
    shutil.rmtree(own)
    return {"seed": seed, "file": str(place), "damage": damage.__name__, "answers": answers, "wrong": "; ".join(wrong)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=CASES, metavar="N", help=f"({CASES:,})")
    parser.add_argument("--first", type=int, default=0, metavar="SEED", help="of the cases (0)")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="processes that try them (1)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything that was found there")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    found: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as temporary:
        place = Path(temporary).resolve()
        finished = Finished.make(place / "run", (*killing.made(place), "--epochs", "1", "--combiner", "pcgrad"))
        seeds = range(arguments.first, arguments.first + arguments.cases)
        with get_context("fork").Pool(arguments.jobs) as pool:  # a fork has what it imports, as `dying` wants it
            for case in pool.imap(partial(tried, finished), seeds):
                found.append(case)
                if case["wrong"]:
                    print(json.dumps(case, indent=1), flush=True)
                if len(found) % 25 == 0:
                    print(f"{len(found)} of {arguments.cases}", flush=True)
    statuses = [status for case in found for status in case["answers"].values()]
    rows = [[len(found), len(statuses), sum(map(bool, statuses)), statuses.count(0), sum(bool(c["wrong"]) for c in found)]]
    printed = measuring.table(["damages", "commands", "refused", "the same results", "wrong"], rows)
    measuring.finish(printed, {"cases": found}, torch.device("cpu"), arguments.json)
    raise SystemExit(1 if rows[0][-1] else 0)


if __name__ == "__main__":
    main()
