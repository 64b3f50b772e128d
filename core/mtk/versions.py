"""Which releases a run was made with: what its `config.toml` records, and what a repetition finds changed.

[versions]
python = "3.11.9"
multitask-toolkit = "0.1.0"
torch = "2.13.0"
transformers = "5.23.0"
"head bilinear" = "mtk-bilinear 0.1.0"
"combiner pcgrad" = "multitask-toolkit 0.1.0"
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import version

from mtk.config import RunConfig, per_task
from mtk.registry import PACKAGE, Kind, Registry
from mtk.spec import Spec


def used_versions(config: RunConfig, tasks: Sequence[str], registry: Registry) -> dict[str, str]:
    """Those of the base, and the package and version of every component that a run of `tasks` uses."""
    versions = {"python": sys.version.split()[0]}
    versions |= {package: version(package) for package in (PACKAGE, "torch", "transformers")}
    for kind, text in _used(config, tasks):
        name = Spec.parse(text).name if kind not in ("tasks", "encoder") else text
        if kind not in ("tasks", "encoder") or registry.offers(kind, name):  # else a directory, or an id of the hub
            component = registry.find(kind, name)
            versions[f"{kind} {name}"] = f"{component.package} {component.version}"
    return versions


def changed_versions(recorded: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """A line for everything that both runs use and that is not the same."""
    return [
        f"{what} was {recorded[what]} in the run that this one repeats, and is {found} here"
        for what, found in now.items()
        if recorded.get(what, found) != found
    ]


def _used(config: RunConfig, tasks: Sequence[str]) -> list[tuple[Kind, str]]:
    used: list[tuple[Kind, str]] = [("tasks", config.data), ("encoder", config.encoder)]
    used += [("head", per_task(config.heads, task, "")) for task in tasks]
    used += [("combiner", config.combiner)]
    used += [("augmenter", text) for task in tasks if (text := per_task(config.augment, task, ""))]
    used += [("listener", text) for text in config.listen]
    return used
