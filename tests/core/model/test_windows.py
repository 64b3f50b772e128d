"""Windows of rows are answered one after the other as all rows at once are, and no more is read than is asked for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from building import model
from kinds import make

import mtk
from mtk.data import tokens
from mtk.data.reading import windows_of_lines
from mtk.data.split import Split
from mtk.model.multitask import Model
from mtk.model.windows import answered

TEXTS = ["the dog is happy", "a cat", "this", "the horse was sad and quiet", "a bird eats fish", "gold"]


@pytest.fixture
def built(tiny_encoder: Path) -> Model:
    tasks = [
        mtk.Task(name="mood", kind=make("classification", ("bad", "good")), text=("text",), label="l"),
        mtk.Task(name="score", kind=make("regression", range=(0, 5)), text=("other",), label="l"),
        mtk.Task(name="words", kind=make("tokens", ("x", "y")), text=("text",), label="l"),
    ]
    return model(tiny_encoder, tasks, {"mood": "linear", "score": "cnn", "words": "token-linear"}).eval()


def windows(model: Model, size: int, taken: list[int] | None = None) -> Iterator[dict[str, Split]]:
    """The texts, as each task reads them."""

    def lines() -> Iterator[str]:
        for text in TEXTS:
            if taken is not None:
                taken.append(len(text))
            yield f"{text}\n"

    read = {t.name: windows_of_lines(lines(), t, Path("made here"), size=size) for t in model.tasks.values()}
    for window in zip(*read.values(), strict=True):
        yield dict(zip(read, window, strict=True))


@pytest.mark.parametrize("size", [1, 2, 4, 6, 100])
def test_every_window_size_gives_the_same_answers_in_order(built: Model, size: int) -> None:
    heard: list[int] = []
    found = list(answered(built, windows(built, size), probabilities=True, progressed=heard.append))
    assert [row for window in found for row in window.ids] == [str(number) for number in range(len(TEXTS))]
    assert [len(window.ids) for window in found] == [len(TEXTS[i : i + size]) for i in range(0, len(TEXTS), size)]
    assert heard[-1] == len(TEXTS)
    assert heard == sorted(heard)
    for task in built.tasks:
        said = [answer["prediction"] for window in found for answer in window.answers[task]]
        wanted = built.predict(task, TEXTS)
        assert said == ([pytest.approx(value, abs=1e-5) for value in wanted] if task == "score" else wanted)
    assert {"probabilities", "prediction"} == found[0].answers["mood"][0].keys()
    assert {"prediction"} == found[0].answers["score"][0].keys()


def test_what_reads_the_same_texts_alike_is_encoded_once(built: Model) -> None:
    passes: list[int] = []
    built.encoder.register_forward_hook(lambda *given: passes.append(len(given[1][0]["input_ids"])))
    list(answered(built, windows(built, 100)))
    assert sum(passes) == 2 * len(TEXTS)  # mood and score together, and words by themselves
    passes.clear()
    window = next(windows(built, 100))
    other = built.split_of("score", TEXTS[::-1])
    list(answered(built, [{"mood": window["mood"], "score": other}]))
    assert sum(passes) == 2 * len(TEXTS)


def test_no_more_is_read_than_is_asked_for(built: Model) -> None:
    taken: list[int] = []
    next(answered(built, windows(built, 2, taken)))
    assert len(taken) == 2 * len(built.tasks)


def test_other_rows_are_no_rows_of_a_window(built: Model) -> None:
    splits = {"mood": built.split_of("mood", TEXTS), "score": built.split_of("score", TEXTS[1:])}
    with pytest.raises(mtk.DataError, match="task 'score' finds 5 examples where 'mood' finds 6"):
        list(answered(built, [splits]))


def test_tokens_are_not_kept(built: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MTK_CACHE", str(tmp_path))
    monkeypatch.setattr(tokens, "FEWEST_KEPT", 0)
    list(answered(built, windows(built, 100)))
    assert not list(tmp_path.iterdir())
    built.predict("mood", TEXTS)
    assert list(tmp_path.iterdir())
