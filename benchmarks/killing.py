"""Whether a run that is killed at any moment, and resumed, ends as if nothing had happened.

    python benchmarks/killing.py --json benchmarks/results/killing-cpu.json

`kills`: 100 runs, over every combiner that is installed, are killed by SIGKILL at a random moment, resumed, half of them
killed again and so on, until they are done. Weights, optimizer, combiner, predictions and metrics have to be those of a run
that nobody killed, bit for bit.

`changes`: a run that begins, and one that goes further than was planned, die at each of the changes that they make to their
directory (an audit hook finds them: each file that is opened to be written, flushed, renamed, removed, each directory), by
SIGKILL, by SIGINT, and by a disk that is full from then on. What is left has to load, what was said has to be true, and
resumed the run has to end as if nothing had happened.

`disk`: the same on a small file system of its own (tmpfs, which only root can mount), full at so many kilobytes.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random
from typing import Any

import dying
import measuring
import torch

import mtk
from mtk.files import standing
from mtk.testing import tiny_encoder

KILLS, SIZES = 100, 24
SETTINGS = (
    *("--head", "linear", "--batch-size", "16", "--epochs", "2", "--checkpoint-every", "2", "--accumulate", "2"),
    *("--dropout", "0.2", "--limit", "32", "--max-length", "16", "--device", "cpu", "--precision", "fp32"),
)
SHORT = ("--combiner", "pcgrad", "--epochs", "1", "--checkpoint-every", "1")


def combiners() -> list[str]:
    """All that are installed, as a run is given them."""
    return [c.qualified + measuring.NEEDED.get(c.name, "") for c in mtk.Registry().components if c.kind == "combiner"]


def whole(flags: Sequence[str], directory: Path) -> tuple[dict[str, bytes], dying.Ended]:
    """A run that nobody kills."""
    ended = dying.process("run", *flags, "--out", str(directory))
    assert ended.status == 0, ended.err
    return dying.results(directory), ended


def killed(combiner: str, flags: Sequence[str], place: Path, times: int, rng: Random) -> Iterator[dict[str, Any]]:
    """One combiner, so many times."""
    flags = (*flags, "--combiner", combiner)
    wanted, ended = whole(flags, place / "whole")
    for number in range(times):
        directory, command = place / f"killed-{number}", ["run", *flags, "--out", str(place / f"killed-{number}")]
        wrong, kills = "", list[float]()
        while not wrong and len(kills) < 20:
            moment = rng.uniform(0, ended.seconds) if not kills or rng.random() < 0.5 else dying.LONGEST
            attempt = dying.process(*command, kill_after=moment)
            if attempt.status == 0:
                break
            kills.append(moment)
            wrong = "" if attempt.status < 0 else f"exit status {attempt.status}: {attempt.err}"
            wrong = wrong or dying.steady(directory)
            command = ["run", "--resume", str(directory)]
            if not (directory / "config.toml").exists():  # it died before there was anything to go on with
                shutil.rmtree(directory, ignore_errors=True)
                command = ["run", *flags, "--out", str(directory)]
        wrong = wrong or dying.differences(directory, wanted)
        yield {"combiner": combiner, "killed after": kills, "wrong": wrong}
        shutil.rmtree(directory, ignore_errors=True)


def kills(flags: Sequence[str], place: Path, count: int) -> list[dict[str, Any]]:
    """The combiners take turns, until there were so many runs."""
    rng, names, found = Random(0), combiners(), []
    for number, name in enumerate(names):
        times = count // len(names) + (number < count % len(names))
        for run in killed(name, flags, place / str(number), times, rng) if times else ():
            found.append(run)
            print(f"kills: {len(found)} of {count}  {name}  {run['wrong'] or 'the same'}", flush=True)
        shutil.rmtree(place / str(number), ignore_errors=True)
    return found


def scenarios(flags: Sequence[str], place: Path) -> dict[str, tuple[list[str], Path | None, dict[str, bytes]]]:
    """What dies: its arguments, the directory that it finds, and what it has to end with."""
    fresh, _ = whole(flags, place / "whole")
    shutil.copytree(place / "whole", place / "former")
    ended = dying.process("run", "--resume", str(place / "whole"), "--epochs", "2")
    assert ended.status == 0, ended.err
    return {
        "begins": (["run", *flags, "--out"], None, fresh),
        "goes on": (["run", "--epochs", "2", "--resume"], place / "former", dying.results(place / "whole")),
    }


def died(
    arguments: Sequence[str], former: Path | None, wanted: dict[str, bytes], directory: Path, watch: dying.Watch | None
) -> tuple[dying.Ended, str]:
    """One death, and what is wrong after it."""
    if former:
        shutil.copytree(former, directory, dirs_exist_ok=True)
    ended = dying.process(*arguments, str(directory), watch=watch)
    wrong = dying.told_truly(ended, directory) or dying.steady(directory)
    if not wrong and former and not (directory / "model").exists() and not standing(directory / "model").exists():
        wrong = "the model that there was is gone"
    return ended, wrong


def resumed(arguments: Sequence[str], directory: Path, wanted: dict[str, bytes]) -> str:
    """What is wrong when it has gone on to its end."""
    if (directory / "config.toml").exists():
        again = ["run", "--resume", str(directory), *(["--epochs", "2"] if arguments[1] == "--epochs" else [])]
    else:
        shutil.rmtree(directory, ignore_errors=True)
        again = [*arguments, str(directory)]
    ended = dying.process(*again)
    return f"resumed, it ended with {ended.status}: {ended.err}" if ended.status else dying.differences(directory, wanted)


def changes(flags: Sequence[str], place: Path, every: int) -> list[dict[str, Any]]:
    """Each change of both scenarios, by each death; only one in `every` of them."""
    found = []
    for name, (arguments, former, wanted) in scenarios(flags, place).items():
        directory = place / "run"
        counting, wrong = died(arguments, former, wanted, directory, dying.Watch(directory))
        assert not wrong, wrong
        shutil.rmtree(directory)
        for death in ("SIGKILL", "SIGINT", "ENOSPC"):
            began = time.monotonic()
            for number in range(1, counting.changes + 1, every):
                ended, wrong = died(arguments, former, wanted, directory, dying.Watch(directory, number, death))
                wrong = wrong or resumed(arguments, directory, wanted)
                found.append({"run": name, "death": death, "change": number, "status": ended.status, "wrong": wrong})
                if wrong:
                    print(f"changes: {name} {death} {number}: {wrong}", flush=True)
                shutil.rmtree(directory, ignore_errors=True)
            took = time.monotonic() - began
            print(f"changes: {name}, {death} at each of {counting.changes}, {took:.0f} s", flush=True)
    return found


def disk(flags: Sequence[str], place: Path, sizes: int) -> list[dict[str, Any]]:
    """On file systems of so many sizes, up to what a run needs."""
    found: list[dict[str, Any]] = []
    mounted = place / "mounted"
    mounted.mkdir()
    for name, (arguments, former, wanted) in scenarios(flags, place).items():
        needed = sum(p.stat().st_size for p in (place / "whole").rglob("*")) * 3 // 1024
        least = sum(p.stat().st_size for p in former.rglob("*")) // 1024 + 64 if former else 4
        for number in range(sizes):
            size = least + (needed - least) * number // sizes
            options = f"size={size}k"
            if subprocess.run(
                ["mount", "-t", "tmpfs", "-o", options, "tmpfs", mounted], capture_output=True, check=False
            ).returncode:
                print("disk: left out, for only root can mount a file system")
                return found
            try:
                ended, wrong = died(arguments, former, wanted, mounted / "run", None)
                subprocess.run(["mount", "-o", "remount,size=64m", mounted], check=True)
                wrong = wrong or resumed(arguments, mounted / "run", wanted)
            finally:
                subprocess.run(["umount", mounted], check=True)
            found.append({"run": name, "kilobytes": size, "status": ended.status, "wrong": wrong})
            print(f"disk: {name}, {size} kB: exit status {ended.status}  {wrong or 'all is well'}", flush=True)
    return found


def made(place: Path) -> tuple[str, ...]:
    """The flags of a run that takes a second."""
    encoder = tiny_encoder(place / "encoder", words=["good", "bad", "the", "a", "dog", "cat", "is", "sees"])
    return ("--data", "sample", "--encoder", str(encoder), *SETTINGS)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=("kills", "changes", "disk"), default=["kills", "changes", "disk"])
    parser.add_argument("--kills", type=int, default=KILLS, metavar="N", help=f"runs that are killed ({KILLS})")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="only each N-th change (1)")
    parser.add_argument("--sizes", type=int, default=SIZES, metavar="N", help=f"of a disk ({SIZES})")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything that was found there")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    measured: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as temporary:
        place = Path(temporary).resolve()
        flags = made(place)
        for part in arguments.only:
            (place / part).mkdir()
            if part == "kills":
                measured[part] = kills(flags, place / part, arguments.kills)
            elif part == "changes":
                measured[part] = changes((*flags, *SHORT), place / part, arguments.every)
            else:
                measured[part] = disk((*flags, *SHORT), place / part, arguments.sizes)
    rows = [[part, len(found), sum(bool(case["wrong"]) for case in found)] for part, found in measured.items()]
    wrong = [case for found in measured.values() for case in found if case["wrong"]]
    for case in wrong:
        print(json.dumps(case))
    measuring.finish(measuring.table(["what", "deaths", "wrong"], rows), measured, torch.device("cpu"), arguments.json)
    raise SystemExit(1 if wrong else 0)


if __name__ == "__main__":
    main()
