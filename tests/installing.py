"""Packages installed as a user installs them, but with nothing fetched, and commands that run beside them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

OFFLINE = ("--no-index", "--no-deps", "--no-build-isolation", "--disable-pip-version-check", "--quiet")


def install(*packages: Path, into: Path) -> Path:
    """Install packages into a directory of their own, which is returned."""
    code, _, stderr = run_python("-m", "pip", "install", *OFFLINE, "--target", str(into), *map(str, packages))
    assert code == 0, stderr
    return into


def run_python(
    *arguments: str, packages: Path | None = None, stdin: str = "", cwd: Path | None = None, **environment: str
) -> tuple[int, str, str]:
    """The exit code of `python …`, with the packages in a directory installed beside those of the tests, and what it
    prints."""
    kept = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "MTK_DISABLE_PLUGINS")}
    kept |= {"PYTHONPATH": str(packages)} if packages is not None else {}
    done = subprocess.run(
        [sys.executable, *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        cwd=cwd,
        env={**kept, "HF_HUB_OFFLINE": "1", **environment},
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def run_mtk(*arguments: str, packages: Path | None = None, stdin: str = "", **environment: str) -> tuple[int, str, str]:
    """The same of `mtk …`."""
    return run_python("-m", "mtk_cli", *arguments, packages=packages, stdin=stdin, **environment)
