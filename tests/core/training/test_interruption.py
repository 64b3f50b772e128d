"""A signal ends a run, and not in the middle of a file."""

from __future__ import annotations

import contextlib
import os
import signal
import threading

import pytest

from mtk.errors import SIGNALS
from mtk.training.interruption import AtOnce, Interruption


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_is_heard_at_once(number: int) -> None:
    with pytest.raises(KeyboardInterrupt), Interruption():
        os.kill(os.getpid(), number)


@pytest.mark.parametrize("number", SIGNALS)
def test_what_waits_is_done_to_its_end(number: int) -> None:
    done = []
    with pytest.raises(KeyboardInterrupt), Interruption() as interruption:
        with interruption.waits():
            os.kill(os.getpid(), number)
            done.append("the model is written")
        done.append("not heard")
    assert done == ["the model is written"]


def test_a_second_one_does_not_wait() -> None:
    done = []
    with pytest.raises(AtOnce), Interruption() as interruption, interruption.waits():
        os.kill(os.getpid(), signal.SIGTERM)
        done.append("first")
        os.kill(os.getpid(), signal.SIGTERM)
        done.append("second")
    assert done == ["first"]


def test_what_is_saved_after_one_does_not_keep_the_second_waiting() -> None:
    done = []
    with pytest.raises(AtOnce), Interruption() as interruption:
        os.kill(os.getpid(), signal.SIGTERM)
        with contextlib.suppress(KeyboardInterrupt):
            interruption.check()
        interruption.is_ending = True
        done.append("saving")
        os.kill(os.getpid(), signal.SIGINT)
        done.append("saved")
    assert done == ["saving"]


def test_what_another_process_heard_first_is_heard_once() -> None:
    """The run is left for what the other heard; this one's own comes while it saves, and asks for what is done already."""
    done = []
    with Interruption() as interruption:
        interruption.is_ending = True
        done.append("saving")
        os.kill(os.getpid(), signal.SIGTERM)
        done.append("saved")
    assert done == ["saving", "saved"]


def test_handlers_are_as_they_were() -> None:
    before = [signal.getsignal(number) for number in SIGNALS]
    with Interruption():
        pass
    assert [signal.getsignal(number) for number in SIGNALS] == before


def test_another_thread_hears_nothing_and_runs() -> None:
    entered = []

    def work() -> None:
        with Interruption() as interruption, interruption.waits():
            entered.append(True)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert entered == [True]


def test_it_is_raised_only_where_the_run_can_be_left() -> None:
    """And not inside of what may swallow it."""
    done = []
    with pytest.raises(KeyboardInterrupt), Interruption() as interruption:
        with contextlib.suppress(BaseException):
            os.kill(os.getpid(), signal.SIGTERM)
            done.append("a library that was being imported")
        interruption.check()
        done.append("not heard")
    assert done == ["a library that was being imported"]
