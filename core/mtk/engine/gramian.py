"""The inner products of a few very long rows."""

from __future__ import annotations

import torch
from torch import Tensor

# See `gramian`.
BLOCK, STRETCH, FEW_ROWS = 16_384, 524_288, 3


def gramian(matrix: Tensor) -> Tensor:
    """matrix @ matrix.T [T, T] for [T, P], at the speed of the memory: one product of all columns is far from it.

    On a CPU, 3 rows of 10.7 M take 18 ms in one product, 9 ms in a batch of blocks that fit the second cache, and 6.5 ms as
    inner products over stretches that fit the third, which is the better the fewer rows there are: 4 rows take 13 ms so, and
    10 ms in blocks.
    """
    count, columns = matrix.shape
    if not columns:
        return matrix.new_zeros(count, count)
    if matrix.device.type != "cpu" or count > FEW_ROWS:
        whole = columns // BLOCK * BLOCK
        blocks, rest = matrix[:, :whole].view(count, -1, BLOCK).transpose(0, 1), matrix[:, whole:]
        products: Tensor = torch.bmm(blocks, blocks.transpose(1, 2)).sum(dim=0) + rest @ rest.T
        return products
    inner = [
        torch.dot(stretch[i], stretch[j])
        for stretch in matrix.split(STRETCH, dim=1)
        for i in range(count)
        for j in range(i + 1)
    ]
    lower = torch.tril_indices(count, count)
    products = matrix.new_zeros(count, count)
    products[lower[0], lower[1]] = torch.stack(inner).view(-1, lower.shape[1]).sum(dim=0)
    return products + products.tril(-1).T


def combined(gramian: Tensor, weights: Tensor) -> Tensor:
    """The inner products [..., T + 1] of the rows' weighted sum with each of them, and last with itself, from their Gramian
    [..., T, T] and the weights [..., T]."""
    products = torch.einsum("...ij,...j->...i", gramian, weights)
    return torch.cat([products, (products * weights).sum(dim=-1, keepdim=True)], dim=-1)


def cosines(gramian: Tensor) -> Tensor:
    """The cosine of every pair of rows, [..., T, T], from their Gramian; 0 with a row of zeros."""
    lengths = gramian.diagonal(dim1=-2, dim2=-1).clamp_min(torch.finfo(gramian.dtype).tiny).sqrt()
    return gramian / (lengths.unsqueeze(-1) * lengths.unsqueeze(-2))
