from __future__ import annotations

from math import comb, sqrt
from typing import TYPE_CHECKING, Annotated

from msgspec import Meta

import mtk

if TYPE_CHECKING:
    from torch import Tensor


class Ranking(mtk.Kind):
    """A score for each of several candidates, the more relevant the higher: the cross-entropy between the softmax of the
    scores and the relevances made a distribution, as ListNet has it for the first place (Cao et al. 2007, section 4.3; for
    relevances of 0 and 1 the softmax loss); MRR, with nDCG beside it.

    A label is the relevance of each candidate, 0 or more, in their order: in a list or with white space between, or, where
    `group` names the column that says which rows belong together, one a row. Examples without a relevant candidate are not
    scored and teach nothing.

    Options: `cutoff`, the places that count in both metrics; all of them unless given.
    """

    candidates = True
    metric_names = ("mrr", "ndcg")

    def __init__(self, *, cutoff: Annotated[int, Meta(ge=1)] | None = None) -> None:
        super().__init__()
        self.cutoff = cutoff

    def loss(self, logits: Tensor, labels: Tensor, mask: Tensor) -> Tensor:
        scores = logits.squeeze(-1).float().masked_fill(~mask, float("-inf")).log_softmax(dim=1).masked_fill(~mask, 0)
        relevance = labels.masked_fill(~mask, 0)
        total = relevance.sum(dim=1, keepdim=True)
        each = -(relevance / total.clamp_min(1e-12) * scores).sum(dim=1)
        return each.sum() / (total > 0).sum().clamp_min(1)

    def predict(self, logits: Tensor) -> Tensor:
        return logits.squeeze(-1)

    def divergence(self, logits: Tensor, others: Tensor, mask: Tensor) -> Tensor:
        """Of the distributions that the loss compares with the relevances."""
        p, q = (given.squeeze(-1).float().masked_fill(~mask, float("-inf")).softmax(dim=1) for given in (logits, others))
        return ((p - q) * (logits - others).squeeze(-1)).sum(dim=1).mean() / 2

    def metrics(self, predictions: Tensor, labels: Tensor) -> dict[str, float]:
        reciprocal, gains = [], []
        for scores, relevance in zip(predictions.double().numpy(), labels.double().numpy(), strict=True):
            there = relevance == relevance
            if (relevance[there] > 0).any():
                reciprocal.append(self._reciprocal_rank(scores[there], relevance[there]))
                gains.append(self._ndcg(scores[there], relevance[there]))
        count = max(1, len(gains))
        return {"mrr": sum(reciprocal) / count, "ndcg": sum(gains) / count}

    def guess(self, labels: Tensor) -> tuple[float, float]:
        """The MRR of an order drawn at random: the first of r relevant ones among m candidates is at place k with
        probability C(m - k, r - 1) / C(m, r)."""
        means, squares = [], []
        for relevance in labels.tolist():
            there = [value for value in relevance if value == value]
            count, relevant = len(there), sum(value > 0 for value in there)
            if relevant:
                places = range(1, min(count - relevant + 1, self.cutoff or count) + 1)
                chances = [(k, comb(count - k, relevant - 1) / comb(count, relevant)) for k in places]
                means.append(sum(chance / k for k, chance in chances))
                squares.append(sum(chance / k**2 for k, chance in chances))
        variances = [square - mean**2 for square, mean in zip(squares, means, strict=True)]
        count = max(1, len(means))
        return sum(means) / count, sqrt(sum(variances)) / count

    def read_label(self, label: str | list[str]) -> list[float]:
        numbers = [self.finite(each) for each in (label.split() if isinstance(label, str) else label)]
        if any(number < 0 for number in numbers):
            raise ValueError(f"'{label}' holds a relevance below 0")
        return numbers

    def value(self, prediction: list[float]) -> list[float]:
        return prediction

    def _reciprocal_rank(self, scores: Tensor, relevance: Tensor) -> float:
        """1 over the place of the first relevant candidate; of those that score alike it is taken to be the last."""
        best = scores[relevance > 0].max()
        place = int((scores > best).sum() + ((scores == best) & (relevance <= 0)).sum() + 1)
        return 0.0 if self.cutoff and place > self.cutoff else 1 / place

    def _ndcg(self, scores: Tensor, relevance: Tensor) -> float:
        from sklearn.metrics import ndcg_score

        if len(scores) < 2:
            return 1.0  # which scikit-learn does not define
        return float(ndcg_score(relevance[None], scores[None], k=self.cutoff))
