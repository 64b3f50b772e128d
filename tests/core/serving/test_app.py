"""Over HTTP: the answers of the model, and for every mistake a status and what is wrong, as JSON."""

from __future__ import annotations

import json
import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import mtk

pytest.importorskip("uvicorn", reason="the extra serve is not installed")
pytest.importorskip("starlette", reason="the extra serve is not installed")

RUN = Path(__file__).parents[2] / "runs" / "format-3"
TEXTS, PAIRS = ["the dog is happy", "a cat"], [["a dog", "the dog"], ["one", "two"]]


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    from mtk.serving.server import server

    made = server(mtk.load(RUN, device="cpu"), "127.0.0.1", 0, texts=8, bytes=4000)
    made.config.load()
    listening = made.config.bind_socket()
    thread = threading.Thread(target=made.run, args=([listening],))
    thread.start()
    while not made.started:
        time.sleep(0.01)
    yield "http://{}:{}".format(*listening.getsockname())
    made.should_exit = True
    thread.join()


def ask(address: str, path: str, body: Any = None) -> tuple[int, Any]:
    data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    try:
        with urllib.request.urlopen(urllib.request.Request(address + path, data), timeout=60) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def test_all_tasks_that_take_such_texts_answer_at_once(address: str) -> None:
    model = mtk.load(RUN, device="cpu")
    assert ask(address, "/predict", {"texts": TEXTS}) == (
        200, {"answers": {"sst": [{"prediction": label} for label in model.predict("sst", TEXTS)]}},
    )  # fmt: skip
    status, found = ask(address, "/predict", {"texts": PAIRS, "probabilities": True})
    assert (status, found["answers"].keys()) == (200, {"para", "sts"})
    likely = model.predict("para", PAIRS, probabilities=True)
    assert [answer["probabilities"] for answer in found["answers"]["para"]] == [pytest.approx(row) for row in likely]
    assert [answer["prediction"] for answer in found["answers"]["sts"]] == pytest.approx(model.predict("sts", PAIRS))


def test_many_at_once_get_their_own(address: str) -> None:
    model = mtk.load(RUN, device="cpu")
    texts = [f"the dog is {word}" for word in ["happy", "awful", "fair", "dull", "plain", "lovely", "sad", "warm"]] * 8
    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(lambda text: ask(address, "/predict", {"texts": [text], "tasks": ["sst"]}), texts))
    assert [answer[1]["answers"]["sst"][0]["prediction"] for answer in found] == model.predict("sst", texts)
    health = ask(address, "/health")[1]
    assert (health["status"], health["waiting"]) == ("ok", 0)
    assert health["batches"] < health["served"], "none was batched with another"


def test_tasks_are_listed(address: str) -> None:
    (sst, para, _) = ask(address, "/tasks")[1]["tasks"]
    assert sst == {"name": "sst", "kind": "classification(3)", "takes": "a text", "labels": ["bad", "fine", "good"]}
    assert para["takes"] == "a pair of texts, as a list of two"


@pytest.mark.parametrize(
    ("path", "body", "status", "where", "message"),
    [
        ("/predict", b"{", 400, None, "The body is no JSON"),
        ("/predict", b"\xff", 400, None, "The body is no JSON"),
        ("/predict", {"text": "a"}, 422, None, "unknown field `text`"),
        ("/predict", {"texts": "a"}, 422, "texts", "Expected `array`"),
        ("/predict", {"texts": []}, 422, "texts", "There is no text"),
        ("/predict", {"texts": ["a", ["b", "c"]]}, 422, "texts[1]", "Task 'sst' takes a text"),
        ("/predict", {"texts": [["a", "b", "c"]]}, 422, "texts[0]", "No task takes such a text"),
        ("/predict", {"texts": [" "]}, 422, "texts[0]", "No task takes such a text"),
        ("/predict", {"texts": ["a"], "tasks": ["ssst"]}, 422, "tasks[0]", "Did you mean sst"),
        ("/predict", {"texts": ["a"], "tasks": ["para"]}, 422, "texts[0]", "takes a pair of texts"),
        ("/predict", {"texts": ["a"] * 9}, 413, "texts", "8 may be in a request"),
        ("/predict", {"texts": ["a" * 4000]}, 413, None, "more than 4,000 bytes"),
        ("/predict", None, 405, None, "Method Not Allowed"),
        ("/nowhere", None, 404, None, "POST /predict, GET /tasks and GET /health"),
    ],
)
def test_what_is_wrong_is_said(address: str, path: str, body: Any, status: int, where: str | None, message: str) -> None:
    code, found = ask(address, path, body)
    assert (code, found.get("where")) == (status, where)
    assert message in found["error"]


def test_a_body_that_never_comes_stops_nobody(address: str) -> None:
    host, port = address.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as idle:
        idle.sendall(b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
        assert ask(address, "/predict", {"texts": ["a"]})[0] == 200
    assert ask(address, "/health")[0] == 200
