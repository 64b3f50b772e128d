"""The command line. A command imports what it needs when it runs, so that `mtk --help` and `mtk list` are quick."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from mtk import MtkError, launched
from mtk.errors import INTERRUPTED
from mtk_cli import (
    advise,
    augment,
    check,
    compare,
    doctor,
    evaluate,
    export,
    foreign,
    listing,
    new,
    predict,
    push,
    report,
    run,
    runs,
    serve,
    show,
    sweep,
    tasks,
)
from mtk_cli.escape import Warnings, say, shortened, visible

if TYPE_CHECKING:
    from mtk.host.component import Component


class Toolkit(click.Group):
    """The commands, mtk's own before those of plugins, and the one place where a mistake becomes a message."""

    _foreign: Component | None = None  # whose command runs, if it is not mtk's own

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        own = super().get_command(ctx, name)
        self._foreign = None if own else foreign.find(name)
        return foreign.load(self._foreign) if self._foreign else own

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        names = [c.name for c in foreign.offered(self.commands) if c.name.startswith(incomplete)]
        return super().shell_complete(ctx, incomplete) + [CompletionItem(name) for name in names]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        super().format_commands(ctx, formatter)
        if commands := foreign.offered(self.commands):
            with formatter.section("Commands of plugins"):
                formatter.write_dl([(c.name, f"{c.summary} ({c.package})") for c in commands])

    def invoke(self, ctx: click.Context) -> Any:
        logger = logging.getLogger("mtk")
        if not logger.handlers:
            logger.addHandler(Warnings() if launched.is_first() else logging.NullHandler())
        try:
            return super().invoke(ctx)
        except MtkError as error:
            if launched.is_first() if error.is_told_here is None else error.is_told_here:
                say(shortened(f"error: {error}"), err=True)
            ctx.exit(error.exit_code)
        except click.ClickException as error:  # which click answers itself
            vars(error)["message"] = shortened(visible(error.message))  # final, says click, and shows it
            raise
        except (click.Abort, click.exceptions.Exit, BrokenPipeError):
            raise
        except KeyboardInterrupt:
            if launched.is_first():
                click.echo("interrupted", err=True)
            ctx.exit(INTERRUPTED)
        except BaseException as error:
            if self._foreign is None or isinstance(error, SystemExit):
                raise
            say(f"error: {self._foreign.broken(self._foreign.describe(error))}", err=True)
            ctx.exit(MtkError.exit_code)


@click.group(cls=Toolkit, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="multitask-toolkit", message="mtk %(version)s")
def cli() -> None:
    """Train one text encoder on several tasks; choose its heads, gradient combiner and augmentation by name.

    The exit status is 0 for what went well, 1 for a mistake in data, a model or a file, or a number that is none, 2 for one
    in a command, a flag, a name or a value, and 130 after Ctrl-C.
    """


OWN = (
    *(run, sweep, runs, compare, report, advise, listing, show, tasks),
    *(evaluate, predict, serve, export, push, augment, new, check, doctor),
)

for module in OWN:
    cli.add_command(module.command)


def main() -> None:
    cli(prog_name="mtk")
