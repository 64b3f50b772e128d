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

    def passed(told: list[tuple[str, Any]]) -> Any:
        """A cell at work that the other process has come by, and will not go on with."""
        heard = {kind: {name for name, event in told if isinstance(event, kind)} for kind in (Begun, Plan, Result)}
        later = [number for number, cell in enumerate(cells) if cell.directory in heard[Begun]]
        at_work = (cell for cell in cells[: max(later, default=0)] if cell.directory in heard[Plan] - heard[Result])
        return next(at_work, None)

    def hear(cell: Any, event: Any) -> None:
        told.append((cell.directory, event))
        if not killed and (cell := passed(told)):
            killed.append(cell.directory)
            lock = cell.claim(sweep).stat().st_ino
            os.kill(next(pid for pid in _children() if lock in _inodes(pid)), signal.SIGKILL)

    assert work_in_processes(sweep, cells, hear, 2)
    (failed,) = [(name, event.message) for name, event in told if isinstance(event, Failed)]
    assert failed == (killed[0], "its process ended by SIGKILL, as for want of memory")
    begun = Counter(name for name, event in told if isinstance(event, Begun))
    assert begun == {cell.directory: 1 for cell in cells}
    assert sum(isinstance(event, Result) for _, event in told) == 2
    assert sorted(state_of(sweep, cell) for cell in cells) == ["done", "done", "interrupted"]


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
