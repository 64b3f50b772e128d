"""`mtk sweep`: commas are values, the exit status says how it ended, and the same command goes on."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import invoke, python

from mtk.study.cells import read_plan
from mtk.study.entries import read_sweep
from mtk.study.grid import expand, read_rows
from mtk_cli.sweep import pieces


@pytest.fixture
def flags(tiny_corpus: Path, tiny_encoder: Path) -> list[str]:
    where = ["--data", str(tiny_corpus), "--encoder", str(tiny_encoder), "--device", "cpu", "--precision", "fp32"]
    return [*where, "--head", "linear", "--epochs", "1", "--limit", "8"]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("sum,pcgrad", ["sum", "pcgrad"]),
        ("eda:alpha=0.2,copies=9", ["eda:alpha=0.2,copies=9"]),
        ("cagrad:c=0.4,sum", ["cagrad:c=0.4", "sum"]),
        ("sum,eda:alpha=0.2,copies=9,eda:alpha=0.4,copies=9", ["sum", "eda:alpha=0.2,copies=9", "eda:alpha=0.4,copies=9"]),
        (",mlm:epochs=1", ["", "mlm:epochs=1"]),
    ],
)
def test_a_comma_within_a_spec_is_none_between_values(text: str, found: list[str]) -> None:
    assert pieces(text) == found


def test_what_is_done_is_shown_and_not_run_again(flags: list[str], tmp_path: Path) -> None:
    out = str(tmp_path / "s")
    command = ("sweep", "--combiner", "sum,pcgrad", "--seed", "0,1", *flags, "--out", out)
    first = invoke(*command)
    assert first.exit_code == 0, first.output
    assert first.stdout.count("  begins") == 4
    assert first.stdout.count("  done: average") == 4
    again = invoke(*command)
    assert again.stdout.count("was done before") == 4
    tables = [text.partition("\n\n")[2] for text in (first.stdout, again.stdout)]
    assert tables[0] == tables[1]
    assert "combiner=pcgrad" in tables[0]
    document = json.loads(invoke("sweep", out, "--json").stdout)
    assert document["complete"] is True
    assert [row["name"] for row in document["rows"]] == ["combiner=sum", "combiner=pcgrad"]


def test_a_file_has_rows_and_flags_win_over_it(flags: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.toml").write_text('epochs = 3\n[[row]]\nname = "a"\n[[row]]\nname = "b"\ncombiner = "pcgrad"\n')
    result = invoke("sweep", "mine.toml", *flags, "--cell", "2")
    assert result.exit_code == 0, result.output
    cells = read_plan(Path("runs/mine")).cells
    assert [(cell.row, cell.settings["epochs"]) for cell in cells] == [("a", 1), ("b", 1)]
    shown = invoke("sweep", "mine.toml", *flags, "--list").stdout.splitlines()
    assert [line.split() for line in shown[1:]] == [["1", "a", "0", "waiting"], ["2", "b", "0", "done"]]


def test_a_cell_that_fails_ends_it_with_1_and_the_others_are_in_the_table(flags: list[str], tmp_path: Path) -> None:
    result = invoke("sweep", *flags, "--max-length", "16,1000", "--out", str(tmp_path / "s"))
    assert result.exit_code == 1
    assert "failed: --max-length 1000" in result.stdout
    assert "max_length=16" in result.stdout
    assert "1 failed, no part of the table: max_length=1000, seed 0" in result.stdout


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ([], "There is nothing to run"),
        (["--combiner", "sum,pcgrad"], "--out DIR is missing"),
        (["--combiner", "sum,pcgard", "--out", "s"], "Row 'combiner=pcgard'"),
        (["--epochs", "1,x", "--out", "s"], "Invalid value for '--epochs': 'x' will not do"),
        (["--epochs", "1,1", "--out", "s"], "epochs has the value 1 twice"),
        (["--lr", "1e-5..1e-3", "--out", "s"], "learning_rate is a range: --search N draws from it"),
        (["nowhere.toml"], "nowhere.toml: a sweep cannot be read"),
        (["--combiner", "sum,pcgrad", "--out", "s", "--cell", "3"], "--cell 3: there are 2"),
        (["--combiner", "sum", "--out", "s", "--search", "3", "--jobs", "2"], "leave out --jobs and --cell"),
        (["--combiner", "sum", "--out", "s", "--on", "slurm"], "'slurm' is no cluster: ray, or ray://HOST:PORT"),
        (["--combiner", "sum", "--out", "s", "--on", "ray", "--jobs", "2"], "leave out --jobs and --search"),
        (["--combiner", "sum", "--out", "s", "--cpus", "2"], "give --on ray too"),
        (["--preset", "studdy", "--out", "s"], "there is no preset 'studdy'"),
    ],
)
def test_a_mistake_is_told_and_nothing_is_left(
    flags: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = invoke("sweep", *flags)
    assert result.exit_code in (1, 2)
    assert said in " ".join(result.stderr.split())
    assert list(tmp_path.iterdir()) == []


def test_help_and_mistakes_need_no_torch() -> None:
    code = "import sys; from click.testing import CliRunner; from mtk_cli import cli; CliRunner().invoke(cli, sys.argv[1:])"
    found = python(f"import sys; sys.argv[1:] = ['sweep', '--help']; {code}; print('torch' in sys.modules)")
    assert found.stdout.strip() == "False", found.stderr


def slurm() -> str:
    """The job script of docs/studies.md."""
    page = Path(__file__).parents[2] / "docs" / "studies.md"
    return (
        page.read_text(encoding="utf-8").partition("<!-- test: tests/cli/test_sweep.py -->\n```sh\n")[2].partition("```")[0]
    )


def test_the_job_array_has_the_cells_of_the_table() -> None:
    table = Path(__file__).parents[2] / "experiments" / "table1.toml"
    (last,) = re.findall(r"--array=1-(\d+)", slurm())
    assert int(last) == len(expand(read_rows(table)))


@pytest.mark.slow
def test_a_job_array_makes_the_table_of_one_process(flags: list[str], tmp_path: Path) -> None:
    script, here = tmp_path / "job.sh", tmp_path / "experiments"
    here.mkdir()
    (here / "table1.toml").write_text("combiner = ['sum', 'pcgrad']")
    script.write_text(slurm().replace("--data DIR", shlex.join(flags)))
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])  # as where the environment is activated
    told = {**os.environ, "SLURM_CPUS_PER_TASK": "1", "PATH": path}
    jobs = [
        subprocess.Popen(
            ["bash", script], cwd=tmp_path, env={**told, "SLURM_ARRAY_TASK_ID": cell}, stdout=subprocess.DEVNULL
        )
        for cell in ("1", "2")
    ]
    assert [job.wait() for job in jobs] == [0, 0]
    alone = invoke("sweep", "--combiner", "sum,pcgrad", *flags, "--out", str(tmp_path / "alone"))
    assert alone.exit_code == 0, alone.output
    made, expected = (read_sweep(out) for out in (tmp_path / "runs" / "table1", tmp_path / "alone"))
    assert [e.run and e.run.result and e.run.result.best for e in made] == [
        e.run and e.run.result and e.run.result.best for e in expected
    ]
