"""The flags that say what a file is like."""

from __future__ import annotations

import click
import pytest
from click.testing import CliRunner

from mtk import UsageError
from mtk.file_form import FileForm
from mtk_cli.file_form import form_options, label_options


@click.command()
@form_options
def show(form: FileForm) -> None:
    click.echo(repr(form.form))


@click.command()
@label_options
@form_options
def show_labels(form: FileForm) -> None:
    click.echo(repr(form.form))


@pytest.mark.parametrize(
    ("flags", "form"),
    [
        ([], FileForm()),
        (["--separator", "\\t"], FileForm(separator="\t")),
        (["--separator", "space"], FileForm(separator=" ")),
        (["--quote", "none", "--encoding", "latin-1"], FileForm(quote="none", encoding="latin-1")),
        (["--columns", "a,b"], FileForm(columns=("a", "b"))),
        (["--unlabelled", "-1", "--unlabelled", "-"], FileForm(unlabelled=("-1", "-"))),
        (["--map", "pos=1", "--map", "a=b=0"], FileForm(map={"pos": "1", "a=b": "0"})),
    ],
)
def test_they_are_the_keys_of_a_form(flags: list[str], form: FileForm) -> None:
    assert CliRunner().invoke(show_labels, flags).stdout == f"{form!r}\n"
    assert (CliRunner().invoke(show, flags).exit_code == 0) == (not form.unlabelled and not form.map)


@pytest.mark.parametrize("flags", [["--separator", "ab"], ["--encoding", "nonsense"], ["--map", "pos"]])
def test_a_value_that_will_not_do_is_named_with_its_flag(flags: list[str]) -> None:
    error = CliRunner().invoke(show_labels, flags).exception
    assert isinstance(error, UsageError)
    assert flags[1] in str(error) or flags[0].strip("-") in str(error)
