"""The eigenvalues and eigenvectors of a small symmetric matrix, without waiting for the device, as torch's own do to look
whether they were found. On a CPU there is nothing to wait for, and torch's are a hundred times as fast."""

from __future__ import annotations

import torch
from torch import Tensor

SWEEPS = 8  # of Jacobi's method. Its error is squared in each, once it is small: 6 are enough for 16 tasks


def decompose(matrix: Tensor) -> tuple[Tensor, Tensor]:
    """matrix [T, T], float64 -> its eigenvalues [T], from the least on, and its eigenvectors [T, T], in columns; NaN, where
    it is not finite."""
    if matrix.is_cpu and matrix.isfinite().all():
        return tuple(torch.linalg.eigh(matrix))
    return jacobi(matrix)


def jacobi(matrix: Tensor) -> tuple[Tensor, Tensor]:
    """The same by Jacobi's method, in which pairs that share no row are turned at once: Golub and Van Loan, "Matrix
    Computations", section 8.5."""
    count = len(matrix)
    vectors = torch.eye(count, dtype=matrix.dtype, device=matrix.device)
    rounds = count - 1 + count % 2
    for number in range(SWEEPS * rounds):
        rotation = _rotation(matrix, _partners(count, number % rounds, matrix.device))
        turned = rotation.T @ matrix @ rotation
        matrix = (turned + turned.T) / 2  # to the last bit, or the rotations of two partners would not be one
        vectors = vectors @ rotation
    values, order = matrix.diagonal().sort()
    return values, vectors.index_select(1, order)


def _partners(count: int, number: int, device: torch.device) -> Tensor:
    """Who meets whom in a round of a tournament [T]: i and j where i + j is its number, modulo the number of rounds, and who
    would meet themselves the last one; themselves, for an odd number of players."""
    players = torch.arange(count, device=device)
    rounds = count - 1 + count % 2
    partners = (number - players) % rounds
    if count % 2:
        return partners
    alone = number * count // 2 % rounds  # twice that is the round's number
    partners = torch.where(players == alone, count - 1, partners)
    return torch.where(players == count - 1, alone, partners)


def _rotation(matrix: Tensor, partners: Tensor) -> Tensor:
    """The rotation [T, T] after which there is a zero where two partners meet."""
    players = torch.arange(len(matrix), device=matrix.device)
    beside = torch.where(players == partners, 0, matrix.gather(1, partners.unsqueeze(1)).squeeze(1))
    apart = matrix.diagonal()[partners] - matrix.diagonal()
    sign = torch.where((apart > 0) | ((apart == 0) & (players < partners)), 1, -1)
    # the tangent of the angle is the smaller root of t² + t · apart / beside - 1; the partner's is the opposite of it
    steep = 2 * beside * sign / (apart.abs() + torch.hypot(apart, 2 * beside))
    tangent = torch.where(beside != 0, steep, 0)
    cosine = 1 / (tangent**2 + 1).sqrt()
    return torch.diag(cosine) + torch.zeros_like(matrix).scatter(1, partners.unsqueeze(1), (tangent * cosine).unsqueeze(1))
