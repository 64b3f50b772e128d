"""Nothing that is printed moves a cursor, changes a colour or turns the direction of reading."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable

import pytest
from command_line import invoke
from hypothesis import given
from hypothesis import strategies as st

from mtk_cli.escape import LONGEST, Warnings, shortened, visible, visible_json, wrapped

HARMFUL = st.text(st.characters(categories=["Cc", "Cf", "Cs", "Zl", "Zp", "L", "N"]))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain [red] text\n\twith a tab", "plain [red] text\n\twith a tab"),
        ("\x1b[31m\r\x07\x9b", "\\x1b[31m\\x0d\\x07\\x9b"),
        ("a\u202eb\u2066", "a\\u202eb\\u2066"),
        ("\udcff", "\\udcff"),
        ("\U000e0041", "\\U000e0041"),
        ("naïve 東京 👩‍🔬 ≥", "naïve 東京 👩‍🔬 ≥"),
    ],
)
def test_what_a_terminal_would_obey_is_written_as_an_escape(text: str, shown: str) -> None:
    assert visible(text) == shown


@given(HARMFUL)
def test_once_is_enough_and_the_rest_is_as_it_was(text: str) -> None:
    shown = visible(text)
    assert visible(shown) == shown
    shown.encode()  # every output can hold it
    assert "".join(c for c in text if c.isalnum() and c.isprintable()) == "".join(
        c for c in text if visible(c) == c and c.isalnum()
    )


@given(st.text())
def test_json_means_the_same(text: str) -> None:
    document = visible_json(json.dumps({"label": text}, ensure_ascii=False))
    assert json.loads(document) == {"label": text}
    assert visible(document) == document


def test_a_long_message_keeps_both_ends() -> None:
    assert shortened("short") == "short"
    text = shortened("error: " + "9" * 10**6 + " is no number")
    assert len(text) <= LONGEST + 3
    assert (text[:8], text[-12:]) == ("error: 9", "is no number")


@given(st.text("ab \n", max_size=200), st.integers(10, 60))
def test_lines_are_broken_between_words(text: str, width: int) -> None:
    lines = wrapped(text, width)
    assert lines.split() == text.split()
    assert all(len(line) <= width or " " not in line.strip() for line in lines.split("\n"))


def test_errors_and_warnings_are_escaped(capsys: pytest.CaptureFixture[str]) -> None:
    assert "no head '\\x1b[31m'" in invoke("run", "--head", "\x1b[31m").stderr
    assert "\x1b" not in invoke("run", "--\x1b[31m").stderr
    logger = logging.Logger("mtk")
    logger.addHandler(Warnings())
    logger.warning("%s failed", "a\x1b")
    assert capsys.readouterr().err == "warning: a\\x1b failed\n"


def test_what_a_plugin_says_of_itself_is_escaped(install_one: Callable[..., None]) -> None:
    install_one(
        "clinic-loud",
        "import mtk\n\n@mtk.hookimpl\ndef mtk_register(registry):\n"
        "    registry.head('loud', 'clinic_loud:Loud', summary='\\x1b[2J\\u202ewiped')\n"
        "class Loud(mtk.Head):\n    '\\x1b[31mred'\n"
        "    def __init__(self, width, outputs): super().__init__()\n    def forward(self, first): ...\n",
    )
    for command in (["list"], ["list", "--verbose"], ["show", "loud"], ["list", "--json"]):
        result = invoke(*command)
        assert result.exit_code == 0
        assert not {"\x1b", "\u202e"} & set(result.output)
        assert "wiped" in result.output
