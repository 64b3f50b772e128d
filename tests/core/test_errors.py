"""What a message says: the nearest known names, an exception in one line, and which failure is the memory's."""

from __future__ import annotations

import pytest
import torch

from mtk.errors import (
    DataError,
    MtkError,
    UsageError,
    in_words,
    is_out_of_memory,
    nearest,
    out_of_memory_explained,
)


@pytest.mark.parametrize(
    ("name", "known", "answer"),
    [
        ("pcgrd", ["sum", "pcgrad"], "Did you mean pcgrad?"),
        ("cosin", ["cosine", "cosines"], "Did you mean cosine or cosines?"),
        ("x", ["b", "a"], "Known: a, b."),
        ("x", [], "There are none."),
    ],
)
def test_an_unknown_name_is_answered_with_the_nearest(name: str, known: list[str], answer: str) -> None:
    assert nearest(name, iter(known)) == answer


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ValueError("too\n  many\tlines"), "ValueError: too many lines"),
        (KeyError(), "KeyError"),
        (UsageError("There is no task 'x'."), "There is no task 'x'."),
    ],
)
def test_an_exception_is_one_line(error: BaseException, words: str) -> None:
    assert in_words(error) == words


def test_out_of_memory_is_told_from_other_failures() -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(1 << 60, dtype=torch.uint8)
    assert is_out_of_memory(caught.value)
    assert is_out_of_memory(MemoryError())
    assert is_out_of_memory(torch.OutOfMemoryError("CUDA out of memory"))
    assert not is_out_of_memory(RuntimeError("shapes differ"))


def test_exit_codes_tell_usage_from_data() -> None:
    assert (UsageError.exit_code, DataError.exit_code, MtkError.exit_code) == (2, 1, 1)


def test_running_out_of_memory_says_where_and_which_knob_to_turn() -> None:
    knobs = r"Out of memory in step 3, on a batch\. --recompute .* --accumulate 2 .* --batch-size or --max-length"
    with pytest.raises(MtkError, match=knobs), out_of_memory_explained(lambda: "step 3, on a batch"):
        torch.empty(1 << 60, dtype=torch.uint8)
    with pytest.raises(MtkError, match=r"Out of memory\. Use less\."), out_of_memory_explained(knob="Use less."):
        raise MemoryError


def test_any_other_failure_stays_what_it_is() -> None:
    with pytest.raises(RuntimeError, match="size of tensor"), out_of_memory_explained():
        torch.ones(2) + torch.ones(3)
