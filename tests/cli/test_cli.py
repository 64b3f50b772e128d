"""The command line: flags become a configuration, plugins become a table, mistakes become one line and an exit code."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner, Result
from rich.console import Console

import mtk
import mtk_tasks
from mtk.config import PRESETS, RunConfig
from mtk.events import Evaluation, Plan, PlannedTask, Progress
from mtk.events import Result as RunResult
from mtk_cli import cli
from mtk_cli.console import Quiet, Report
from mtk_cli.settings import layered

Runs = list[RunConfig]
Install = Callable[..., None]


def invoke(*arguments: str, stdin: str = "") -> Result:
    return CliRunner().invoke(cli, arguments, input=stdin)


def python(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ, **environment}, check=False
    )


# A run, as it tells of itself ------------------------------------------------------------------------------------------

PLAN = Plan(
    tasks=[
        PlannedTask(
            name="sst",
            kind="classification(5)",
            pair=False,
            head="cnn:dropout=0.3",
            augmenter="eda:copies=9",
            batch_size=8,
            train=3000,
            augmented=2700,
            dev=60,
            test=0,
            skipped=[f"sst-train.csv:{n}: '[red]' is none of the labels" for n in range(2, 9)],
        ),
        PlannedTask(
            name="para",
            kind="binary",
            pair=True,
            head="concat-mlp",
            augmenter=None,
            batch_size=16,
            train=300,
            augmented=0,
            dev=60,
            test=60,
            skipped=[],
        ),
    ],
    encoder="minilm",
    parameters=22_700_000,
    combiner="pcgrad",
    device="cpu",
    precision="fp32",
    recorded=False,
    epochs=2,
    steps=200,
    plain=None,
    notes=["torch was [2.12] in the run that this one repeats, and is 2.13 here"],
    out=Path("runs/[1]"),
)


def progress(step: int) -> Progress:
    return Progress(
        step=step,
        steps=200,
        epoch=1 + (step > 100),
        losses={"sst": 1.5, "para": 0.25},
        own_losses={},
        cosines={},
        layer_cosines={},
        learning_rate=1e-5,
        examples_per_second=1234.5,
    )


EVALUATION = Evaluation(
    step=100,
    epoch=1,
    metrics={"sst": {"accuracy": 0.5, "macro_f1": 0.45}, "para": {"accuracy": 0.75, "f1": 0.7}},
    average=0.625,
    best=True,
)

RESULT = RunResult(
    out=Path("runs/[1]"),
    epochs=2,
    steps=200,
    seconds=75.2,
    examples_per_second=1234.5,
    best=EVALUATION,
    interrupted=False,
)


def tell(report: Report) -> None:
    report.mtk_run_started(PLAN)
    for step in range(1, 201):
        report.mtk_progressed(progress(step))
        if step == 100:
            report.mtk_evaluated(EVALUATION)
    report.mtk_run_finished(RESULT)


def report_on(terminal: bool) -> tuple[Report, io.StringIO]:
    file = io.StringIO()
    console = Console(file=file, force_terminal=terminal, markup=False, emoji=False, highlight=False, width=120)
    return Report(console), file


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> Runs:
    """The configurations that `mtk run` runs, without running them."""
    configs: Runs = []

    def run(config: RunConfig, *, out: Path | None, listeners: list[Any]) -> RunResult:
        configs.append(config)
        for listener in listeners:
            for hook, event in (("mtk_run_started", PLAN), ("mtk_run_finished", RESULT)):
                getattr(listener, hook, lambda _: None)(event)
        return RESULT

    monkeypatch.setattr(mtk, "run", run, raising=False)
    return configs


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Puts a plugin package on the path, as an installer would."""

    def install(package: str, source: str) -> None:
        module = package.replace("-", "_")
        (tmp_path / f"{module}.py").write_text(source)
        info = tmp_path / f"{module}-1.2.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.2\n")
        (info / "entry_points.txt").write_text(f"[mtk]\n{package} = {module}\n")

    monkeypatch.syspath_prepend(tmp_path)
    return install


REGISTERS = """
import mtk
import mtk_tasks

@mtk.hookimpl
def mtk_register(registry):
    registry.{kind}("{name}", "{module}:Thing", summary="a [thing]")
"""


# mtk run: from flags to a configuration --------------------------------------------------------------------------------


def configured(runs: Runs, *flags: str) -> RunConfig:
    result = invoke("run", "--quiet", *flags)
    assert result.exit_code == 0, result.output
    return runs[-1]


def test_no_flag_is_the_default_configuration(runs: Runs) -> None:
    assert configured(runs) == RunConfig()


def test_every_field_has_a_flag() -> None:
    flags = {parameter.name for parameter in cli.commands["run"].params}
    assert set(RunConfig.__struct_fields__) - flags == {"versions"}


def test_help_states_the_defaults_of_the_configuration() -> None:
    text = " ".join(invoke("run", "--help").output.split())
    for field in msgspec.structs.fields(RunConfig):
        if field.default not in (None, msgspec.NODEFAULT) and field.default is not False:
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
        (["--pooling", "max"], "it takes mean|cls."),
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


def test_json_is_one_object_and_nothing_else(runs: Runs) -> None:
    assert json.loads(invoke("run", "--json").stdout) == {
        "out": "runs/[1]",
        "metrics": EVALUATION.metrics,
        "average": 0.625,
        "epochs": 2,
        "steps": 200,
        "seconds": 75.2,
        "examples_per_second": 1234.5,
    }


def test_quiet_says_only_what_the_run_came_to(runs: Runs) -> None:
    lines = invoke("run", "--quiet").stdout.splitlines()
    assert lines == [
        "Done: best average 0.6250; 2 epochs, 200 steps in 0:01:15, 1,234 examples/s.",
        "Model, predictions and metrics are in runs/[1]",
    ]


@pytest.mark.parametrize("flag", ["--quiet", "--json", None])
def test_an_interrupted_run_exits_130(monkeypatch: pytest.MonkeyPatch, flag: str | None) -> None:
    stopped = msgspec.structs.replace(RESULT, interrupted=True)
    monkeypatch.setattr(mtk, "run", lambda config, **_: stopped, raising=False)
    assert invoke("run", *([flag] if flag else [])).exit_code == 130


@pytest.mark.parametrize(
    ("raised", "code", "message"),
    [
        (mtk.UsageError("no such [thing]"), 2, "error: no such [thing]\n"),
        (mtk.DataError("a.csv:3: no label"), 1, "error: a.csv:3: no label\n"),
        (KeyboardInterrupt(), 130, "interrupted\n"),
    ],
)
@pytest.mark.parametrize("flags", [[], ["--json"]])
def test_a_mistake_is_one_line_on_stderr(
    monkeypatch: pytest.MonkeyPatch, flags: list[str], raised: BaseException, code: int, message: str
) -> None:
    def run(config: RunConfig, **_: Any) -> None:
        raise raised

    monkeypatch.setattr(mtk, "run", run, raising=False)
    result = invoke("run", *flags)
    assert (result.exit_code, result.stdout, result.stderr) == (code, "", message)


# What a run says -------------------------------------------------------------------------------------------------------


def test_a_log_is_plain_lines() -> None:
    report, file = report_on(terminal=False)
    with report:
        tell(report)
    text = file.getvalue()
    assert "\x1b" not in text
    assert "\r" not in text
    for words in (
        "classification(5)",
        "binary, pairs",
        "2,700 by eda:copies=9",
        "3,000",
        "22.7 M parameters",
        "pcgrad",
        "2 epochs, 200 steps",
        "runs/[1]",
        "sst: 7 bad rows left out",
        "sst-train.csv:2: '[red]' is none of the labels",
        "and 4 more",
        "torch was [2.12]",
        "epoch 1, step 100: average 0.6250  best so far",
        "Best: epoch 1, step 100, average 0.6250",
    ):
        assert words in text
    assert len(re.findall(r"step \d+/200  loss  sst 1.5000  para 0.2500  1,234 examples/s", text)) == 20
    assert re.search(r"sst +accuracy +0.5000 +macro_f1 +0.4500", text)


def test_a_terminal_shows_a_bar_with_losses() -> None:
    report, file = report_on(terminal=True)
    with report:
        tell(report)
    text = file.getvalue()
    assert "epoch 2/2" in text
    assert "200/200" in text
    assert "loss  sst 1.5000  para 0.2500" in text
    assert "Best: epoch 1" in text


def test_the_cursor_comes_back_whatever_happens() -> None:
    report, file = report_on(terminal=True)
    with pytest.raises(RuntimeError), report:
        report.mtk_run_started(PLAN)
        raise RuntimeError
    hidden, shown = file.getvalue().rfind("\x1b[?25l"), file.getvalue().rfind("\x1b[?25h")
    assert 0 <= hidden < shown


def test_an_interrupted_run_says_what_is_saved() -> None:
    file = io.StringIO()
    quiet = Quiet(Console(file=file, width=200))
    quiet.mtk_run_finished(msgspec.structs.replace(RESULT, interrupted=True, steps=1))
    quiet.mtk_run_finished(msgspec.structs.replace(RESULT, interrupted=True, best=None))
    saved, nothing = file.getvalue().splitlines()
    assert saved == "Interrupted after 1 step. runs/[1] holds the best model so far, of epoch 1: average 0.6250."
    assert nothing == "Interrupted after 200 steps. runs/[1] holds the model as it was then, not yet evaluated."


# mtk list, mtk show ----------------------------------------------------------------------------------------------------


def listed() -> dict[tuple[str, str], dict[str, str]]:
    rows = json.loads(invoke("list", "--json").stdout)
    return {(row["kind"], f"{row['package']}/{row['name']}"): row for row in rows}


def test_list_shows_the_toolkits_own_components() -> None:
    row = listed()["combiner", "multitask-toolkit/pcgrad"]
    assert row["status"] == "ok"
    assert row["summary"]
    table = invoke("list", "--verbose").stdout
    assert re.search(rf"combiner +pcgrad .* ok +optimizers +{re.escape(row['target'])}", table)


def test_list_survives_a_broken_plugin_and_says_why(install: Install) -> None:
    install("clinic-broken", "raise RuntimeError('out of [order]')")
    assert listed()["plugin", "clinic-broken/clinic-broken"]["status"].startswith("broken: RuntimeError: out of [order]")
    result = invoke("list")
    assert result.exit_code == 0
    assert "broken: RuntimeError: out of [order]" in result.stdout
    assert "pcgrad" in result.stdout


def test_list_says_how_to_name_what_two_packages_offer(install: Install) -> None:
    plugin = REGISTERS + "class Thing: ..."
    install("clinic-twin", plugin.format(kind="head", name="linear", module="clinic_twin"))
    for package in ("clinic-one", "clinic-two"):
        install(package, plugin.format(kind="head", name="odd", module=package.replace("-", "_")))
    rows = listed()
    assert rows["head", "multitask-toolkit/linear"]["status"] == "ok"
    assert rows["head", "clinic-twin/linear"]["status"] == "write clinic-twin/linear: the name alone means mtk's own"
    assert rows["head", "clinic-one/odd"]["status"] == "ambiguous: write clinic-one/odd"
    assert "a [thing]" in invoke("list").stdout


def test_list_leaves_out_a_disabled_plugin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MTK_DISABLE_PLUGINS", "optimizers")
    assert "pcgrad" not in invoke("list").stdout


def test_show_tells_options_paper_and_origin() -> None:
    text = invoke("show", "linear").stdout
    assert "mtk_heads.linear:Linear, from plugin heads of multitask-toolkit" in text
    assert re.search(r"dropout +float, ≥ 0, < 1 +0.1", text)
    (card,) = json.loads(invoke("show", "multitask-toolkit/linear", "--json").stdout)
    assert card["kind"] == "head"
    assert {"name": "dropout", "type": "float, ≥ 0, < 1", "default": 0.1, "required": False} in card["options"]


AUGMENTER = """
class Thing(mtk.Augmenter):
    '''Says it [again].'''
    copies = 3

    def __init__(self, *, times: int, sep: str | None = None) -> None: ...
    def __call__(self, words, rng): return [*words]
"""


def test_show_gives_an_augmenters_copies_and_what_must_be_given(install: Install) -> None:
    install("clinic-echo", REGISTERS.format(kind="augmenter", name="echo", module="clinic_echo") + AUGMENTER)
    text = invoke("show", "echo").stdout
    assert "Says it [again]." in text
    assert re.search(r"times +int +must be given", text)
    assert re.search(r"sep +str or none +none", text)
    assert re.search(r"copies +int, ≥ 1 +3", text)


def test_show_shows_every_kind_of_a_name(install: Install) -> None:
    install("clinic-sum", REGISTERS.format(kind="augmenter", name="sum", module="clinic_sum") + AUGMENTER)
    cards = json.loads(invoke("show", "sum", "--json").stdout)
    assert {card["kind"] for card in cards} == {"combiner", "augmenter"}


def test_show_of_an_unknown_name_suggests(install: Install) -> None:
    result = invoke("show", "pcgrd")
    assert result.exit_code == 2
    assert result.stderr.startswith("error: Nothing is called 'pcgrd'. Did you mean pcgrad")
    install("clinic-ill", "import nowhere")
    assert "`mtk list`" in invoke("show", "pcgrd").stderr


def test_show_of_a_broken_component_says_why(install: Install) -> None:
    install("clinic-hollow", REGISTERS.format(kind="head", name="hollow", module="clinic_hollow"))
    result = invoke("show", "hollow")
    assert result.exit_code == 2
    assert "of plugin 'clinic-hollow' (clinic-hollow 1.2) is broken" in result.stderr


# The real thing --------------------------------------------------------------------------------------------------------

TINY = ("--limit", "8", "--batch-size", "8", "--max-length", "16", "--device", "cpu", "--head", "linear")
SAMPLE = Path(mtk_tasks.__file__).parent / "sample"


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "tiny"
    result = invoke("run", *TINY, "--epochs", "1", "--out", str(out))
    assert result.exit_code == 0, result.output
    assert "epoch 1, step 1: average" in result.stdout
    assert str(out) in result.stdout
    return out


@pytest.mark.slow
def test_a_run_is_repeated_from_its_configuration(finished: Path, tmp_path: Path) -> None:
    result = invoke("run", "--config", str(finished / "config.toml"), "--out", str(tmp_path / "again"), "--json")
    repeated, first = json.loads(result.stdout), json.loads((finished / "summary.json").read_text())
    assert repeated["metrics"] == first["best"]["metrics"]
    result = invoke("run", *TINY, "--out", str(finished))
    assert result.exit_code == 2
    assert "exists already" in result.stderr


@pytest.mark.slow
def test_eval_prints_every_score_and_their_average(finished: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record = json.loads(invoke("eval", str(finished), "--json").stdout)
    scores = [next(iter(metrics.values())) for metrics in record["metrics"].values()]
    assert record["average"] == pytest.approx(sum(scores) / len(scores))
    monkeypatch.setattr("mtk.pipeline.evaluate", lambda *_, **__: record["metrics"])  # the same again, at once
    text = invoke("eval", str(finished)).stdout
    assert text.startswith(f"dev: average {record['average']:.4f}\n")
    assert "pearson" in text


@pytest.mark.slow
def test_predict_answers_each_line(finished: Path) -> None:
    run = str(finished)
    labels = invoke("predict", run, "sst", stdin="a great film\nawful\n").stdout.split()
    assert len(labels) == 2
    assert set(labels) <= set("01234")
    record = json.loads(invoke("predict", run, "sts", "--json", stdin="one text\tanother\n").stdout)
    assert record["id"] == "0"
    assert 0 <= record["prediction"] <= 5
    file = str(SAMPLE / "para-dev.csv")
    assert len(invoke("predict", run, "para", file).stdout.split()) == len(Path(file).read_text().splitlines()) - 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "stdin", "code", "message"),
    [
        (["st"], "a\n", 2, "Did you mean"),
        (["sst"], "a\n\nb\n", 1, "standard input:2: "),
        (["sst"], b"a \xff\n", 1, "standard input: this is not utf-8"),
        (["sst", "nowhere.csv"], "", 1, "nowhere.csv"),
        (["sst", "--device", "gpu"], "a\n", 2, "it takes auto, cpu, cuda or cuda:N"),
    ],
)
def test_predict_says_what_is_wrong(
    finished: Path, arguments: list[str], stdin: str | bytes, code: int, message: str
) -> None:
    result = CliRunner().invoke(cli, ["predict", str(finished), *arguments], input=stdin)
    assert (result.exit_code, result.stdout) == (code, "")
    assert message in result.stderr


@pytest.mark.parametrize("command", [["eval"], ["predict"]])
def test_no_run_is_no_traceback(command: list[str], tmp_path: Path) -> None:
    result = invoke(*command, str(tmp_path), *(["sst"] if command == ["predict"] else []))
    assert result.exit_code == 1
    assert result.stderr.startswith("error: ")


def test_augment_writes_each_row_and_its_copies(tmp_path: Path) -> None:
    source, out = SAMPLE / "sst-dev.csv", tmp_path / "more.csv"
    rows = len(source.read_text().splitlines()) - 1
    asked = ("augment", str(source), "--with", "random-swap:copies=2", "--out", str(out))
    assert invoke(*asked).stdout == f"{out}: {3 * rows:,} rows from {rows:,} of {source}\n"
    again = invoke(*asked)
    assert (again.exit_code, again.stdout) == (2, "")
    assert "exists already" in again.stderr


@pytest.mark.slow
def test_ctrl_c_leaves_a_model_and_says_where(tmp_path: Path) -> None:
    out = tmp_path / "long"
    command = [sys.executable, "-m", "mtk_cli", "run", *TINY, "--epochs", "1000", "--out", str(out)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        for line in run.stdout:
            if line.startswith("epoch 1,"):
                run.send_signal(signal.SIGINT)
                break
        rest, errors = run.communicate(timeout=120)
    assert run.returncode == 130, errors
    assert f"{out} holds the best model so far" in rest
    assert "Traceback" not in errors
    assert (out / "model" / "model.json").is_file()


# As a program ----------------------------------------------------------------------------------------------------------

HEAVY = ("torch", "transformers", "nltk", "scipy", "sklearn")


@pytest.mark.parametrize(
    ("arguments", "absent"),
    [
        (["--help"], (*HEAVY, "rich")),
        (["--version"], (*HEAVY, "rich")),
        (["run", "--help"], (*HEAVY, "rich")),
        (["list"], HEAVY),
        (["run", "--epochs", "0"], (*HEAVY, "rich")),
    ],
)
def test_a_light_command_imports_nothing_heavy(arguments: list[str], absent: tuple[str, ...]) -> None:
    code = f"""
import atexit, sys
sys.argv = ["mtk", *{arguments!r}]
atexit.register(lambda: print(set({absent!r}) & set(sys.modules), file=sys.stderr))
from mtk_cli import main
main()
"""
    assert python(code).stderr.splitlines()[-1] == "set()"


def test_version_and_module() -> None:
    done = subprocess.run([sys.executable, "-m", "mtk_cli", "--version"], capture_output=True, text=True, check=True)
    assert re.fullmatch(r"mtk \d+\.\d+\.\d+\S*\n", done.stdout)


def test_an_unknown_command_exits_2() -> None:
    result = invoke("rum")
    assert result.exit_code == 2
    assert "rum" in result.stderr


@pytest.mark.parametrize("arguments", [["list"], ["list", "--json"], ["--help"]])
def test_a_closed_pipe_is_no_error(arguments: list[str]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run([sys.executable, "-m", "mtk_cli", *arguments], stdout=writer, stderr=subprocess.PIPE, check=False)
    os.close(writer)
    assert done.stderr == b""
