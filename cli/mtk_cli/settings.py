"""The flags that set a field of `RunConfig`: their types and defaults are the field's own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from types import NoneType
from typing import Any, Union, get_args, get_origin

import click
import msgspec

from mtk.config import RunConfig, check
from mtk.host.options import Option
from mtk_cli.completion import Complete

_TYPES = {field.name: field.type for field in msgspec.structs.fields(RunConfig)}
_DEFAULTS = RunConfig()


class Setting(click.Option):
    """One field as a flag. It is None or empty unless the user gives it, so that it replaces nothing unasked.

    A field by task can be given once for each task, as TASK=VALUE, and once for all of them, as VALUE. A field that is a
    list takes a value each time it is given.
    """

    def __init__(
        self, section: str, field: str, *flags: str, metavar: str = "", help: str, complete: Complete | None = None
    ) -> None:
        self.section = section
        default = getattr(_DEFAULTS, field)
        by_task = any(get_origin(member) is dict for member in get_args(_TYPES[field]))
        if _TYPES[field] is bool:
            super().__init__([field, *flags], is_flag=True, help=help)
            return
        super().__init__(
            [field, *flags],
            type=_pair(field) if by_task else value(field),
            multiple=by_task or get_origin(_TYPES[field]) is list,
            callback=_by_task if by_task else None,
            shell_complete=complete,
            metavar=f"[TASK=]{metavar}" if by_task else metavar,
            help=help if default in (None, {}, [], "") else f"{help}  [default: {_short(default)}]",
        )


def _short(default: Any) -> str:
    """Without the package's name, which only a configuration needs: a name of mtk's own means mtk's."""
    return str(default).rpartition("/")[2]


def value(field: str) -> Callable[[str], Any]:
    """How click reads a value of `field`: as RunConfig says; of a list, one of its items."""
    if get_origin(_TYPES[field]) is list:
        return str
    members = [m for m in get_args(_TYPES[field]) if m is not NoneType and get_origin(m) is not dict]
    is_union = get_origin(_TYPES[field]) is Union
    option = Option(field, Union[tuple(members)] if is_union else _TYPES[field], None)  # noqa: UP007

    def read(text: str) -> Any:
        try:
            setting = option.read(text)
        except ValueError:
            raise click.BadParameter(f"'{text}' will not do: it takes {option.type}.") from None
        check({field: setting})  # what no annotation can say, such as how a device is named
        return setting

    return read


def _pair(field: str) -> Callable[[str], tuple[str, Any]]:
    """How click reads TASK=VALUE, or VALUE for every task: `*`."""
    read_value = value(field)

    def read(text: str) -> tuple[str, Any]:
        before, equals, after = text.partition("=")
        if not equals or ":" in before:  # the '=' of concat-mlp:dropout=0.3 belongs to an option
            return "*", read_value(text)
        if not (before and after):
            raise click.BadParameter(f"'{text}' lacks a task or its value: write TASK=VALUE.")
        return before, read_value(after)

    return read


def _by_task(ctx: click.Context, param: click.Parameter, pairs: tuple[tuple[str, Any], ...]) -> dict[str, Any]:
    for task, times in Counter(task for task, _ in pairs).items():
        if times > 1:
            target = "every task" if task == "*" else f"task '{task}'"
            raise click.BadParameter(f"{target} is given {times} values.", ctx, param)
    return dict(pairs)
