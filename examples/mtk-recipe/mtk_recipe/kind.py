from __future__ import annotations

from typing import TYPE_CHECKING

import mtk

if TYPE_CHECKING:
    from torch import Tensor


class Focal(mtk.Kind):
    """One of several labels: cross-entropy in which an example whose label has the probability p counts by (1 - p)^focus.
    Lin et al. 2017, "Focal Loss for Dense Object Detection", equation 4."""

    metric_names = ("accuracy",)

    def __init__(self, labels: tuple[str, ...], *, focus: float = 2.0) -> None:
        super().__init__(labels)
        self.outputs, self.focus = len(labels), focus

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        from torch.nn.functional import cross_entropy

        each = cross_entropy(logits, labels.long(), reduction="none")
        return ((1 - (-each).exp()) ** self.focus * each).mean()

    def predict(self, logits: Tensor) -> Tensor:
        return logits.argmax(dim=-1).float()

    def metrics(self, predictions: Tensor, labels: Tensor) -> dict[str, float]:
        return {"accuracy": (predictions == labels).double().mean().item()}
