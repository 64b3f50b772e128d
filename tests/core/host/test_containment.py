"""A plugin that is imported or tried cannot speak for the program, nor end it."""

from __future__ import annotations

import os
import sys

import pytest

from mtk.host.containment import contained


def test_what_is_printed_goes_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    with contained():
        sys.stdout.write("a plugin speaks\n")
    sys.stdout.write("the program speaks\n")
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("the program speaks\n", "a plugin speaks\n")


def test_os_exit_becomes_an_exception_for_as_long_as_it_takes() -> None:
    before = os._exit
    with pytest.raises(SystemExit, match=r"it called os\._exit\(3\)"), contained():
        os._exit(3)
    assert os._exit is before


def test_a_process_that_is_forked_in_there_ends_as_it_likes() -> None:
    with contained():
        child = os.fork()
        if child == 0:
            os._exit(7)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
