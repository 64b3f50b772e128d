"""What another process says of a component: its answer, what it raised with the line, or that the program ended."""

from __future__ import annotations

import os
import sys

from asked_elsewhere import Part, ends, fails, where

from mtk.testing.check import Subject
from mtk.testing.processes import elsewhere, reachable

HERE = os.getpid()


def test_strings_hash_otherwise_there() -> None:
    (process, name, hashed), why = elsewhere(where, Subject(Part, {}), "film")
    assert (why, name) == (None, "Part")
    assert process != HERE
    assert hashed != where(Subject(Part, {}), "film")[2]
    assert elsewhere(where, Subject(Part, {}), "film")[0] == (process, name, hashed)  # the same one serves all


def test_what_fails_there_is_told_and_what_ends_it_is_survived() -> None:
    subject = Subject(Part, {})
    answer, why = elsewhere(fails, subject, "no luck")
    assert answer is None
    assert why is not None
    assert why.startswith("ValueError: no luck (")
    assert elsewhere(ends, subject, "") == (None, "it ended the program")
    assert elsewhere(where, subject, "film")[1] is None


def test_a_class_of_a_function_is_out_of_reach() -> None:
    class Local: ...

    assert reachable(Subject(Part, {}))
    assert not reachable(Subject(Local, {}))
    assert __name__ in sys.modules
