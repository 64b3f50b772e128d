"""`mtk push` says in a line what the hub refuses, before anything is exported or made."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from command_line import invoke
from hub_standin import Hub
from huggingface_hub import constants

pytest.importorskip("datasets", reason="the extra hub is not installed")

RUN = Path(__file__).parents[1] / "runs" / "format-3"


@pytest.mark.parametrize(
    ("token", "name", "message"),
    [
        ("", "somebody/x", "needs a token of yours: set HF_TOKEN, or log in"),
        ("hf_wrong", "somebody/x", "refuses the token: it is no valid one"),
        (None, "a b/x", "'a b/x' is no id of the hub"),
    ],
)
def test_what_the_hub_refuses_is_said(
    standin: Hub, monkeypatch: pytest.MonkeyPatch, token: str | None, name: str, message: str
) -> None:
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", "/nowhere")
    if token is not None:
        monkeypatch.setenv("HF_TOKEN", token)
    result = invoke("push", str(RUN), name, "--task", "sst")
    assert (result.exit_code, result.stdout) == (2, "")
    assert re.search(message, result.stderr)
    assert len(result.stderr.splitlines()) == 1
    assert not standin.repositories


def test_a_run_without_a_plan_has_no_card(standin: Hub) -> None:
    result = invoke("push", str(RUN), "somebody/x", "--task", "sst")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "has no card: it was made by a release before 0.2" in result.stderr
    assert not standin.repositories
