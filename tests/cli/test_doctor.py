"""`mtk doctor` says all of it, to people and as JSON."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib.metadata import version

from command_line import invoke

from mtk_cli.doctor import lines


def test_people_read_what_json_has() -> None:
    printed, found = invoke("doctor"), json.loads(invoke("doctor", "--json").stdout)
    assert printed.exit_code == 0
    assert found["mtk"] == version("multitask-toolkit")
    first = [line.split()[0] for line in printed.stdout.splitlines() if not line.startswith(" ")]
    assert first == list(found)
    assert f"torch {version('torch')}" in printed.stdout
    assert found["caches"]["tokens"] in printed.stdout


def test_plugins_of_other_packages_are_named(install_one: Callable[[str, str], None]) -> None:
    install_one("mtk-broken", "raise ValueError('no')")
    (plugin,) = json.loads(invoke("doctor", "--json").stdout)["plugins"]
    assert plugin.startswith("mtk-broken (mtk-broken 1.2): broken: ")
    assert "ValueError: no" in plugin
    assert plugin in invoke("doctor").stdout


def test_what_an_extra_lacks_is_a_line() -> None:
    assert list(lines("extras", {"hub": [], "onnx": ["onnxruntime>=1.20"]})) == [
        ("extras", "hub"), ("", "not onnx: onnxruntime>=1.20 missing"),
    ]  # fmt: skip
