"""What torchrun's environment says of a process, and what an incomplete one does not."""

from __future__ import annotations

import pytest

from mtk import launched

WHOLE = {"RANK": "1", "WORLD_SIZE": "4", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29500", "LOCAL_RANK": "1"}


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in (*WHOLE, "TORCHELASTIC_RESTART_COUNT", "TORCHELASTIC_MAX_RESTARTS"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


def test_a_process_by_itself_is_the_first_and_only_one(environment: pytest.MonkeyPatch) -> None:
    assert (launched.processes(), launched.is_first(), launched.restarts(), launched.most_restarts()) == (1, True, 0, 0)


def test_one_of_several_knows_its_place(environment: pytest.MonkeyPatch) -> None:
    for name, value in WHOLE.items():
        environment.setenv(name, value)
    assert (launched.processes(), launched.is_first(), launched.place()) == (4, False, 1)


@pytest.mark.parametrize("missing", ["RANK", "MASTER_ADDR", "MASTER_PORT"])
def test_who_cannot_find_the_others_is_by_itself(environment: pytest.MonkeyPatch, missing: str) -> None:
    for name, value in WHOLE.items():
        if name != missing:
            environment.setenv(name, value)
    assert launched.processes() == 1
    assert launched.is_first()


def test_torchrun_says_how_often_it_started_them_again(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("TORCHELASTIC_RESTART_COUNT", "2")
    environment.setenv("TORCHELASTIC_MAX_RESTARTS", "3")
    assert (launched.restarts(), launched.most_restarts()) == (2, 3)
