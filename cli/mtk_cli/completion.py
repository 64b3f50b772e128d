"""What a shell offers after a tab: parts, tasks and runs. Plugins register for it, and nothing else of them is imported."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeAlias

import click
import msgspec
from click.shell_completion import BashComplete, CompletionItem, add_completion_class, split_arg_string

from mtk.config import RunConfig
from mtk.errors import MtkError
from mtk.host.contracts import PartKind

Complete: TypeAlias = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]


def parts(kind: PartKind, *, by_task: bool = False, or_directory: bool = False) -> Complete:
    """The names of a kind; `by_task`, after TASK= too; `or_directory`, the shell's own directories where no name fits."""

    def complete(ctx: click.Context, param: click.Parameter, text: str) -> list[CompletionItem]:
        before, equals, name = text.rpartition("=") if by_task else ("", "", text)
        found = [CompletionItem(f"{before}{equals}{item.value}", help=item.help) for item in _named(name, [kind])]
        if by_task and not equals:
            found += [CompletionItem(f"{task}=") for task in _tasks(ctx) if task.startswith(text)]
        return found or ([CompletionItem(text, type="dir")] if or_directory else [])

    return complete


def any_part(ctx: click.Context, param: click.Parameter, text: str) -> list[CompletionItem]:
    """The name of whatever is installed."""
    return _named(text, None)


def runs(ctx: click.Context, param: click.Parameter, text: str) -> list[CompletionItem]:
    """The directories of runs: those in `runs/`, or where the text leads; else the shell's own directories."""
    begun = Path(text)
    places = {Path("runs"), begun if text.endswith("/") else begun.parent}
    found = []
    for place in places:
        with suppress(OSError):
            found += [str(path) for path in place.iterdir() if (path / "config.toml").is_file()]
    fitting = sorted(path for path in set(found) if path.startswith(text.removeprefix("./")))
    return [CompletionItem(path) for path in fitting] or [CompletionItem(text, type="dir")]


def tasks_of_run(ctx: click.Context, param: click.Parameter, text: str) -> list[CompletionItem]:
    """The tasks of the run that is named before; after a comma, another one."""
    names: Iterable[str] = ()
    with suppress(OSError, msgspec.DecodeError, AttributeError, TypeError):
        model = msgspec.json.decode((Path(ctx.params["run"]) / "model" / "model.json").read_bytes())
        names = [task["name"] for task in model["tasks"]]
    before, comma, begun = text.rpartition(",")
    others = [name for name in names if name not in before.split(",")]
    return [CompletionItem(f"{before}{comma}{name}") for name in others if name.startswith(begun)]


class Bash(BashComplete):
    """Bash takes TASK=NAME for three words, and replaces the last one alone."""

    def get_completion_args(self) -> tuple[list[str], str]:
        words, place = split_arg_string(os.environ["COMP_WORDS"]), int(os.environ["COMP_CWORD"])
        whole: list[str] = []
        for word in [*words[1:place], *(words[place : place + 1] or [""])]:
            if whole and word and (word == "=" or whole[-1].endswith("=")):
                whole[-1] += word
            else:
                whole.append(word)
        self._kept, equals, _ = whole[-1].rpartition("=")
        self._kept += equals
        return whole[:-1], whole[-1]

    def format_completion(self, item: CompletionItem) -> str:
        value = item.value.removeprefix(self._kept)
        if self._kept.startswith("--"):  # --head=sst=cnn, of which click completes what is after the first =
            value = value.removeprefix(self._kept.partition("=")[2])
        return f"{item.type},{value}"


add_completion_class(Bash)


def _named(text: str, kinds: list[PartKind] | None) -> list[CompletionItem]:
    from mtk.host.registry import Registry

    found: dict[str, str] = {}
    for component in Registry().components:
        if kinds is None or component.kind in kinds:
            name = component.qualified if "/" in text else component.name
            found.setdefault(name, component.summary)
    return [CompletionItem(name, help=summary) for name, summary in sorted(found.items()) if name.startswith(text)]


def _tasks(ctx: click.Context) -> list[str]:
    """Those of the data that the command line names so far."""
    from mtk.data.tasks_toml import read_layout
    from mtk.host.kinds import Kinds
    from mtk.host.registry import Registry
    from mtk.plan import find_data

    data: Any = ctx.params.get("data") or RunConfig().data
    with suppress(MtkError):
        registry = Registry()
        return list(read_layout(find_data(data, registry), Kinds(registry)))
    return []
