"""Two halves of a task's batch: which row each part is in, and what becomes of the rows' Gramian."""

from __future__ import annotations

import torch

from mtk.engine.halves import Halves


def test_parts_are_split_in_the_middle_and_a_single_one_stands_for_both() -> None:
    halves = Halves([[4, 3], [5], [2, 2, 1]])
    assert halves.split(0, "ab") == {0: ["a"], 3: ["b"]}
    assert halves.split(1, "a") == {1: ["a"]}
    assert halves.split(2, "abc") == {2: ["a"], 5: ["b", "c"]}


def test_gramians_are_those_of_the_gradients() -> None:
    generator = torch.Generator().manual_seed(0)
    first, second = torch.randn(2, 3, 7, dtype=torch.float64, generator=generator)
    shares = torch.tensor([[4 / 7], [1], [2 / 5]], dtype=torch.float64)
    rows = torch.cat([first * shares, second * (1 - shares)])  # the second task has one part
    whole = rows[:3] + rows[3:]
    halves = Halves([[4, 3], [5], [2, 2, 1]])
    gramian = torch.stack([rows[:, :3] @ rows[:, :3].T, rows[:, 3:] @ rows[:, 3:].T])
    torch.testing.assert_close(halves.together(gramian).sum(dim=0), whole @ whole.T)
    second[1] = first[1]
    torch.testing.assert_close(halves.cross(gramian).sum(dim=0), first @ second.T)
    weights = torch.tensor([1.0, 2, 3], dtype=torch.float64)
    torch.testing.assert_close(halves.of_rows(weights) @ rows, weights @ whole)
