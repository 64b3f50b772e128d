"""What comes with mtk, and the example of a third party's package, keep every promise that mtk asks of others."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest

import mtk
from mtk.host.options import options as known_options
from mtk.host.options import read_options
from mtk.host.spec import Spec
from mtk.testing import Check, checks

EXAMPLE = Path(__file__).parents[3] / "examples" / "mtk-bilinear" / "mtk_bilinear"

OPTIONS = {  # of what cannot be built without
    "constant": "weights=1/2",
    "cosmos": "weights=1/2,lambda_=1",
    "pbi": "weights=1/2",
}

UNKEPT: dict[str, str] = {}  # promises that a method says itself it cannot keep


def installed() -> Iterator[Any]:
    for component in mtk.Registry().components:
        if component.kind in ("head", "combiner", "augmenter"):
            cls = component.load()
            spec = Spec.parse(f"{component.name}:{OPTIONS.get(component.name, '')}".rstrip(":"))
            options = read_options(known_options(cls), spec)
            for check in checks(cls, **options):
                name = f"{component.qualified}-{check}"
                marks = [pytest.mark.xfail(reason=UNKEPT[name], strict=True)] if name in UNKEPT else []
                yield pytest.param(check, id=name, marks=marks)


def example(file: str, name: str) -> type[Any]:
    """A class of the example, read where it lies: the package need not be installed."""
    spec = spec_from_file_location(f"mtk_bilinear_{file}", EXAMPLE / f"{file}.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return getattr(module, name)  # type: ignore[no-any-return]


@pytest.mark.usefixtures("wordnet")
@pytest.mark.parametrize("check", installed())
def test_what_is_installed(check: Check) -> None:
    check()


@pytest.mark.parametrize("check", checks(example("head", "Bilinear")), ids=str)
def test_the_examples_head(check: Check) -> None:
    check()


@pytest.mark.parametrize("check", checks(example("combiner", "EqualLength")), ids=str)
def test_the_examples_combiner(check: Check) -> None:
    check()


@pytest.mark.parametrize("check", checks(example("augmenter", "Typo")), ids=str)
def test_the_examples_augmenter(check: Check) -> None:
    check()
