"""What a bug report needs to know of where it happened: releases, the machine, what is installed, where things are kept.

No setting is told that could be a secret: of environment variables, those that mtk and what it stands on read to decide
something, by name.
"""

from __future__ import annotations

import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, distribution, requires, version
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement

from mtk.cache import directory
from mtk.host.registry import PACKAGE, Registry

VARIABLES = (
    "CUDA_VISIBLE_DEVICES",
    "HF_ENDPOINT",
    "HF_HOME",
    "HF_HUB_OFFLINE",
    "MKL_NUM_THREADS",
    "MTK_CACHE",
    "MTK_DISABLE_PLUGINS",
    "NLTK_DATA",
    "OMP_NUM_THREADS",
    "PYTORCH_CUDA_ALLOC_CONF",
    "TOKENIZERS_PARALLELISM",
    "TRANSFORMERS_OFFLINE",
    "XDG_CACHE_HOME",
)


def environment() -> dict[str, Any]:
    """What is to be said, by topic. torch is imported for the devices; a torch that cannot be is said so."""
    return {
        "mtk": version(PACKAGE),
        "python": f"{sys.version.split()[0]}, {sys.executable}",
        "system": f"{platform.system()} {platform.release()}, {platform.machine()}, {os.cpu_count()} CPUs",
        "torch": _torch(),
        "packages": {name: installed(name) for name in sorted(_required())},
        "extras": {extra: _missing(extra) for extra in sorted(_extras())},
        "plugins": _plugins(),
        "caches": {name: _cache(path) for name, path in _caches().items()},
        "variables": {name: os.environ[name] for name in VARIABLES if name in os.environ},
    }


def installed(name: str) -> str | None:
    """The release of a distribution; None where it is not here."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _torch() -> dict[str, Any]:
    try:
        import torch
    except Exception as error:
        return {"broken": f"{type(error).__name__}: {error}"}
    gpus = [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())]
    return {
        "threads": torch.get_num_threads(),
        "cuda": torch.version.cuda,
        "devices": [f"cuda:{number}, {name}" for number, name in enumerate(gpus)] or ["cpu"],
    }


def _requirements() -> list[Requirement]:
    return [Requirement(line) for line in requires(PACKAGE) or ()]


def _required() -> set[str]:
    """The distributions without which mtk does not run."""
    return {wanted.name for wanted in _requirements() if wanted.marker is None or wanted.marker.evaluate({"extra": ""})}


def _extras() -> list[str]:
    return distribution(PACKAGE).metadata.get_all("Provides-Extra") or []


def _missing(extra: str) -> list[str]:
    """What an extra asks for and is not here, or in another release than it asks for. Its own extras are left out."""
    wanted = [r for r in _requirements() if r.marker and r.marker.evaluate({"extra": extra}) and r.name != PACKAGE]
    wanted = [r for r in wanted if r.name not in _required()]
    return [str(r).partition(";")[0].strip() for r in wanted if not _fits(r)]


def _fits(wanted: Requirement) -> bool:
    found = installed(wanted.name)
    return found is not None and wanted.specifier.contains(found, prereleases=True)


def _plugins() -> list[str]:
    """Those of other packages, and what of any is broken."""
    registry = Registry()
    others = [f"{p.name} ({p.package} {p.version})" for p in registry.plugins if p.package != PACKAGE]
    return others + [f"{b.plugin} ({b.package} {b.version}): broken: {b.reason}" for b in registry.broken]


def _caches() -> dict[str, Path]:
    """Where mtk keeps what it made, and where transformers keeps what it fetched."""
    user = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    home = os.environ.get("HF_HOME")
    return {
        **{folder: directory(folder) for folder in ("tokens", "synonyms")},
        "hub": Path(os.environ.get("HF_HUB_CACHE") or (Path(home) if home else user / "huggingface") / "hub"),
    }


def _cache(path: Path) -> str:
    try:
        sizes = [file.stat().st_size for file in path.rglob("*") if file.is_file() and not file.is_symlink()]
    except OSError as error:
        return f"{path}: {error.strerror}"
    return f"{path}: {len(sizes):,} files, {sum(sizes) / 1e6:,.0f} MB" if sizes else f"{path}: nothing"
