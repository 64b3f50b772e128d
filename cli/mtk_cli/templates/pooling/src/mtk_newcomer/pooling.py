import mtk
import torch
from torch import Tensor


class NewcomerPooling(mtk.Pooling):
    """A mean of the tokens, each dimension by itself, in which large values count more:
    e_d = Σ_i a_i h_id with a = softmax(sharpness · h_d).

    Options: `sharpness`; with 0 it is the mean.
    """

    def __init__(self, *, sharpness: float = 1.0) -> None:
        super().__init__()
        self.sharpness = sharpness

    def forward(self, tokens: Tensor, mask: Tensor) -> Tensor:
        padding = mask.unsqueeze(-1) == 0
        scores = (self.sharpness * tokens.float()).masked_fill(padding, float("-inf"))
        shares = torch.softmax(scores, dim=1).to(tokens.dtype)
        return (tokens * shares).sum(dim=1)
