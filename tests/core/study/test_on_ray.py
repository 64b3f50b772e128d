"""A Ray cluster of two nodes makes the table that one process makes, whatever dies, and a signal saves what is at work."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

import mtk
from mtk.events import Evaluation, Result
from mtk.study.cells import Cell
from mtk.study.entries import read_sweep
from mtk.study.grid import Row, axes_of, expand
from mtk.study.on_ray import Cluster, connected
from mtk.study.sweep import Begun, Failed, Lost, open_sweep, state_of, work

pytest.importorskip("ray", reason="the extra ray is not installed")
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def ray() -> Iterator[Cluster]:
    """Two nodes of one core each, where RAY_ADDRESS says that they are."""
    from ray.cluster_utils import Cluster as Nodes

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_memory_monitor_refresh_ms", "0")  # else it ends workers where others fill the machine's memory
        patch.setenv("RAY_worker_niceness", "0")  # 15 unless given, which is not at all where others have all cores
        patch.setenv("RAY_agent_register_timeout_ms", "600000")  # else a node ends where others have the machine's cores
        nodes = Nodes(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
        nodes.add_node(num_cpus=1)
        patch.setenv("RAY_ADDRESS", nodes.address)
        with connected("ray", 1, None) as found:
            yield found
        nodes.shutdown()


def test_a_worker_is_killed_and_the_table_is_the_sequential_one(ray: Cluster, tiny: dict[str, Any], tmp_path: Path) -> None:
    cells = expand([Row("", axes_of({**tiny, "combiner": ["sum", "pcgrad", "upgrad", "round-robin"], "seed": [0, 1, 2]}))])
    open_sweep(tmp_path / "alone", cells)
    assert work(tmp_path / "alone", cells, lambda cell, told: None)
    sweep, told, killed = tmp_path / "sweep", list[tuple[str, Any]](), list[str]()

    def hear(cell: Cell, event: Any) -> None:
        told.append((cell.directory, event))
        if isinstance(event, Evaluation) and not killed:
            killed.append(cell.directory)
            os.kill(_holder(cell.claim(sweep)), signal.SIGKILL)

    assert ray.lacks(cells) == []
    open_sweep(sweep, cells, ray.precision_on)
    assert ray.work(sweep, cells, hear)
    assert [name for name, event in told if isinstance(event, Lost)] == killed
    assert [name for name, event in told if isinstance(event, Begun) and event.goes_on] == killed
    assert not [event for _, event in told if isinstance(event, Failed)]
    assert sum(isinstance(event, Result) for _, event in told) == len(cells)
    assert _table(sweep) == _table(tmp_path / "alone")


def test_what_cannot_be_run_there_is_told(ray: Cluster, tiny: dict[str, Any], tmp_path: Path) -> None:
    told: list[Any] = []
    cells = expand([Row("", axes_of({**tiny, "limit": 8, "epochs": 1}))])
    assert ray.work(tmp_path / "nowhere", cells, lambda cell, event: told.append(event))
    on_a_gpu = expand([Row("", axes_of({**tiny, "device": "cuda"}))])
    assert ray.lacks(on_a_gpu) == ["no machine of the cluster has 1 CPU and 1 GPU, so cells wait until one comes"]
    with pytest.raises(mtk.UsageError, match="--device cuda:1 is one GPU of one machine"):
        ray.lacks(expand([Row("", axes_of({**tiny, "device": "cuda:1"}))]))
    (failed,) = told
    assert "nowhere: a sweep on Ray is in a directory that all machines share" in failed.message


def test_a_signal_saves_the_runs_at_work_and_begins_no_more(ray: Cluster, tiny: dict[str, Any], tmp_path: Path) -> None:
    sweep, told = tmp_path / "sweep", list[Any]()
    cells = expand([Row("", axes_of({**tiny, "epochs": 400, "seed": [0, 1, 2, 3]}))])
    open_sweep(sweep, cells)

    def hear(cell: Cell, event: Any) -> None:
        if isinstance(event, Evaluation) and not any(isinstance(each, Evaluation) for each in told):
            os.kill(os.getpid(), signal.SIGINT)
        told.append(event)

    assert not ray.work(sweep, cells, hear)
    begun = sum(isinstance(event, Begun) for event in told)
    assert begun in (1, 2)
    assert not [event for event in told if isinstance(event, Failed | Lost)]
    assert [event.interrupted for event in told if isinstance(event, Result)] == [True] * begun
    assert sorted(state_of(sweep, cell) for cell in cells) == ["interrupted"] * begun + ["waiting"] * (4 - begun)


def _table(sweep: Path) -> dict[tuple[str, int], Any]:
    """What every cell came to."""
    entries = read_sweep(sweep)
    return {(e.row, e.seed): e.run.result.best if e.run and e.run.result else None for e in entries}


def _holder(lock: Path) -> int:
    """The process that has a file open."""
    inode = lock.stat().st_ino
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if any(handle.stat().st_ino == inode for handle in (process / "fd").iterdir()):
                return int(process.name)
    raise AssertionError(f"nobody has {lock}")
