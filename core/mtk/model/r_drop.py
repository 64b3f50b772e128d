"""R-Drop (Wu et al. 2021, "R-Drop: Regularized Dropout for Neural Networks"): each example passes the model twice in a step,
with other dropout, and the two answers are drawn together. Equation 4 is, for an example,

    −log p − log q + α · (KL(p‖q) + KL(q‖p)) / 2

and half of that is minimised here: the mean of both losses, and α/2 times the mean divergence.
"""

from __future__ import annotations

import torch
from torch import Tensor

from mtk.calling.failures import call, tensor
from mtk.kind import Kind


def may_diverge(kind: Kind) -> bool:
    """Whether its answers can be compared."""
    return any(getattr(type(kind), name) is not getattr(Kind, name) for name in ("divergence", "probabilities"))


def r_drop(kind: Kind, alpha: float, logits: Tensor, mask: Tensor | None) -> Tensor:
    """What is added [] to the mean loss of a batch that has its examples twice, one half of them after the other."""
    (one, other), (there, _) = logits.chunk(2), (None, None) if mask is None else mask.chunk(2)
    return alpha / 2 * _divergence(kind, one, other, there)


def _divergence(kind: Kind, one: Tensor, other: Tensor, mask: Tensor | None) -> Tensor:
    own = call(kind, "divergence", logits=one, others=other, mask=mask)
    if own is not None:
        found: Tensor = tensor(kind, "divergence", own, (), one.device)
        return found
    p, q = (call(kind, "probabilities", logits=logits, mask=mask).float() for logits in (one, other))
    smallest = torch.finfo(p.dtype).tiny
    each: Tensor = ((p - q) * (p.clamp_min(smallest).log() - q.clamp_min(smallest).log())).sum(dim=-1) / 2
    return each.mean() if mask is None or each.shape != mask.shape else (each * mask).sum() / mask.sum()
