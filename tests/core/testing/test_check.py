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

EXAMPLES = Path(__file__).parents[3] / "examples"

OPTIONS = {  # of what cannot be built without
    "constant": "weights=1/2",
    "cosmos": "weights=1/2,lambda_=1",
    "pbi": "weights=1/2",
    "pivrg": "baseline=0.5/0.7",
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


def example(package: str, file: str, name: str) -> type[Any]:
    """A class of an example, read where it lies: the package need not be installed."""
    folder = EXAMPLES / package / package.replace("-", "_")
    spec = spec_from_file_location(f"{folder.name}_{file}", folder / f"{file}.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return getattr(module, name)  # type: ignore[no-any-return]


@pytest.mark.usefixtures("wordnet")
@pytest.mark.parametrize("check", installed())
def test_what_is_installed(check: Check) -> None:
    check()


SHOWN = [
    example("mtk-bilinear", "head", "Bilinear"),
    example("mtk-bilinear", "combiner", "EqualLength"),
    example("mtk-bilinear", "augmenter", "Typo"),
    example("mtk-labels", "head", "LabelEmbedding"),
    example("mtk-labels", "combiner", "LayerGradNorm"),
]


@pytest.mark.parametrize(
    "check", [pytest.param(check, id=f"{cls.__name__}-{check}") for cls in SHOWN for check in checks(cls)]
)
def test_the_examples(check: Check) -> None:
    check()
