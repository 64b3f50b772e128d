"""A second process, whose strings hash otherwise, in which a component is used once more.

There the order of a set is another one, and nothing is left of what the component did here. The process is started when the
first component asks for it, and serves all others until this one ends.
"""

from __future__ import annotations

import atexit
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from operator import attrgetter
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from mtk.calling.failures import failures
from mtk.testing.check import Subject

MAIN, ELSEWHERE = "__main__", "__mp_main__"  # what a script is called there, so that it only defines and does not run


class Request(NamedTuple):
    """What is to be done there: a function of the kit, of a component as another process can find it, and an example."""

    function: str  # "module:name"
    module: str
    file: Path
    component: str
    options: dict[str, Any]
    example: Any
    path: list[str]  # where modules are looked for


def reachable(subject: Subject) -> bool:
    """Whether another process can import the class: not if it was made within a function, or typed into a session."""
    return "<locals>" not in subject.component.__qualname__ and _file(subject.component) is not None


def elsewhere(
    function: Callable[[Subject, Any], Any],
    subject: Subject,
    example: Any,
    meanwhile: Callable[[], object] = lambda: None,
) -> tuple[Any, str | None]:
    """What `function` makes of a reachable subject and an example in the other process; and, if it fails there, why.
    `meanwhile` is what is done here while it does."""
    component = subject.component
    file, path = _file(component), [str(Path(place).resolve()) for place in sys.path]
    assert file is not None
    name = f"{function.__module__}:{function.__qualname__}"
    process = _process()
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        request = Request(name, component.__module__, file, component.__qualname__, subject.options, example, path)
        pickle.dump(request, process.stdin)
        process.stdin.flush()
        try:
            meanwhile()
        finally:  # the next one has its own answer to read
            answer: tuple[Any, str | None] = pickle.load(process.stdout)
    except (EOFError, OSError):
        _process.cache_clear()  # the next one gets another
        return None, "it ended the program"
    return answer


def _file(component: type) -> Path | None:
    """Where the class is defined, also if its module is not among those that were imported; None if it is in no file."""
    module = sys.modules.get(component.__module__)
    code = (value.__code__ for value in vars(component).values() if hasattr(value, "__code__"))
    known = getattr(module, component.__qualname__.partition(".")[0], None) is not None
    places = [getattr(module, "__file__", None) if known else None, *(each.co_filename for each in code)]
    return next((Path(place).resolve() for place in places if place and Path(place).is_file()), None)


@cache
def _process() -> subprocess.Popen[bytes]:
    seed = "2" if os.environ.get("PYTHONHASHSEED") == "1" else "1"
    process = subprocess.Popen(
        [sys.executable, "-c", f"from {__name__} import main; main()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONHASHSEED": seed},
    )
    atexit.register(_end, process)
    return process


def _end(process: subprocess.Popen[bytes]) -> None:
    with process:
        process.kill()


# In the other process ---------------------------------------------------------------------------------------------------


def main() -> None:
    """Serve the process that started this one."""
    with os.fdopen(os.dup(1), "wb") as answers:
        os.dup2(2, 1)  # what a component prints is none of them
        serve(sys.stdin.buffer, answers)


def serve(requests: BinaryIO, answers: BinaryIO) -> None:
    """Answer requests until there are no more."""
    while True:
        try:
            request: Request = pickle.load(requests)
        except EOFError:
            return
        pickle.dump(_answer(request), answers)
        answers.flush()


def _answer(request: Request) -> tuple[Any, str | None]:
    sys.path[:] = request.path
    try:
        module, _, name = request.function.partition(":")
        function = getattr(import_module(module), name)
        subject = Subject(_load(request), request.options)
    except failures() as error:
        return None, f"importing it failed: {type(error).__name__}: {error}"
    try:
        return function(subject, request.example), None
    except failures() as error:
        return None, subject.failed(error)


def _load(request: Request) -> Any:
    """The class, by its module's name, or from its file where that name means nothing there or something else."""
    try:
        module = None if request.module == MAIN else import_module(request.module)
    except ImportError:
        module = None
    if module is None or not module.__file__ or Path(module.__file__).resolve() != request.file:
        module = _of_file(ELSEWHERE if request.module == MAIN else request.module, request.file)
    return attrgetter(request.component)(module)


@cache
def _of_file(name: str, file: Path) -> Any:
    spec = spec_from_file_location(name, file)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[name] = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
