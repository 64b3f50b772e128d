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
from collections.abc import Iterable, Mapping
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version

from mtk.host.component import Component
from mtk.host.registry import PACKAGE


def used_versions(components: Iterable[Component], libraries: Iterable[str] = ()) -> dict[str, str]:
    """Those of the base and of further `libraries` that are here, and the package and version of every component that a run
    uses."""
    versions = {"python": sys.version.split()[0]}
    versions |= {package: version(package) for package in (PACKAGE, "torch", "transformers")}
    for library in libraries:
        with suppress(PackageNotFoundError):
            versions[library] = version(library)
    return versions | {f"{c.kind} {c.name}": f"{c.package} {c.version}" for c in components}


def changed_versions(recorded: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """A line for everything that both runs use and that is not the same."""
    return [
        f"{what} was {recorded[what]} in the run that this one repeats, and is {found} here"
        for what, found in now.items()
        if recorded.get(what, found) != found
    ]
