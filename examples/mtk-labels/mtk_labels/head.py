from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

import mtk


class LabelEmbedding(mtk.Head):
    """s·cos(W·e, l_c), where each label has an embedding l_c beside that of the text. A task with one logit has two, for no
    and yes or for the lowest score and the highest, and the logit is what the second is ahead.

    Its own loss, `pull`, is the mean of 1 − cos(W·e, l_y), y the text's label: texts of one label gather around it.

    After Weston, Bengio and Usunier 2011, "WSABIE: Scaling Up To Large Vocabulary Image Annotation", section 2.

    Options: `size` of the embeddings; `pull`, the weight of the loss.
    """

    pair_encoding = "joint"

    def __init__(self, width: int, outputs: int, task: mtk.Task, *, size: int = 64, pull: float = 0.1) -> None:
        super().__init__()
        self.has_labels, self.is_single, self.pull = bool(task.labels), outputs == 1, pull
        self.text = nn.Linear(width, size)
        self.labels = nn.Parameter(torch.randn(len(task.labels) or 2, size))
        self.scale = nn.Parameter(torch.tensor(5.0))

    def forward(self, first: mtk.Encoding, labels: Tensor | None = None) -> Tensor | tuple[Tensor, dict[str, Tensor]]:
        cosine = normalize(self.text(first.embedding), dim=-1) @ normalize(self.labels, dim=-1).T
        scores = self.scale * cosine
        logits = scores[:, 1:] - scores[:, :1] if self.is_single else scores
        if labels is None or not self.has_labels:
            return logits
        own = cosine.gather(1, labels.long().unsqueeze(1))
        return logits, {"pull": self.pull * (1 - own).mean()}
