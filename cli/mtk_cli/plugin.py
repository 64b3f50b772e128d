"""What the command line itself brings as a plugin: its screen of a run, which `mtk.run(progress=True)` asks for."""

from __future__ import annotations

import mtk
from mtk import Registration


@mtk.hookimpl
def mtk_register(registry: Registration) -> None:
    registry.listener("progress", "mtk_cli.console:Shown", summary="what mtk run shows, for a run from Python")
