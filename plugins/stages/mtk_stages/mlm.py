from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import msgspec
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import mtk


class MaskedLanguageModelling(mtk.Stage):
    """Of the tokens of a text a share is chosen; of these 80 % become the mask, 10 % any token, and 10 % stay, and all are
    to be guessed: Devlin et al., "BERT", NAACL 2019, section 3.1; on the task's own texts, Gururangan et al., "Don't Stop
    Pretraining", ACL 2020, section 4. The output layer is the table of the input's embeddings.

    Options: `share`, of the tokens that are chosen.
    """

    special: Tensor

    def __init__(
        self,
        width: int,
        tokenizer: Any,
        embeddings: Tensor,
        *,
        share: Annotated[float, msgspec.Meta(gt=0, lt=1)] = 0.15,
    ) -> None:
        super().__init__()
        if tokenizer.mask_token_id is None:
            raise mtk.UsageError("mlm: the encoder's tokenizer has no token for what is hidden. Leave out the stage.")
        self.share, self.mask = share, tokenizer.mask_token_id
        vocabulary, entry = embeddings.shape
        self.transform = nn.Sequential(nn.Linear(width, entry), nn.GELU(), nn.LayerNorm(entry))
        self.bias = nn.Parameter(torch.zeros(vocabulary))
        special = torch.zeros(vocabulary, dtype=torch.bool)
        special[tokenizer.all_special_ids] = True
        self.register_buffer("special", special)

    def forward(self, inputs: dict[str, Tensor], encode: Callable[..., mtk.Encoding], embeddings: Tensor) -> Tensor:
        ids = inputs["input_ids"]
        chosen, hidden = self.hide(ids, inputs["attention_mask"])
        tokens = encode({**inputs, "input_ids": hidden}).tokens
        logits = F.linear(self.transform(tokens[chosen]), embeddings, self.bias)
        return F.cross_entropy(logits.float(), ids[chosen], reduction="sum") / chosen.sum().clamp_min(1)

    def hide(self, ids: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Which tokens [batch, length] are to be guessed, and what stands there instead."""
        chosen = (torch.rand(ids.shape, device=ids.device) < self.share) & mask.bool() & ~self.special[ids]
        what = torch.rand(ids.shape, device=ids.device)
        hidden = torch.where(chosen & (what < 0.8), self.mask, ids)
        other = torch.randint(len(self.special), ids.shape, device=ids.device)
        return chosen, torch.where(chosen & (what >= 0.9), other, hidden)
