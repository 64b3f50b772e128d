"""The Gramian of a few long rows against the product in float64, by either way of computing it."""

from __future__ import annotations

import pytest
import torch

from mtk.engine.gramian import BLOCK, FEW_ROWS, STRETCH, cosines, gramian

COLUMNS = [0, 1, 7, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK + 5, STRETCH + 3]


@pytest.mark.parametrize("columns", COLUMNS)
@pytest.mark.parametrize("rows", [1, 2, 3, FEW_ROWS, FEW_ROWS + 1, 9])
def test_it_is_the_product_with_the_transpose(rows: int, columns: int) -> None:
    matrix = torch.randn(rows, columns, generator=torch.Generator().manual_seed(rows))
    found, exact = gramian(matrix), matrix.double() @ matrix.double().T
    torch.testing.assert_close(found.double(), exact, rtol=1e-5, atol=5e-5 * (1 + columns) ** 0.5)


@pytest.mark.parametrize("rows", [3, 6])
def test_part_of_a_wider_matrix_is_read_in_place(rows: int) -> None:
    """As a layer's columns are."""
    matrix = torch.randn(rows, 3 * BLOCK, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    part = matrix[:, 100 : 2 * BLOCK + 50]
    torch.testing.assert_close(gramian(part), part @ part.T)


def test_cosines_are_those_of_the_rows() -> None:
    matrix = torch.randn(2, 4, 30, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    found = cosines(matrix @ matrix.transpose(1, 2))
    wanted = torch.cosine_similarity(matrix.unsqueeze(1), matrix.unsqueeze(2), dim=-1)
    torch.testing.assert_close(found, wanted)


def test_the_cosine_with_a_row_of_zeros_is_0() -> None:
    matrix = torch.tensor([[1.0, 0], [0, 0], [-2, 0]])
    assert cosines(matrix @ matrix.T).tolist() == [[1, 0, -1], [0, 0, 0], [-1, 0, 1]]
