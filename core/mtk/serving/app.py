"""What stands behind each path, as Starlette calls it. Every answer is JSON; a mistake says what is wrong, and where."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from mtk.errors import MtkError, in_words, nearest
from mtk.model.multitask import Model
from mtk.serving.batching import Batching, BusyError


class Limits(msgspec.Struct, frozen=True):
    """What a server takes."""

    texts: int = 256  # of a request
    bytes: int = 1_000_000  # of its body
    batch: int = 64  # texts that are computed at once
    waiting: int = 4096  # texts, beyond which a request is refused


class Asked(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of POST /predict."""

    texts: list[Any]  # each a text, or a pair as a list of two
    tasks: list[str] | None = None  # all that take such texts unless given
    probabilities: bool = False


class RefusedError(Exception):
    """A request that cannot be answered: a status, what is wrong, and where in the body."""

    def __init__(self, status: int, error: str, where: str | None = None, **headers: str) -> None:
        super().__init__(error)
        self.status, self.error, self.where, self.headers = status, error, where, headers


def build(model: Model, limits: Limits) -> Starlette:
    """The application. It answers POST /predict, GET /tasks and GET /health."""

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        app.state.batching = batching = Batching(model, batch=limits.batch, most_waiting=limits.waiting)
        computing = asyncio.create_task(batching.run())
        yield
        computing.cancel()
        with suppress(asyncio.CancelledError):
            await computing
        batching.close()

    async def predict(request: Request) -> Response:
        asked = _decoded(await _body(request, limits.bytes))
        tasks = _checked(asked, model, limits)
        batching: Batching = request.app.state.batching
        try:
            answers = await batching.ask(tasks, asked.texts, probabilities=asked.probabilities)
        except BusyError as error:
            raise RefusedError(503, str(error), **{"Retry-After": "1"}) from None
        return _json({"answers": answers})

    async def tasks(request: Request) -> Response:
        return _json({"tasks": [_described(model, name) for name in model.tasks]})

    async def health(request: Request) -> Response:
        batching: Batching = request.app.state.batching
        counts = {"waiting": batching.waiting, "served": batching.served, "batches": batching.batches}
        return _json({"status": "ok", "device": str(model.device), **counts})

    return Starlette(
        routes=[
            Route("/predict", predict, methods=["POST"]),
            Route("/tasks", tasks, methods=["GET"]),
            Route("/health", health, methods=["GET"]),
        ],
        lifespan=lifespan,
        exception_handlers={RefusedError: _refused, HTTPException: _http, MtkError: _failed, ClientDisconnect: _gone},
    )


async def _body(request: Request, most: int) -> bytes:
    """Raises RefusedError for one that is too long, of which no more than that is read."""
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > most:
            raise RefusedError(413, f"The body has more than {most:,} bytes. Ask in several requests.", Connection="close")
        parts.append(part)
    return b"".join(parts)


def _decoded(body: bytes) -> Asked:
    try:
        return msgspec.json.decode(body, type=Asked)
    except msgspec.ValidationError as problem:
        reason, _, where = str(problem).partition(" - at `$.")
        raise RefusedError(422, f"{reason}.", where.rstrip("`") or None) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as problem:
        raise RefusedError(400, f'The body is no JSON: {problem}. It is to be such as {{"texts": ["A text."]}}.') from None


def _checked(asked: Asked, model: Model, limits: Limits) -> Sequence[str]:
    """The tasks that are asked for. Raises RefusedError for what none of them, or one of them, does not take."""
    if not asked.texts:
        raise RefusedError(422, "There is no text.", "texts")
    if len(asked.texts) > limits.texts:
        raise RefusedError(413, f"There are {len(asked.texts):,} texts, and {limits.texts:,} may be in a request.", "texts")
    if asked.tasks is not None:
        for number, name in enumerate(asked.tasks):
            if name not in model.tasks:
                raise RefusedError(422, f"There is no task '{name}'. {nearest(name, model.tasks)}", f"tasks[{number}]")
        for name in asked.tasks:
            _check(asked.texts, model, name)
        return asked.tasks
    fitting = [name for name in model.tasks if _takes(model, name, asked.texts[0])]
    if not fitting:
        raise RefusedError(422, f"No task takes such a text. GET /tasks says what each takes: {_all(model)}.", "texts[0]")
    for name in fitting:
        _check(asked.texts, model, name)
    return fitting


def _check(texts: Sequence[Any], model: Model, task: str) -> None:
    for number, text in enumerate(texts):
        if not _takes(model, task, text):
            raise RefusedError(422, f"Task '{task}' takes {_takes_what(model, task)}, and this is none.", f"texts[{number}]")


def _takes(model: Model, task: str, text: Any) -> bool:
    """Whether it is a text, or a list of as many texts as the task has; one of them is a list where there are candidates."""
    known = model.tasks[task]
    parts = text if known.pair else [text]
    if not isinstance(parts, list) or len(parts) != len(known.text):
        return False
    lists = [part for part in parts if isinstance(part, list)]
    texts = [part for part in parts if not isinstance(part, list)] + [text for part in lists for text in part]
    return len(lists) == int(known.kind.candidates) and all(lists) and all(map(_is_text, texts))


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _takes_what(model: Model, task: str) -> str:
    known = model.tasks[task]
    if known.kind.candidates:
        return "a text and a list of its candidates" if known.pair else "a list of candidates"
    return "a pair of texts, as a list of two" if known.pair else "a text"


def _all(model: Model) -> str:
    return "; ".join(f"{name} {_takes_what(model, name)}" for name in model.tasks)


def _described(model: Model, name: str) -> dict[str, Any]:
    task = model.tasks[name]
    return {"name": name, "kind": str(task.kind), "takes": _takes_what(model, name), "labels": list(task.labels)}


def _json(content: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(msgspec.json.encode(content), status, headers, "application/json")


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, RefusedError)
    where = {"where": error.where} if error.where else {}
    return _json({"error": error.error, **where}, error.status, error.headers)


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    known = "POST /predict, GET /tasks and GET /health"
    return _json({"error": f"{error.detail}: there is {known}."}, error.status_code, dict(error.headers or {}))


async def _failed(request: Request, error: Exception) -> Response:
    return _json({"error": in_words(error)}, 500)


async def _gone(request: Request, error: Exception) -> Response:
    return Response(status_code=499)  # which nobody reads
