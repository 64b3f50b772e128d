"""The command line. A command imports what it needs when it runs, so that `mtk --help` and `mtk list` are quick."""

from __future__ import annotations

from typing import Any

import click

from mtk import MtkError
from mtk_cli import augment, evaluate, listing, predict, run, show


class Toolkit(click.Group):
    """The commands, and the one place where a mistake becomes a message."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except MtkError as error:
            click.echo(f"error: {error}", err=True)
            ctx.exit(error.exit_code)
        except KeyboardInterrupt:
            click.echo("interrupted", err=True)
            ctx.exit(run.INTERRUPTED)


@click.group(cls=Toolkit, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="multitask-toolkit", message="mtk %(version)s")
def cli() -> None:
    """Train one text encoder on several tasks; choose its heads, gradient combiner and augmentation by name."""


for module in (run, listing, show, evaluate, predict, augment):
    cli.add_command(module.command)


def main() -> None:
    cli(prog_name="mtk")
