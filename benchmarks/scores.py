"""How every combiner does: the same run with each, at the same number of batches of the same size, one seed.

    python benchmarks/scores.py --data DIR --steps 100 --limit 1600 --json FILE --write docs/methods.md

Everything else is `mtk run`'s default, but that rows which cannot be read are left out. The scores are those at the end, on
the development sets. FILE is written after every run, and what it holds already is not run again: so it can be interrupted,
and told to go on. `pivrg` needs the scores of single tasks: `--baseline 0.45/0.8/0.85`.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import measuring

import mtk
from mtk.engine.device import choose_device
from mtk.metrics import scores

BATCH = 48

TABLE = re.compile(r"(?<=<!-- scores -->\n).*(?=<!-- end of scores -->)", re.DOTALL)

# Options of those that have some without a default; ONE stands for a number for each task.
SPECS = {"constant": "weights=ONE", "cosmos": "weights=ONE,lambda_=1", "pbi": "weights=ONE"}


def specs(registry: mtk.Registry, tasks: int, baseline: str | None, only: list[str] | None) -> list[str]:
    """Every combiner as --combiner takes it."""
    names = [c.name for c in registry.components if c.kind == "combiner"]
    found = []
    for name in only or names:
        options = f"baseline={baseline}" if name == "pivrg" else SPECS.get(name, "").replace("ONE", "/".join(["1"] * tasks))
        if name == "pivrg" and baseline is None:
            print("pivrg is left out: it needs --baseline", flush=True)
        else:
            found.append(f"{name}:{options}".rstrip(":"))
    return found


def made(combiner: str, arguments: Any) -> dict[str, Any]:
    """One run, and how it ended."""
    result = measuring.scored(
        arguments,
        sampler=f"equal:batch={BATCH}",
        combiner=combiner,
        epochs=1,
        epoch=arguments.steps,
        seed=arguments.seed,
        limit=arguments.limit or {},
    )
    assert result.best
    found = {**scores(result.best.metrics), "average": result.best.average}
    return {"combiner": combiner, "seconds": result.seconds, "steps": result.steps, "scores": found}


def main() -> None:
    parser = measuring.parser(__doc__)
    parser.add_argument("--steps", type=int, default=300, metavar="N", help="batches of each task (300)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="(0)")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="these combiners (all)")
    parser.add_argument("--baseline", metavar="SCORES", help="each task's score alone, for pivrg: 0.4/0.8/0.8")
    parser.add_argument("--write", type=Path, metavar="FILE", help="put the table between the marks in that page")
    parser.add_argument("--limit", type=int, metavar="N", help="so many rows of each split, to try this out (all)")
    arguments = parser.parse_args()
    registry, device = mtk.Registry(), choose_device(arguments.device)
    settings = {name: getattr(arguments, name) for name in ("encoder", "precision", "steps", "seed", "limit", "baseline")}
    settings |= {"data": Path(arguments.data).name, "batch": BATCH}
    found = _begun(arguments.json, settings)
    tasks = len(measuring.Workload(arguments, registry).data)
    for combiner in specs(registry, tasks, arguments.baseline, arguments.only):
        if all(run["combiner"] != combiner for run in found):
            found.append(made(combiner, arguments))
            print(f"{combiner}: {found[-1]['scores']}", flush=True)
            if arguments.json:
                measuring.write(arguments.json, {**settings, "runs": found}, device)
    found.sort(key=lambda run: -run["scores"]["average"])
    rows = [[f"`{run['combiner']}`", *(f"{score:.3f}" for score in run["scores"].values())] for run in found]
    printed = measuring.table(["combiner", *found[0]["scores"]], rows)
    measuring.finish(printed, {**settings, "runs": found}, device, arguments.json)
    if arguments.write:
        where = measuring.described(measuring.circumstances(device))
        text = TABLE.sub(lambda _: f"{printed}\n\n{where}\n", arguments.write.read_text(encoding="utf-8"))
        arguments.write.write_text(text, encoding="utf-8")


def _begun(path: Path | None, settings: dict[str, Any]) -> list[dict[str, Any]]:
    """The runs that a file holds. Ends the program where they were made with other settings."""
    if path is None or not path.exists():
        return []
    held = json.loads(path.read_text(encoding="utf-8"))
    if other := [name for name, value in settings.items() if held.get(name) != value]:
        raise SystemExit(f"{path} holds runs of other settings ({', '.join(other)}); name another file")
    runs: list[dict[str, Any]] = held["runs"]
    return runs


if __name__ == "__main__":
    main()
