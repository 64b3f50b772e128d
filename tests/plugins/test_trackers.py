"""What each tracker reads back, in its local or offline mode, is what the run reported."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from command_line import EVALUATION, PLAN, RESULT, progress
from msgspec.structs import replace

import mtk
from mtk.calling.arguments import named
from mtk_trackers.settings import of_plan

PROGRESS = replace(
    progress(60),
    own_losses={"sst/margin": 0.5},
    cosines={"sst/para": -0.25},
    layer_cosines={"embeddings": {"sst/para": 0.75}},
)
TOLD = {
    60: {
        "loss/sst": 1.5,
        "loss/para": 0.25,
        "own_loss/sst/margin": 0.5,
        "cosine/sst/para": -0.25,
        "layer_cosine/embeddings/sst/para": 0.75,
        "learning_rate": 1e-5,
        "examples_per_second": 1234.5,
    },
    100: {
        "dev/sst/accuracy": 0.5,
        "dev/sst/macro_f1": 0.45,
        "dev/para/accuracy": 0.75,
        "dev/para/f1": 0.7,
        "dev/average": 0.625,
    },
}


def tell(listener: Any, out: Path) -> None:
    """A short run, as `mtk.run` tells of it."""
    out.mkdir()
    listener.mtk_run_started(replace(PLAN, out=out))
    listener.mtk_progressed(PROGRESS)
    listener.mtk_evaluated(EVALUATION)
    listener.mtk_run_finished(**named(type(listener).mtk_run_finished, {"result": RESULT}))


def test_the_numbers_are_named_as_tensorboard_has_them() -> None:
    assert PROGRESS.scalars == TOLD[60]
    assert EVALUATION.scalars == TOLD[100]
    assert of_plan(PLAN)["head/sst"] == "cnn:dropout=0.3"
    assert of_plan(PLAN)["augmenter/sst"] == "eda:copies=9"


def test_mlflow_reads_it_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mlflow: Any = pytest.importorskip("mlflow", reason="the extra mlflow is not installed")
    from mtk_trackers.mlflow_listener import MLflow

    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")  # which needs no database
    monkeypatch.setenv("MLFLOW_TRACKING_URI", (tmp_path / "mlruns").as_uri())
    tell(MLflow(experiment="mine"), tmp_path / "run")
    client = mlflow.MlflowClient()
    (run,) = client.search_runs([client.get_experiment_by_name("mine").experiment_id])
    assert (run.info.run_name, run.info.status) == ("run", "FINISHED")
    assert run.data.params["combiner"] == "pcgrad"
    for step, values in TOLD.items():
        for name, value in values.items():
            assert [(metric.step, metric.value) for metric in client.get_metric_history(run.info.run_id, name)] == [
                (step, value)
            ]


def test_wandb_reads_it_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("wandb", reason="the extra wandb is not installed")
    from wandb.proto.wandb_internal_pb2 import Record

    from mtk_trackers.wandb_listener import WandB

    monkeypatch.setenv("WANDB_MODE", "offline")
    tell(WandB(project="mine"), tmp_path / "run")
    (file,) = (tmp_path / "run").rglob("*.wandb")
    found, settings = dict[int, dict[str, float]](), {}
    for record in map(Record.FromString, logged(file.read_bytes())):
        values = {"/".join(item.nested_key) or item.key: json.loads(item.value_json) for item in record.history.item}
        if values:
            found[int(values["_step"])] = {name: v for name, v in values.items() if not name.startswith("_")}
        settings |= {item.key: json.loads(item.value_json) for item in record.run.config.update}
    assert found == TOLD
    assert settings["combiner"] == "pcgrad"


def logged(content: bytes) -> Iterator[bytes]:
    """The records of a file in the log format of LevelDB, which W&B's are, behind a header: blocks of 32 KiB, in which each
    piece of a record has 4 bytes of checksum, 2 of length, and 1 that says 1 whole, 2 first, 3 middle, 4 last."""
    place, whole = 7, b""
    while place + 7 <= len(content):
        if (left := 32768 - place % 32768) < 7:
            place += left
            continue
        length, what = int.from_bytes(content[place + 4 : place + 6], "little"), content[place + 6]
        whole += content[place + 7 : place + 7 + length]
        place += 7 + length
        if what in (1, 4):
            yield whole
            whole = b""


def test_trackio_reads_it_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path / "trackio"))  # which it reads when it is imported
    pytest.importorskip("trackio", reason="the extra trackio is not installed")
    from trackio.sqlite_storage import SQLiteStorage

    from mtk_trackers.trackio_listener import Trackio

    tell(Trackio(project="mine"), tmp_path / "run")
    logs = SQLiteStorage.get_logs("mine", "run")
    found = {log["step"]: {name: v for name, v in log.items() if name not in ("step", "timestamp")} for log in logs}
    assert found == TOLD


@pytest.mark.parametrize("tracker", ["wandb", "mlflow", "trackio"])
def test_without_the_extra_it_says_what_to_install(tracker: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, tracker, None)
    with pytest.raises(mtk.UsageError, match=rf"pip install 'multitask-toolkit\[{tracker}\]'"):
        mtk.run(out=tmp_path / "run", listen=[tracker], limit=4, device="cpu")
    assert not (tmp_path / "run").exists()
