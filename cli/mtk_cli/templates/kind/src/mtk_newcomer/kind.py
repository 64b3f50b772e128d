from typing import TYPE_CHECKING

import mtk

if TYPE_CHECKING:  # imported in the methods, since a kind is built before torch is needed
    from torch import Tensor


class NewcomerKind(mtk.Kind):
    """One of several labels. An example whose label has the probability p counts by
    (1 - p)^focus.

    Options: `focus`; with 0 it is cross-entropy.
    """

    metric_names = ("accuracy",)

    def __init__(self, labels: tuple[str, ...], *, focus: float = 2.0) -> None:
        super().__init__(labels)
        self.outputs = len(labels)
        self.focus = focus

    def loss(self, logits: "Tensor", labels: "Tensor") -> "Tensor":
        from torch.nn.functional import cross_entropy

        each = cross_entropy(logits, labels.long(), reduction="none")
        return ((1 - (-each).exp()) ** self.focus * each).mean()

    def predict(self, logits: "Tensor") -> "Tensor":
        return logits.argmax(dim=-1).float()

    def probabilities(self, logits: "Tensor") -> "Tensor":
        return logits.softmax(dim=-1)

    def metrics(self, predictions: "Tensor", labels: "Tensor") -> dict[str, float]:
        return {"accuracy": (predictions == labels).double().mean().item()}
