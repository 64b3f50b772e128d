"""A run records what it was made with, and a repetition says what is another release."""

from __future__ import annotations

import sys
from importlib.metadata import version

from mtk.host.contracts import PartKind
from mtk.host.registry import Registry
from mtk.host.versions import changed_versions, used_versions

OWN = f"multitask-toolkit {version('multitask-toolkit')}"


def test_every_component_is_recorded_with_its_package_and_version() -> None:
    registry = Registry()
    names: list[tuple[PartKind, str]] = [("head", "cnn"), ("head", "multitask-toolkit/linear"), ("listener", "tensorboard")]
    assert used_versions(registry.find(kind, name) for kind, name in names) == {
        "python": sys.version.split()[0],
        **{package: version(package) for package in ("multitask-toolkit", "torch", "transformers")},
        "head cnn": OWN,
        "head linear": OWN,
        "listener tensorboard": OWN,
    }


def test_only_what_both_runs_use_can_differ() -> None:
    recorded = {"torch": "2.11", "head cnn": "a 1", "head gone": "a 1", "combiner sum": "a 1"}
    now = {"torch": "2.13", "head cnn": "a 1", "head new": "a 1", "combiner sum": "b 1"}
    assert changed_versions(recorded, now) == [
        "torch was 2.11 in the run that this one repeats, and is 2.13 here",
        "combiner sum was a 1 in the run that this one repeats, and is b 1 here",
    ]
    assert changed_versions({}, now) == []
