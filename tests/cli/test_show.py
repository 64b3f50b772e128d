"""`mtk show`: options, paper and origin of everything that has a name."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

from command_line import REGISTERS, invoke

Install = Callable[..., None]


def test_show_tells_options_paper_and_origin() -> None:
    text = invoke("show", "linear").stdout
    assert "mtk_heads.linear:Linear, from plugin heads of multitask-toolkit" in text
    assert re.search(r"dropout +float, ≥ 0, < 1 +0.1", text)
    card, schedule = json.loads(invoke("show", "multitask-toolkit/linear", "--json").stdout)  # the name is of both kinds
    assert (card["kind"], schedule["kind"]) == ("head", "schedule")
    assert {"name": "dropout", "type": "float, ≥ 0, < 1", "default": 0.1, "required": False} in card["options"]


AUGMENTER = """
class Thing(mtk.Augmenter):
    '''Says it [again].'''
    copies = 3

    def __init__(self, *, times: int, sep: str | None = None) -> None: ...
    def __call__(self, words, rng): return [*words]
"""


def test_show_gives_an_augmenters_copies_and_what_must_be_given(install_one: Install) -> None:
    install_one("clinic-echo", REGISTERS.format(kind="augmenter", name="echo", module="clinic_echo") + AUGMENTER)
    text = invoke("show", "echo").stdout
    assert "Says it [again]." in text
    assert re.search(r"times +int +must be given", text)
    assert re.search(r"sep +str or none +none", text)
    assert re.search(r"copies +int, ≥ 1 +3", text)
    assert re.search(r"works on +the words of a sentence", text)
    assert json.loads(invoke("show", "join", "--json").stdout)[0]["properties"] == {"works on": "an example and its label"}


def test_show_shows_every_kind_of_a_name(install_one: Install) -> None:
    install_one("clinic-sum", REGISTERS.format(kind="augmenter", name="sum", module="clinic_sum") + AUGMENTER)
    cards = json.loads(invoke("show", "sum", "--json").stdout)
    assert {card["kind"] for card in cards} == {"combiner", "augmenter"}


def test_show_of_an_unknown_name_suggests(install_one: Install) -> None:
    result = invoke("show", "pcgrd")
    assert result.exit_code == 2
    assert result.stderr.startswith("error: Nothing is called 'pcgrd'. Did you mean pcgrad")
    install_one("clinic-ill", "import nowhere")
    assert "`mtk list`" in invoke("show", "pcgrd").stderr


def test_show_of_a_broken_component_says_why(install_one: Install) -> None:
    install_one("clinic-hollow", REGISTERS.format(kind="head", name="hollow", module="clinic_hollow"))
    result = invoke("show", "hollow")
    assert result.exit_code == 2
    assert "of plugin 'clinic-hollow' (clinic-hollow 1.2) is broken" in result.stderr
