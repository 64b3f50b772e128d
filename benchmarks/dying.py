"""What the benchmarks of reliability share: `mtk` in processes that die or find no room, and what must hold then.

A process is a fork of this one, which has imported everything and computed nothing: it begins like a fresh one, and in
milliseconds.
"""

from __future__ import annotations

import errno
import json
import os
import re
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import mtk
from mtk.config import read_config
from mtk.data.tasks_toml import read_layout
from mtk.files import standing
from mtk.host.kinds import Kinds
from mtk.plan import find_data
from mtk.training import checkpoint, loop, resume  # noqa: F401, imported for the processes to come
from mtk_cli import cli, console  # noqa: F401

Death = Literal["SIGKILL", "SIGINT", "ENOSPC"]
LONGEST = 120.0  # seconds; what takes longer hangs
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
REMOVING = ("os.remove", "os.rmdir")  # which a full disk allows
CHANGES = ("open", "os.rename", "os.mkdir", "os.truncate", "os.chmod", *REMOVING)


@dataclass
class Ended:
    """How a process ended, and what it printed."""

    status: int  # as subprocess has it: negative after a signal
    out: str
    err: str
    seconds: float
    changes: int = 0  # that it made to the directory it was watched at
    hung: bool = False


def _opened(handle: int) -> str:
    return str(Path(f"/proc/self/fd/{handle}").readlink())


@dataclass
class Watch:
    """Counts the changes that a process makes to a directory, and lets it die at one."""

    directory: Path
    deadly: int = 0  # the number of the change, counted from 1; never for 0
    death: Death = "SIGKILL"
    made: int = 0
    seen: list[str] = field(default_factory=list)

    def begin(self) -> None:
        """In this process, from now on."""
        fsync = os.fsync

        def watched(handle: Any) -> None:
            self.change("fsync", _opened(handle))
            fsync(handle)

        os.fsync = watched  # type: ignore[assignment] # of which no audit hook hears
        sys.addaudithook(self.hear)

    def hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event not in CHANGES or (event == "open" and not (isinstance(arguments[2], int) and arguments[2] & WRITING)):
            return
        path, handle = arguments[0], arguments[-1] if event in REMOVING else -1
        if isinstance(path, int):
            path = _opened(path)
        elif handle != -1:  # a name in a directory that is open, as shutil.rmtree has it
            path = os.path.join(_opened(handle), os.fsdecode(path))  # noqa: PTH118
        self.change(event, os.fsdecode(path))

    def change(self, event: str, path: str) -> None:
        if not path.startswith(str(self.directory)):
            return
        self.made += 1
        if self.deadly == self.made and self.death != "ENOSPC":
            os.kill(os.getpid(), getattr(signal, self.death))
        if self.death == "ENOSPC" and 0 < self.deadly <= self.made and event not in REMOVING:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def begin(arguments: Sequence[str], watch: Watch | None, out: int, err: int, told: int) -> None:
    """What the fork does; it does not come back."""
    status = 1
    try:
        os.dup2(out, 1)
        os.dup2(err, 2)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
        torch.set_num_threads(1)
        if watch:
            watch.begin()
        try:
            cli(list(arguments), prog_name="mtk")
        except SystemExit as ending:
            status = ending.code if isinstance(ending.code, int) else int(ending.code is not None)
        except BaseException:
            traceback.print_exc()
    finally:
        if watch:
            os.write(told, str(watch.made).encode())
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def process(*arguments: str, watch: Watch | None = None, kill_after: float | None = None, longest: float = LONGEST) -> Ended:
    """`mtk` with these arguments, to its end. It is killed `kill_after` seconds, or when it hangs."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err, tempfile.TemporaryFile() as told:
        began = time.monotonic()
        sys.stdout.flush()
        child = os.fork()
        if child == 0:
            begin(arguments, watch, out.fileno(), err.fileno(), told.fileno())
        ended, status, hung = 0, 0, False
        while not ended:
            ended, status = os.waitpid(child, os.WNOHANG)
            spent = time.monotonic() - began
            if not ended and spent > (longest if kill_after is None else kill_after):
                hung = kill_after is None
                os.kill(child, signal.SIGKILL)
                ended, status = os.waitpid(child, 0)
            elif not ended:
                time.sleep(0.002)
        spent = time.monotonic() - began
        texts = []
        for file in (out, err, told):
            file.seek(0)
            texts.append(file.read().decode(errors="replace"))
    return Ended(os.waitstatus_to_exitcode(status), texts[0], texts[1], spent, int(texts[2] or 0), hung)


def steady(directory: Path) -> str:
    """What is wrong with what a death left in the directory of a run: a model that cannot be loaded, or a word that is not
    true. Empty where nothing is."""
    if not directory.exists():
        return ""
    held = None
    if standing(directory / "model").exists():
        held = checkpoint.evaluation_of(directory / "model")
        if held and (wrong := _unlike(directory)):
            return wrong
    if (directory / "summary.json").exists():
        summary = json.loads((directory / "summary.json").read_text())
        if not standing(directory / "model").exists():
            return "there is a summary, and no model"
        if summary["best"] and (held is None or summary["best"]["step"] != held.step):
            return f"summary.json tells of step {summary['best']['step']}, and the model is {held}"
    return ""


def _unlike(directory: Path) -> str:
    """Whether predictions are there that the model does not make."""
    model = mtk.load(directory, device="cpu")
    config = read_config(directory / "config.toml")
    registry = mtk.Registry()
    layout = read_layout(find_data(config["data"], registry), Kinds(registry))
    for name in model.tasks:
        written = directory / "predictions" / f"{name}-dev-output.csv"
        if written.exists():
            dev = layout[name].read("dev", bad_rows="error", seed=0)
            values = model.predict_split(name, model.tokenize(name, dev)).tolist()
            predicted = {id: str(model.tasks[name].kind.value(value)) for id, value in zip(dev.ids, values, strict=True)}
            rows = [line.split(",") for line in written.read_text().splitlines()[1:]]
            if any(not _same(predicted[id], value) for id, value in rows):
                return f"{written.name} is not what the model predicts"
    return ""


def _same(one: str, other: str) -> bool:
    """A score may differ in its last digits, since it was computed in another batch."""
    try:
        return abs(float(one) - float(other)) < 1e-4
    except ValueError:
        return one == other


def told_truly(ended: Ended, directory: Path) -> str:
    """What is wrong with what a process said in the end; empty where nothing is."""
    if ended.hung:
        return "it hung"
    if "Traceback" in ended.err:
        return f"a traceback: {ended.err[-1500:]}"
    errors = [line for line in ended.err.splitlines() if line.startswith("error: ")]
    if ended.status == 1 and len(errors) != 1:
        return f"exit status 1 and {len(errors)} messages: {ended.err[-500:]}"
    if ended.status not in (0, 1, 130, -signal.SIGKILL):
        return f"exit status {ended.status}: {ended.err[-500:]}"
    said = ended.out + ended.err
    if ended.status == 0 and not standing(directory / "model").exists():
        return "exit status 0, and there is no model"
    if found := re.search(r"holds the best model so far, of epoch (\d+)", said):
        held = checkpoint.evaluation_of(directory / "model")
        if held is None or held.epoch != int(found[1]):
            return f"it says: {found[0]}, and the model is {held}"
    if "holds the model as it was" in said and checkpoint.evaluation_of(directory / "model"):
        return "it says that the model was not evaluated"
    return ""


def results(directory: Path) -> dict[str, bytes]:
    """What a run ends with and has to be that of another one, bit for bit: files, and the lines of each evaluation."""
    found = {}
    for folder in ("model", "predictions"):
        for file in sorted((directory / folder).rglob("*")):
            if file.is_file():
                found[file.relative_to(directory).as_posix()] = file.read_bytes()
    found["checkpoint/state.safetensors"] = (directory / "checkpoint" / "state.safetensors").read_bytes()
    lines = [json.loads(line) for line in (directory / "metrics.jsonl").read_text().splitlines()]
    found["evaluations"] = json.dumps([line for line in lines if line["event"] == "evaluation"]).encode()
    told = [line["step"] for line in lines if line["event"] == "progress"]
    found["steps told"] = str((told == sorted(set(told)), told[-1])).encode()
    summary = json.loads((directory / "summary.json").read_text())
    found["summary"] = json.dumps({key: summary[key] for key in ("best", "steps", "epochs", "notes")}).encode()
    return found


def differences(directory: Path, wanted: dict[str, bytes]) -> str:
    """How the results of a finished run differ from those wanted, and what is left over; empty where nothing is."""
    found = results(directory)
    unlike = [name for name in wanted.keys() | found.keys() if found.get(name) != wanted.get(name)]
    left = [p.name for p in directory.rglob("*") if p.name.endswith((".partial", ".former")) or p.name == ".lock"]
    return "; ".join([*(f"{name} differs" for name in sorted(unlike)), *(f"{name} is left over" for name in left)])
