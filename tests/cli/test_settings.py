"""Flags, files and presets become a configuration, and a wrong one is told with what it takes."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from command_line import invoke

from mtk.config import PRESETS, RunConfig, layered
from mtk_cli import cli

Runs = list[RunConfig]


def configured(runs: Runs, *flags: str) -> RunConfig:
    result = invoke("run", "--quiet", *flags)
    assert result.exit_code == 0, result.output
    return runs[-1]


def test_no_flag_is_the_default_configuration(runs: Runs) -> None:
    assert configured(runs) == RunConfig()


def test_every_field_has_a_flag() -> None:
    flags = {parameter.name for parameter in cli.commands["run"].params}
    assert set(RunConfig.__struct_fields__) - flags == {"revisions", "versions"}


def test_help_states_the_defaults_of_the_configuration() -> None:
    text = " ".join(invoke("run", "--help").output.split())
    for field in msgspec.structs.fields(RunConfig):
        if field.default not in (None, "", msgspec.NODEFAULT) and field.default is not False:
            assert f"[default: {str(field.default).removeprefix('multitask-toolkit/')}]" in text


def test_all_flags_together(runs: Runs) -> None:
    given = configured(
        runs,
        *("--data", "d", "--bad-rows", "skip", "--limit", "50", "--limit", "sst=20"),
        *("--encoder", "bert-base-uncased", "--pooling", "cls", "--max-length", "64"),
        *("--head", "sst=cnn", "--head", "para=concat-mlp:dropout=0.3", "--combiner", "pcgrad"),
        *("--augment", "sst=eda:alpha=0.2,copies=9", "--epochs", "2", "--epoch", "7", "--steps", "9"),
        *("--batch-size", "8", "--accumulate", "2", "--lr", "1e-5", "--head-lr", "1e-3", "--weight-decay", "0"),
        *("--warmup", "0", "--clip-norm", "0", "--dropout", "0", "--device", "cuda:1", "--precision", "bf16"),
        *("--compile", "on", "--seed", "0"),
    )
    assert given == RunConfig(
        data="d",
        bad_rows="skip",
        limit={"*": 50, "sst": 20},
        encoder="bert-base-uncased",
        pooling="cls",
        max_length=64,
        heads={"sst": "cnn", "para": "concat-mlp:dropout=0.3"},
        combiner="pcgrad",
        augment={"sst": "eda:alpha=0.2,copies=9"},
        epochs=2,
        epoch=7,
        steps=9,
        batch_size={"*": 8},
        accumulate=2,
        learning_rate=1e-5,
        head_learning_rate=1e-3,
        weight_decay=0,
        warmup=0,
        clip_norm=0,
        dropout=0,
        device="cuda:1",
        precision="bf16",
        compile="on",
        seed=0,
    )


@pytest.mark.parametrize(
    ("text", "heads"),
    [
        ("cnn", {"*": "cnn"}),
        ("sst=cnn", {"sst": "cnn"}),
        ("concat-mlp:dropout=0.3", {"*": "concat-mlp:dropout=0.3"}),
        ("para=concat-mlp:dropout=0.3,hidden=9", {"para": "concat-mlp:dropout=0.3,hidden=9"}),
        ("para=mtk-more/bilinear:rank=4", {"para": "mtk-more/bilinear:rank=4"}),
    ],
)
def test_a_task_stands_before_the_first_equals_sign_and_any_colon(runs: Runs, text: str, heads: dict[str, str]) -> None:
    assert configured(runs, "--head", text).heads == heads


def test_flags_win_over_the_file_and_the_file_over_the_preset(runs: Runs, tmp_path: Path) -> None:
    file = tmp_path / "run.toml"
    file.write_text('epochs = 3\nseed = 5\nheads = {sst = "cnn", para = "cosine"}\n')
    given = configured(runs, "--preset", "study", "--config", str(file), "--seed", "6", "--head", "para=linear")
    own = {"epochs": 3, "seed": 6, "heads": {"sst": "cnn", "para": "linear"}}
    assert given == RunConfig(**{**PRESETS["study"], **own})


def test_the_best_recipe_is_a_preset_and_a_length(runs: Runs) -> None:
    given = configured(runs, "--preset", "modern", "--epoch", "1100", "--epochs", "1", "--precision", "bf16")
    assert given == RunConfig(learning_rate=1.5e-4, r_drop=4.0, epoch=1100, epochs=1, precision="bf16")


def test_a_value_for_some_tasks_keeps_what_holds_for_the_others() -> None:
    assert layered({"batch_size": {"sst": 4}}) == {"batch_size": {"*": RunConfig().batch_size, "sst": 4}}
    assert layered({"batch_size": 8}, {"batch_size": {"sst": 4}}) == {"batch_size": {"*": 8, "sst": 4}}
    assert layered({"heads": {"sst": "cnn"}}, {"heads": {"*": "linear"}}) == {"heads": {"*": "linear"}}


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--epochs", "0"], "'0' will not do: it takes int, ≥ 1."),
        (["--epochs", "many"], "'--epochs'"),
        (["--epoch", "middle"], "it takes longest|shortest or int, ≥ 1."),
        (["--batch-size", "sst=x"], "'x' will not do"),
        (["--bad-rows", "keep"], "it takes error|skip."),
        (["--device", "gpu"], "error: device is 'gpu'; it takes auto, cpu, cuda or cuda:N"),
        (["--head", "=cnn"], "write TASK=VALUE"),
        (["--head", "sst="], "write TASK=VALUE"),
        (["--head", "sst=cnn", "--head", "sst=linear"], "task 'sst' is given 2 values"),
        (["--limit", "5", "--limit", "6"], "every task is given 2 values"),
        (["--preset", "studi"], "study"),
        (["--epoches", "3"], "--epochs"),
    ],
)
def test_a_wrong_flag_exits_2_and_says_what_it_takes(runs: Runs, flags: list[str], message: str) -> None:
    result = invoke("run", *flags)
    assert (result.exit_code, result.stdout, runs) == (2, "", [])
    assert message in result.stderr
    assert "Traceback" not in result.stderr


def test_a_wrong_file_exits_1_and_names_it(runs: Runs, tmp_path: Path) -> None:
    file = tmp_path / "run.toml"
    assert invoke("run", "--config", str(file)).exit_code == 1
    file.write_text("epoch_count = 3")
    result = invoke("run", "--config", str(file))
    assert result.exit_code == 1
    assert result.stderr.startswith(f"error: {file}: there is no setting 'epoch_count'.")
