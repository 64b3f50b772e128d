"""Every adapter's options are those of peft, with its defaults, and can be written on a command line."""

from __future__ import annotations

import dataclasses

import pytest

from mtk.adapter import ADAPTERS
from mtk.host.options import options

peft = pytest.importorskip("peft", reason="the extra peft is not installed")


@pytest.mark.parametrize("name", ADAPTERS)
def test_its_options_are_pefts(name: str) -> None:
    adapter, found = ADAPTERS[name], options(ADAPTERS[name])
    theirs = {field.name: field for field in dataclasses.fields(getattr(peft, adapter.config))}
    assert found.keys() <= theirs.keys()
    for option in found.values():
        assert option.unreadable() is None
        assert option.default == theirs[option.name].default
