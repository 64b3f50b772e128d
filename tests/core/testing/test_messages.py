"""What the kit says of a part that breaks a promise, and what it does not check."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

import pytest
from broken import caught
from broken.augmenters import AsksTheSystem, Shuffle
from broken.combiners import AsksForAValue, Sum
from broken.heads import AveragesOverPadding, ReadsPairsItsWay

import mtk
from mtk.testing import checks

# What is said ----------------------------------------------------------------------------------------------------------


def test_the_message_names_class_promise_and_the_smallest_example() -> None:
    said = caught(AveragesOverPadding)["padding"]
    promise, seen = said.splitlines()
    assert promise == (
        "broken.heads.AveragesOverPadding breaks the promise 'padding': "
        "Padding, and what an encoder leaves there, changes no logit, and in training no loss of the head's own either."
    )
    assert re.fullmatch(
        r"Seen: logits \[\[\S+\]\] became \[\[\S+\]\] with 3 more positions of padding, with one text of a binary task, "
        r"1 tokens long, seed 0\.",
        seen,
    )


def test_a_random_component_is_caught_though_it_does_not_do_it_again() -> None:
    assert "Seen: ['film', " in caught(AsksTheSystem)["same-seed"]


def test_what_a_component_raises_is_said_with_its_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = "import mtk\nclass Clumsy(mtk.GramianCombiner):\n  def weights(self, gramian):\n    return gramian.diagnoal()\n"
    (tmp_path / "clumsy.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    said = caught(import_module("clumsy").Clumsy)
    everywhere = {"shape", "long-run", "finite", "inputs-kept", "no-graph", "modes", "saving", "same-seed"}
    everywhere |= {"any-process", "two-processes"}
    assert said.keys() == everywhere
    for message in said.values():
        assert f"'diagnoal' ({tmp_path / 'clumsy.py'}:4)" in message
    assert "with losses [1.0] and gradients [[0.0, 0.0, 1.0]]" in said["shape"]


# What is not checked ---------------------------------------------------------------------------------------------------


class CallsASolver(AsksForAValue):
    uses_host = True


class Boasts(Sum):
    declares = frozenset({"non-conflictng"})


class NeedsThree(Sum):
    def __init__(self, tasks: Sequence[str]) -> None:
        super().__init__(tasks)
        if len(tasks) < 3:
            raise ValueError("it needs three tasks")


class NeedsNumber(Sum):
    def __init__(self, tasks: Sequence[str], *, number: int) -> None:
        super().__init__(tasks)
        if number < 0:
            raise ValueError("number is negative")


class NeedsACorpus(Shuffle):
    def __init__(self) -> None:
        raise mtk.UsageError("There is no corpus.")


def test_who_uses_the_host_is_not_asked_to_stay_away() -> None:
    assert caught(CallsASolver) == {}


def test_a_method_is_tried_with_as_many_tasks_as_it_takes() -> None:
    assert caught(NeedsThree) == {}


def test_an_unknown_property_is_answered_with_the_nearest() -> None:
    with pytest.raises(
        mtk.UsageError, match=r"declares 'non-conflictng', which no check knows. Did you mean non-conflicting"
    ):
        checks(Boasts)


def test_options_are_those_of_the_constructor() -> None:
    with pytest.raises(mtk.UsageError, match=r"NeedsNumber needs option 'number': write checks\(…, number=…\)"):
        checks(NeedsNumber)
    for check in checks(NeedsNumber, number=2):
        check()
    with pytest.raises(mtk.UsageError, match=r"NeedsNumber\(number=-1\) cannot be built: number is negative"):
        checks(NeedsNumber, number=-1)[0]()


def test_what_a_component_lacks_is_no_broken_promise() -> None:
    for check in checks(NeedsACorpus):
        with pytest.raises(mtk.UsageError, match="There is no corpus"):
            check()


def test_a_class_that_does_not_look_like_a_part_is_refused_before_any_check() -> None:
    with pytest.raises(mtk.UsageError, match=r"ReadsPairsItsWay sets `pair_encoding` to 'together'"):
        checks(ReadsPairsItsWay)


def test_a_class_that_another_process_cannot_import_is_not_checked_there_and_a_warning_says_so() -> None:
    class Local(Shuffle): ...

    with pytest.warns(UserWarning, match="Local is not checked in another process"):
        found = checks(Local)
    assert "any-process" not in {check.name for check in found}
    assert "any-process" in {check.name for check in checks(Shuffle)}


def test_only_components_are_checked() -> None:
    with pytest.raises(
        mtk.UsageError,
        match=r"builtins\.int is no mtk\.Augmenter, mtk\.Kind, .* or mtk\.Stage, nor an optimizer",
    ):
        checks(int)


def test_the_kit_needs_no_pytest_and_mtk_needs_no_kit() -> None:
    code = (
        "import sys, mtk; assert 'hypothesis' not in sys.modules;"
        "from mtk.testing import checks; from mtk_augment.random_swap import RandomSwap;"
        "[check() for check in checks(RandomSwap)];"
        "assert not {'pytest', 'torch'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_without_hypothesis_it_says_which_extra_brings_it() -> None:
    code = "import sys; sys.modules['hypothesis'] = None; import mtk.testing"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr.splitlines()[-1] == (
        "mtk.errors.UsageError: mtk.testing needs hypothesis, which an extra brings: pip install 'multitask-toolkit[test]'"
    )
