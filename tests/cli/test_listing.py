"""`mtk list`: everything installed, what is broken and why, and how to name what two packages offer."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

import pytest
from command_line import REGISTERS, invoke

Install = Callable[..., None]


def listed() -> dict[tuple[str, str], dict[str, str]]:
    rows = json.loads(invoke("list", "--json").stdout)
    return {(row["kind"], f"{row['package']}/{row['name']}"): row for row in rows}


def test_list_shows_the_toolkits_own_components() -> None:
    row = listed()["combiner", "multitask-toolkit/pcgrad"]
    assert row["status"] == "ok"
    assert row["summary"]
    table = invoke("list", "--verbose").stdout
    assert re.search(rf"combiner +pcgrad .* ok +optimizers +{re.escape(row['target'])}", table)


def test_list_survives_a_broken_plugin_and_says_why(install_one: Install) -> None:
    install_one("clinic-broken", "raise RuntimeError('out of [order]')")
    assert listed()["plugin", "clinic-broken/clinic-broken"]["status"].startswith("broken: RuntimeError: out of [order]")
    result = invoke("list")
    assert result.exit_code == 0
    assert "broken: RuntimeError: out of [order]" in result.stdout
    assert "pcgrad" in result.stdout


def test_list_says_how_to_name_what_two_packages_offer(install_one: Install) -> None:
    plugin = REGISTERS + "class Thing: ..."
    install_one("clinic-twin", plugin.format(kind="head", name="linear", module="clinic_twin"))
    for package in ("clinic-one", "clinic-two"):
        install_one(package, plugin.format(kind="head", name="odd", module=package.replace("-", "_")))
    rows = listed()
    assert rows["head", "multitask-toolkit/linear"]["status"] == "ok"
    assert rows["head", "clinic-twin/linear"]["status"] == "write clinic-twin/linear: the name alone means mtk's own"
    assert rows["head", "clinic-one/odd"]["status"] == "ambiguous: write clinic-one/odd"
    assert "a [thing]" in invoke("list").stdout


def test_list_leaves_out_a_disabled_plugin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MTK_DISABLE_PLUGINS", "optimizers")
    assert "pcgrad" not in invoke("list").stdout


def test_list_shows_one_kind_or_some() -> None:
    for arguments in (["head"], ["--kind", "head"]):
        kinds = {line.split()[0] for line in invoke("list", *arguments).stdout.splitlines()}
        assert kinds == {"kind", "head"}
    rows = json.loads(invoke("list", "head", "--kind", "augmenter", "--json").stdout)
    assert {row["kind"] for row in rows} == {"head", "augmenter"}
    wrong = invoke("list", "heads")
    assert wrong.exit_code == 2
    assert "'heads' is not one of" in wrong.stderr


def test_a_package_is_named_where_it_is_not_mtk_itself(install_one: Install) -> None:
    assert "multitask-toolkit" not in invoke("list").stdout
    install_one("clinic-odd", (REGISTERS + "class Thing: ...").format(kind="head", name="odd", module="clinic_odd"))
    assert re.search(r"head +odd +a \[thing\] +clinic-odd 1\.2\n", invoke("list", "head").stdout)
