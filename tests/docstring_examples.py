"""The smallest part that a contract's docstring shows, as a class."""

from __future__ import annotations

import re
import textwrap
from types import ModuleType
from typing import Any

import torch

import mtk


def smallest(contract: ModuleType, name: str) -> Any:
    (source,) = re.findall(rf"^    class {name}\(.*\n(?:    .*\n|\n)+", str(contract.__doc__), re.MULTILINE)
    namespace: dict[str, Any] = {"mtk": mtk, "torch": torch, "__name__": __name__}
    exec(textwrap.dedent(source), namespace)
    return namespace[name]
