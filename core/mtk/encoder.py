"""The shared encoder: any encoder of `transformers`, with its tokenizer and a pooling."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import torch
import transformers
from torch import Tensor, nn

from mtk.errors import UsageError
from mtk.head import Encoding
from mtk.packing import fits
from mtk.registry import Registry


class Encoder(nn.Module):
    """Token ids to token states and an embedding.

    `backbone` is a `transformers` model whose output has `last_hidden_state`; `pooling` makes the embedding of it: the
    mean over the tokens that are no padding, or the first token.
    """

    def __init__(self, backbone: nn.Module, tokenizer: Any, pooling: Literal["mean", "cls"]) -> None:
        super().__init__()
        if getattr(backbone, "pooler", None) is not None:
            backbone.pooler = None  # type: ignore[assignment] # its output is never read, and a parameter without a gradient must not decay
        self.backbone = backbone
        self.tokenizer = tokenizer
        self.pooling = pooling
        self._packs: bool | None = None

    @property
    def width(self) -> int:
        return int(self.backbone.config.hidden_size)  # type: ignore[union-attr,arg-type]

    def forward(self, inputs: dict[str, Tensor], gradient_scale: Tensor | None = None) -> Encoding:
        """`input_ids` and `attention_mask` [batch, length], and what else the tokenizer gives -> Encoding.

        `gradient_scale` [] multiplies, when the backward pass comes, what flows from the heads into the encoder; the
        heads' own gradients stay as they are. Its value is read then and not now.
        """
        return self.encoding(self.backbone(**inputs).last_hidden_state, inputs["attention_mask"], gradient_scale)

    def encoding(self, tokens: Tensor, mask: Tensor, gradient_scale: Tensor | None = None) -> Encoding:
        """The same, from the backbone's token states [batch, length, width]."""
        if gradient_scale is not None and tokens.requires_grad:
            tokens.register_hook(lambda gradient: gradient * gradient_scale.to(gradient.dtype))
        if self.pooling == "cls":
            return Encoding(tokens, mask, tokens[:, 0])
        weights = mask.unsqueeze(-1).to(tokens.dtype)
        return Encoding(tokens, mask, (tokens * weights).sum(dim=1) / weights.sum(dim=1))

    def packs(self, names: Sequence[str]) -> bool:
        """Whether the packed form (`mtk.packing`) is right for this encoder, given the names of its inputs. Tried once."""
        if self._packs is None:
            self._packs = fits(self.backbone, names)
        return self._packs

    def save(self, directory: Path) -> None:
        """Write the encoder as `transformers` reads it: JSON, safetensors, the tokenizer's files."""
        self.backbone.save_pretrained(directory)  # type: ignore[operator]
        self.tokenizer.save_pretrained(directory)


def load_encoder(name: str, pooling: Literal["mean", "cls"], registry: Registry | None = None) -> Encoder:
    """The encoder that `name` means: one that a plugin of `registry` offers, a directory, or a hub id. Raises UsageError if
    it cannot be had."""
    transformers.utils.logging.disable_progress_bar()
    transformers.utils.logging.set_verbosity_error()
    source = locate(name, registry) if registry else name
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(source, trust_remote_code=False)
        backbone = transformers.AutoModel.from_pretrained(source, trust_remote_code=False, dtype=torch.float32)
    except Exception as error:  # transformers raises OSError, ValueError, KeyError and its own for what is one mistake
        raise UsageError(_why_not(name, source, error, registry)) from error
    if tokenizer.pad_token_id is None:
        raise UsageError(f"The tokenizer of encoder '{name}' has no padding token, so it cannot make batches.")
    if backbone.config.is_encoder_decoder or not hasattr(backbone.config, "hidden_size"):
        raise UsageError(f"'{name}' is a {type(backbone).__name__}, not a text encoder such as BERT.")
    return Encoder(backbone, tokenizer, pooling)


def locate(name: str, registry: Registry) -> str:
    """The directory or hub id that `name` stands for. A package's folder is read as data, the package never imported."""
    if not registry.offers("encoder", name):
        return name
    component = registry.find("encoder", name)
    return str(component.place() or component.hub_id or component.folder())


def _why_not(name: str, source: str, error: Exception, registry: Registry | None) -> str:
    if Path(source).is_dir():
        return f"The directory '{source}' holds no encoder that transformers {transformers.__version__} reads: {error}"
    hint = ""
    if registry and registry.offers("encoder", name):
        hint = f"'{name}' is {registry.find('encoder', name).summary}. "
    elif registry:
        hint = f"{registry.nearest('encoder', name)} "
    return (
        f"The encoder '{name}' is no directory here, and it could not be taken from the hub as '{source}': "
        f"{str(error).splitlines()[0]} "
        f"{hint}Ways out: check the name; use --encoder minilm or --encoder DIR; or copy the model on a machine with a "
        f"network ('hf download {source} --local-dir DIR') and give that directory."
    )
