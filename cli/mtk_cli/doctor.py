"""`mtk doctor`: what a bug report needs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click

from mtk_cli.json_output import json_option, print_json


@click.command("doctor")
@json_option("Print one JSON object.")
def command(as_json: bool) -> None:
    """Print what a bug report needs: releases, device, threads, extras, plugins, caches. No secrets."""
    from mtk.host.environment import environment
    from mtk_cli.output import stdout, table

    found = environment()
    if as_json:
        print_json(found)
        return
    listing = table()
    for topic, value in found.items():
        for name, text in lines(topic, value):
            listing.add_row(name, text)
    stdout().print(listing)


def lines(topic: str, value: Any) -> Iterator[tuple[str, str]]:
    """A topic as rows of a table: its name, and beside it what there is to say."""
    if topic == "extras":
        complete = [extra for extra, missing in value.items() if not missing]
        yield topic, ", ".join(complete) or "none"
        for extra, missing in value.items():
            if missing:
                yield "", f"not {extra}: {', '.join(missing)} missing"
        return
    if topic == "packages":
        yield topic, ", ".join(f"{name} {release or 'missing'}" for name, release in value.items())
        return
    rows = [_said(name, said) for name, said in value.items()] if isinstance(value, dict) else value
    rows = [rows] if isinstance(rows, str) else rows or ["none"]
    for number, row in enumerate(rows):
        yield "" if number else topic, row


def _said(name: str, value: Any) -> str:
    return f"{name}: {', '.join(value) if isinstance(value, list) else value or 'none'}"
