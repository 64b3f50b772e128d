"""The configuration: one record, which a file holds without loss, and whose mistakes are named where they are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from mtk.config import PRESETS, RunConfig, check, read_config, sealed
from mtk.errors import DataError, UsageError

FULL = RunConfig(
    data="d", heads={"sst": "cnn", "*": "linear"}, augment="eda:copies=2", epoch=7, batch_size={"sst": 4}, listen=["x", "y"]
)


def write(path: Path, config: RunConfig) -> Path:
    fields = {k: v for k, v in msgspec.to_builtins(config).items() if v is not None}
    path.write_bytes(msgspec.toml.encode(fields))
    return path


@pytest.mark.parametrize("config", [RunConfig(), FULL], ids=["defaults", "full"])
def test_a_file_keeps_it_as_it_is(config: RunConfig, tmp_path: Path) -> None:
    assert check(read_config(write(tmp_path / "c.toml", config))) == config


@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_is_a_configuration(preset: str) -> None:
    assert check(PRESETS[preset]) != RunConfig()


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"epoch": 0}, "epoch"),
    ({"epochs": 0}, "`int` >= 1 - in `epochs`"),
    ({"epochs": 2.5}, "in `epochs`"),
    ({"batch_size": {"sst": 0}}, "in `batch_size"),
    ({"warmup": 1.0}, "in `warmup`"),
    ({"dropout": -0.1}, "in `dropout`"),
    ({"learning_rate": -1}, "in `learning_rate`"),
    ({"max_length": 7}, "in `max_length`"),
    ({"pooling": 3}, "in `pooling`"),
    ({"heads": 3}, "in `heads`"),
    ({"device": "gpu"}, "device is 'gpu'; it takes auto, cpu, cuda or cuda:N"),
    ({"device": "cuda:x"}, "device is 'cuda:x'"),
    ({"epochen": 3}, "there is no setting 'epochen'. Did you mean epoch"),
]


@pytest.mark.parametrize(("fields", "message"), WRONG, ids=str)
def test_a_wrong_field_is_named(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        check(fields)
    assert message in str(caught.value)
    with pytest.raises(DataError, match=r"^run\.toml: ") as caught_in_file:
        check(fields, "run.toml")
    assert message in str(caught_in_file.value)


@pytest.mark.parametrize("device", ["auto", "cpu", "cuda", "cuda:0", "cuda:12"])
def test_a_device_may_be_one_of_another_machine(device: str) -> None:
    assert check({"device": device}).device == device


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "cannot be read"), (b"epochs =", "is not TOML"), (b"\xff", "is not TOML"), (b"epochs = 0", "in `epochs`")],
)
def test_a_wrong_file_is_named(tmp_path: Path, content: bytes | None, message: str) -> None:
    path = tmp_path / "c.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        read_config(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert message in str(caught.value)


@pytest.mark.parametrize("config", [RunConfig(), FULL], ids=["defaults", "full"])
def test_what_a_run_wrote_is_read_as_long_as_it_is_that(config: RunConfig, tmp_path: Path) -> None:
    content, file = sealed(config), tmp_path / "config.toml"
    file.write_bytes(content)
    assert check(read_config(file)) == config
    for damaged in (content.partition(b"seed = 0")[0], content + b"steps = 3\n", content.replace(b"seed = 0", b"seed = 1")):
        file.write_bytes(damaged)
        with pytest.raises(DataError, match="is not what a run wrote: it was truncated or edited"):
            read_config(file)


def test_a_copy_of_it_can_be_edited_without_its_first_line(tmp_path: Path) -> None:
    lines = sealed(FULL).decode().replace("seed = 0", "seed = 1").splitlines()
    (tmp_path / "config.toml").write_text("\n".join(lines[1:]))
    assert check(read_config(tmp_path / "config.toml")) == msgspec.structs.replace(FULL, seed=1)


def test_one_that_sets_nothing_is_not_taken_for_the_defaults(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("# nothing\n")
    with pytest.raises(DataError, match="it sets nothing"):
        read_config(tmp_path / "config.toml")
