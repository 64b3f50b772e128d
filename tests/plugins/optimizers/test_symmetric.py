"""Eigenvalues and eigenvectors: torch's own, on the host."""

from __future__ import annotations

import pytest
import torch

from mtk_optimizers.symmetric import decompose, jacobi


@pytest.mark.parametrize("count", [1, 2, 3, 4, 7, 16])
@pytest.mark.parametrize("rank", [2, 40])
def test_it_is_what_torch_finds(count: int, rank: int) -> None:
    for seed in range(5):
        generator = torch.Generator().manual_seed(seed)
        rows = torch.randn(count, rank, dtype=torch.float64, generator=generator)
        matrix = rows @ rows.T
        values, vectors = jacobi(matrix)
        torch.testing.assert_close(values, torch.linalg.eigvalsh(matrix), rtol=1e-10, atol=1e-10)
        torch.testing.assert_close((vectors * values) @ vectors.T, matrix, rtol=1e-10, atol=1e-10)
        torch.testing.assert_close(vectors.T @ vectors, torch.eye(count, dtype=torch.float64), rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    "matrix", [torch.zeros(3, 3), torch.ones(4, 4), torch.eye(5), torch.diag(torch.tensor([3.0, 1, 2]))]
)
def test_equal_and_zero_eigenvalues(matrix: torch.Tensor) -> None:
    values, vectors = jacobi(matrix.double())
    torch.testing.assert_close(values, torch.linalg.eigvalsh(matrix.double()), rtol=0, atol=1e-12)
    torch.testing.assert_close((vectors * values) @ vectors.T, matrix.double(), rtol=0, atol=1e-12)


def test_what_is_no_number_stays_none() -> None:
    assert decompose(torch.full((3, 3), torch.nan, dtype=torch.float64))[0].isnan().all()
