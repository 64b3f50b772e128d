"""A run records what it was made with, and a repetition says what is another release."""

from __future__ import annotations

import sys
from importlib.metadata import version

from mtk.config import RunConfig
from mtk.registry import Registry
from mtk.versions import changed_versions, used_versions

OWN = f"multitask-toolkit {version('multitask-toolkit')}"


def test_every_component_is_recorded_with_its_package_and_version() -> None:
    config = RunConfig(
        heads={"a": "cnn:dropout=0.3", "b": "multitask-toolkit/linear"}, combiner="pcgrad", augment={"a": "eda:copies=2"},
        listen=["tensorboard"],
    )  # fmt: skip
    assert used_versions(config, ["a", "b"], Registry()) == {
        "python": sys.version.split()[0],
        **{package: version(package) for package in ("multitask-toolkit", "torch", "transformers")},
        "tasks sample": OWN,
        "encoder minilm": OWN,
        "head cnn": OWN,
        "head multitask-toolkit/linear": OWN,
        "combiner pcgrad": OWN,
        "augmenter eda": OWN,
        "listener tensorboard": OWN,
    }


def test_directories_and_ids_of_the_hub_have_no_version() -> None:
    config = RunConfig(data="/some/where", encoder="bert-base-uncased", heads="linear")
    used = used_versions(config, ["a"], Registry())
    assert {what.partition(" ")[0] for what in used} & {"tasks", "encoder", "augmenter", "listener"} == set()


def test_only_what_both_runs_use_can_differ() -> None:
    recorded = {"torch": "2.11", "head cnn": "a 1", "head gone": "a 1", "combiner sum": "a 1"}
    now = {"torch": "2.13", "head cnn": "a 1", "head new": "a 1", "combiner sum": "b 1"}
    assert changed_versions(recorded, now) == [
        "torch was 2.11 in the run that this one repeats, and is 2.13 here",
        "combiner sum was a 1 in the run that this one repeats, and is b 1 here",
    ]
    assert changed_versions({}, now) == []
