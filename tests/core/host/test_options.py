"""Options beyond single numbers and words: lists, paths, optionals, what has no annotation, and what no text can be."""

from __future__ import annotations

import os
from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal, Optional

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta

from mtk.host.options import Option, options, written

Positive = Annotated[float, Meta(gt=0)]


def option(annotation: Any, default: Any = None) -> Option:
    return Option("x", annotation, default)


@pytest.mark.parametrize(
    ("annotation", "text", "value", "type_"),
    [
        (list[float], "0.1/0.2", [0.1, 0.2], "float/float…"),
        (list[int], "3", [3], "int/int…"),
        (list[Positive], "1/2.5", [1.0, 2.5], "float/float…, > 0"),
        (tuple[int, ...], "3/4", (3, 4), "int/int…"),
        (list[bool], "true/false", [True, False], "bool/bool…"),
        (list[str], "a/b", ["a", "b"], "str/str…"),
        (list[Literal["a", "b"]], "b/a", ["b", "a"], "a|b/a|b…"),
        (list[int | None], "1/none", [1, None], "int or none/int or none…"),
        (list[float] | None, "none", None, "float/float… or none"),
        (list[float] | None, "0.5", [0.5], "float/float… or none"),
        (Annotated[list[int], Meta(min_length=2)], "1/2", [1, 2], "int/int…, at least 2"),
        (Path, "a/b.txt", Path("a/b.txt"), "path"),
        (Path | None, "none", None, "path or none"),
        (Optional[Path], "x", Path("x"), "path or none"),  # noqa: UP045
        (list[Path], f"a/b{os.pathsep}c", [Path("a/b"), Path("c")], f"path{os.pathsep}path…"),
        (Literal[1, 2], "2", 2, "1|2"),
        (Literal["auto", None], "none", None, "auto|none"),
        (Literal["auto"] | int, "7", 7, "auto or int"),
        (Annotated[int | None, Meta(ge=1)], "none", None, "int or none, ≥ 1"),
    ],
)
def test_what_is_written_is_read(annotation: Any, text: str, value: Any, type_: str) -> None:
    assert option(annotation).unreadable() is None
    assert option(annotation).read(text) == value
    assert option(annotation).type == type_


@pytest.mark.parametrize(
    ("annotation", "text"),
    [
        (list[float], "0.1//0.2"),
        (list[float], "0.1/x"),
        (list[Positive], "1/0"),
        (Annotated[list[int], Meta(min_length=2)], "1"),
        (Annotated[int | None, Meta(ge=1)], "0"),
        (list[int], "none"),
        (Literal[1, 2], "3"),
        (list[Literal["a", "b"]], "a/c"),
    ],
)
def test_another_value_is_refused(annotation: Any, text: str) -> None:
    with pytest.raises(ValueError):
        option(annotation).read(text)


class Side(Enum):
    LEFT = "left"


@pytest.mark.parametrize(
    "annotation",
    [
        dict, dict[str, int], set, set[int], list, tuple, tuple[int, int], list[list[int]], type, object, Any, Side, complex,
        Callable, Callable[[int], int], Path | str, list[int] | float, list[dict[str, int]], Annotated[str, Meta(ge=1)],
    ],
)  # fmt: skip
def test_a_type_that_no_text_can_be_is_named_with_those_that_can(annotation: Any) -> None:
    reason = option(annotation).unreadable() or ""
    assert reason.startswith(
        f"has an option `x` of a type that cannot be written as x=VALUE: {option(annotation).type}; take"
    )


def test_an_option_without_an_annotation_is_of_its_defaults_type() -> None:
    class Bare:
        def __init__(self, *, rank=4, share=0.5, flag=False, name="a", place=Path("b"), free=None) -> None: ...  # type: ignore[no-untyped-def]

    found = {name: o.type for name, o in options(Bare).items()}
    assert found == {"rank": "int", "share": "float", "flag": "bool", "name": "str", "place": "path", "free": "str"}


@given(st.lists(st.floats(allow_nan=False), min_size=1))
def test_a_list_is_read_as_it_is_written(values: list[float]) -> None:
    assert option(list[float]).read(written(values)) == values


def test_a_path_is_recorded_in_full_and_anything_else_as_it_was_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert option(Path).recorded("a/b") == f"{tmp_path}/a/b"
    assert option(Path).recorded("~/b") == f"{tmp_path}/home/b"
    assert option(list[Path]).recorded(f"a{os.pathsep}/b") == f"{tmp_path}/a{os.pathsep}/b"
    assert option(Path | None).recorded("none") == "none"
    assert option(float).recorded("1e-3") == "1e-3"
