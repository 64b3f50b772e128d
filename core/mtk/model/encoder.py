"""The shared encoder: any encoder of `transformers`, with its tokenizer and a pooling."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import torch
import transformers
from torch import Tensor, nn

from mtk.errors import UsageError
from mtk.files import is_directory
from mtk.head import Encoding


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

    @property
    def width(self) -> int:
        return int(self.backbone.config.hidden_size)  # type: ignore[union-attr,arg-type]

    @property
    def longest(self) -> int | None:
        """The tokens of the longest sequence that it can read; None where nothing limits it. RoBERTa's kind counts positions
        from after its padding's."""
        positions = getattr(getattr(self.backbone, "embeddings", None), "position_embeddings", None)
        if not isinstance(positions, nn.Embedding):
            return None
        return positions.num_embeddings - (0 if positions.padding_idx is None else positions.padding_idx + 1)

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

    def save(self, directory: Path) -> None:
        """Write the encoder as `transformers` reads it: JSON, safetensors, the tokenizer's files."""
        self.backbone.save_pretrained(directory)  # type: ignore[operator]
        self.tokenizer.save_pretrained(directory)


def load_encoder(
    name: str,
    pooling: Literal["mean", "cls"],
    *,
    source: str | None = None,
    hint: str = "",
    allow_pickle: bool = False,
) -> Encoder:
    """The encoder in a directory, or of the hub. `source` is that directory or id, where it is not the `name` itself that
    messages speak of; `hint` is a sentence for one who mistyped it. Weights are read from safetensors, and from a pickle
    only where that is allowed. Raises UsageError if it cannot be had."""
    transformers.utils.logging.disable_progress_bar()
    transformers.utils.logging.set_verbosity_error()
    source = source or name
    if is_directory(source) and (Path(source) / "adapter_config.json").is_file():
        raise UsageError(
            f"The directory '{source}' holds an adapter, such as LoRA's, and not an encoder. Merge it into its encoder with "
            f"peft's merge_and_unload and save_pretrained, and give that directory."
        )
    pickles = [p.name for p in Path(source).glob("pytorch_model*.bin")] if is_directory(source) else []
    if pickles and not allow_pickle and not any(Path(source).glob("*.safetensors")):
        raise UsageError(
            f"The encoder '{name}' holds its weights as a pickle, {pickles[0]}, which can run code of whoever made it. If "
            f"you trust it, --allow-pickle reads it, and AutoModel.from_pretrained(…).save_pretrained(…) converts it."
        )
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(source, trust_remote_code=False)
        backbone, loading = transformers.AutoModel.from_pretrained(
            source,
            trust_remote_code=False,
            dtype=torch.float32,
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # so that they are named below
            use_safetensors=None if allow_pickle else True,
        )
    except Exception as error:  # transformers raises OSError, ValueError, KeyError and its own for what is one mistake
        raise UsageError(_why_not(name, source, error, hint)) from error
    if tokenizer.pad_token_id is None:
        raise UsageError(f"The tokenizer of encoder '{name}' has no padding token, so it cannot make batches.")
    if backbone.config.is_encoder_decoder or not hasattr(backbone.config, "hidden_size"):
        raise UsageError(f"'{name}' is a {type(backbone).__name__}, not a text encoder such as BERT.")
    _check_weights(name, backbone, loading)
    return Encoder(backbone, tokenizer, pooling)


def _check_weights(name: str, backbone: nn.Module, loading: Mapping[str, Any]) -> None:
    """Raises UsageError for weights that were not there, which transformers fills with noise, and for such as are no
    numbers. A pooler's may be missing: its output is never read."""
    missing = sorted(key for key in loading["missing_keys"] if not key.startswith("pooler."))
    missing += sorted(str(key[0] if isinstance(key, tuple) else key) for key in loading["mismatched_keys"])
    if missing:
        shown = ", ".join(missing[:3]) + (f" and {len(missing) - 3} more" if len(missing) > 3 else "")
        unused = sorted(loading["unexpected_keys"])
        instead = f" It has {', '.join(unused[:3])} instead." if unused else ""
        raise UsageError(
            f"The encoder '{name}' lacks weights of a {type(backbone).__name__}, and would be trained from noise: {shown} "
            f"({len(missing)} of {len(backbone.state_dict())}).{instead} Save it anew with save_pretrained, or take another."
        )
    unfit = [key for key, value in backbone.named_parameters() if not value.isfinite().all()]
    if unfit:
        raise UsageError(f"The encoder '{name}' has weights that are no finite numbers: {', '.join(unfit[:3])}.")


def _why_not(name: str, source: str, error: Exception, hint: str) -> str:
    if is_directory(source):
        return f"The directory '{source}' holds no encoder that transformers {transformers.__version__} reads: {error}"
    return (
        f"The encoder '{name}' is no directory here, and it could not be taken from the hub as '{source}': "
        f"{str(error).splitlines()[0]} "
        f"{hint}Ways out: check the name; use --encoder minilm or --encoder DIR; or copy the model on a machine with a "
        f"network ('hf download {source} --local-dir DIR') and give that directory."
    )
