"""Several processes share a sweep: each cell is run once, one that dies is told, and a signal ends them all."""

from __future__ import annotations

import os
import signal
from collections import Counter
from pathlib import Path
from typing import Any

from mtk.events import Plan, Result
from mtk.study.grid import Row, axes_of, expand
from mtk.study.jobs import work_in_processes
from mtk.study.sweep import Begun, Failed, open_sweep, state_of


def test_cells_are_shared_out_and_a_process_that_dies_is_told(tiny: dict[str, Any], tmp_path: Path) -> None:
    sweep, told = tmp_path / "sweep", list[tuple[str, Any]]()
    cells, _ = open_sweep(sweep, expand([Row("", axes_of({**tiny, "epochs": 1, "seed": [0, 1, 2]}))]))
    killed: list[str] = []

    def hear(cell: Any, event: Any) -> None:
        told.append((cell.directory, event))
        if isinstance(event, Plan) and not killed:
            killed.append(cell.directory)
            lock = cell.claim(sweep).stat().st_ino
            os.kill(next(pid for pid in _children() if lock in _inodes(pid)), signal.SIGKILL)

    assert work_in_processes(sweep, cells, hear, 2)
    (failed,) = [(name, event.message) for name, event in told if isinstance(event, Failed)]
    assert failed == (killed[0], "its process ended by SIGKILL, as for want of memory")
    begun = Counter(name for name, event in told if isinstance(event, Begun))
    again = begun[killed[0]] - 1  # whether the other process, where it had not come by yet, went on with it
    assert begun == {cell.directory: 1 for cell in cells} | {killed[0]: 1 + again}
    assert again in (0, 1)
    assert sum(isinstance(event, Result) for _, event in told) == 2 + again
    states = {cell.directory: state_of(sweep, cell) for cell in cells}
    assert states == {cell.directory: "done" for cell in cells} | {killed[0]: "done" if again else "interrupted"}


def _children() -> list[int]:
    return [int(p) for p in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()]


def _inodes(pid: int) -> set[int]:
    found = set()
    for handle in Path(f"/proc/{pid}/fd").iterdir():
        try:
            found.add(handle.stat().st_ino)
        except OSError:
            continue
    return found
