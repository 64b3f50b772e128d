"""`NAME:key=value,…`: what is written is read, by the constructor's annotations, or refused with what would do."""

from __future__ import annotations

import string
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta

from mtk.errors import UsageError
from mtk.host.options import Option, options, read_options
from mtk.host.spec import Spec

# Names as `Registration` allows them; a package may stand before one. Values hold anything but a comma.
words = st.text(string.ascii_letters + string.digits + "-_.", min_size=1)
names = words | st.tuples(words, words).map("/".join)
values = st.text(st.characters(exclude_characters=",", exclude_categories=["Cs"]), min_size=1)


class Component:
    """One option of every type that components use."""

    def __init__(  # type: ignore[no-untyped-def] # an option may lack a type
        self,
        width: int,
        *more: int,
        count: int = 1,
        share: Annotated[float, Meta(ge=0, lt=1)] = 0.1,
        flag: bool = False,
        reduction: Literal["sum", "mean"] = "sum",
        hidden: Annotated[int, Meta(ge=1)] | None = None,
        label: str = "",
        bare="x",
    ) -> None: ...


class Demanding:
    def __init__(self, *, rank: int, scale: float = 1.0) -> None: ...


def read(text: str, component: type = Component) -> dict[str, Any]:
    return read_options(options(component), Spec.parse(text))


@given(names, st.dictionaries(words, values))
def test_a_spec_is_read_as_it_was_written(name: str, given: dict[str, str]) -> None:
    spec = Spec(name, given)
    assert Spec.parse(str(spec)) == spec


@given(st.text())
def test_any_text_is_a_spec_or_a_usage_error(text: str) -> None:
    try:
        spec = Spec.parse(text)
    except UsageError:
        return
    assert Spec.parse(str(spec)) == spec


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "'' names no component. Write NAME or NAME:key=value,key=value."),
        (" ", "names no component"),
        (":rank=3", "':rank=3' names no component"),
        ("cnn:", "'' in 'cnn:' is not an option. Write NAME:key=value,key=value."),
        ("cnn:rank", "'rank' in 'cnn:rank' is not an option"),
        ("cnn:rank=", "'rank=' in 'cnn:rank=' is not an option"),
        ("cnn:=3", "'=3' in 'cnn:=3' is not an option"),
        ("cnn:rank=3,", "'' in 'cnn:rank=3,' is not an option"),
        ("cnn:rank=3,rank=4", "Option 'rank' comes twice in 'cnn:rank=3,rank=4'."),
    ],
)
def test_what_is_no_spec_is_refused_as_written(text: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        Spec.parse(text)
    assert message in str(caught.value)


def test_the_first_colon_and_equals_sign_divide() -> None:
    assert Spec.parse("package/name:label=a:b=c") == Spec("package/name", {"label": "a:b=c"})


def test_options_are_the_keyword_only_arguments_with_their_types_and_defaults() -> None:
    assert {name: (option.type, option.default) for name, option in options(Component).items()} == {
        "count": ("int", 1),
        "share": ("float, ≥ 0, < 1", 0.1),
        "flag": ("bool", False),
        "reduction": ("sum|mean", "sum"),
        "hidden": ("int, ≥ 1 or none", None),
        "label": ("str", ""),
        "bare": ("str", "x"),
    }
    assert list(options(Component)) == ["count", "share", "flag", "reduction", "hidden", "label", "bare"]
    assert options(object) == {}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("count=3", 3),
        ("count=-3", -3),
        ("share=0", 0.0),
        ("share=1e-3", 0.001),
        ("flag=true", True),
        ("flag=False", False),
        ("flag=1", True),
        ("reduction=mean", "mean"),
        ("hidden=7", 7),
        ("hidden=none", None),
        ("hidden=None", None),
        ("label=7", "7"),
        ("label=none", "none"),
        ("label=true", "true"),
        ("bare=7", "7"),
    ],
)
def test_a_value_is_read_by_its_annotation(text: str, value: object) -> None:
    (found,) = read(f"component:{text}").values()
    assert found == value
    assert type(found) is type(value)


@given(st.integers(-(2**60), 2**60), st.floats(0, 1, exclude_max=True), st.booleans())
def test_a_value_is_read_as_python_writes_it(count: int, share: float, flag: bool) -> None:
    assert read(f"component:count={count},share={share},flag={flag}") == {"count": count, "share": share, "flag": flag}


@pytest.mark.parametrize(
    ("text", "takes"),
    [
        ("count=3.5", "int"),
        ("count=many", "int"),
        ("count=none", "int"),
        ("share=1", "float, ≥ 0, < 1"),
        ("share=-0.1", "float, ≥ 0, < 1"),
        ("share=nan", "float, ≥ 0, < 1"),
        ("flag=maybe", "bool"),
        ("reduction=max", "sum|mean"),
        ("hidden=0", "int, ≥ 1 or none"),
        ("hidden=x", "int, ≥ 1 or none"),
    ],
)
def test_another_value_is_refused_with_what_it_takes(text: str, takes: str) -> None:
    with pytest.raises(UsageError) as caught:
        read(f"component:{text}")
    key, _, value = text.partition("=")
    assert str(caught.value) == f"'{value}' is no value for option '{key}' of 'component': it takes {takes}."


@pytest.mark.parametrize(
    ("text", "component", "message"),
    [
        ("component:shar=0.5", Component, "'component' has no option 'shar'. Did you mean share?"),
        ("component:width=3", Component, "'component' has no option 'width'."),
        ("component:x=3", object, "'component' has no option 'x'. There are none."),
        ("demanding:scale=2", Demanding, "'demanding' needs option 'rank': write demanding:rank=…"),
    ],
)
def test_an_option_unknown_or_missing_is_named(text: str, component: type, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        read(text, component)
    assert message in str(caught.value)


def test_what_is_not_given_is_left_to_the_constructor() -> None:
    assert read("component") == {}
    assert read("demanding:rank=3", Demanding) == {"rank": 3}


def test_an_option_that_may_be_none_reads_it() -> None:
    assert Option("hidden", int | None, None).read("NONE") is None
