"""docs/plugins/reference.md is what the code says, and the smallest components in it keep what it promises."""

from __future__ import annotations

import re
import runpy
import textwrap
from pathlib import Path

import pytest
import torch

import mtk
from mtk.testing import checks

PAGE = Path(__file__).parents[2] / "docs" / "plugins" / "reference.md"


def test_it_is_up_to_date() -> None:
    written = runpy.run_path(str(PAGE.with_name("generate.py")))["reference"]()
    assert written == PAGE.read_text(encoding="utf-8"), "run: python docs/plugins/generate.py"


@pytest.mark.parametrize("name", ["Average", "EqualLength", "Echo"])
def test_the_smallest_components_are_components(name: str) -> None:
    (source,) = re.findall(rf"^    class {name}\(.*\n(?:    .*\n|\n)+", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    namespace = {"mtk": mtk, "torch": torch, "__name__": __name__}
    exec(textwrap.dedent(source), namespace)
    for check in checks(namespace[name]):  # type: ignore[arg-type]
        check()
