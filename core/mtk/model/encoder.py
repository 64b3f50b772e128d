"""The shared encoder: any encoder of `transformers`, with its tokenizer and a pooling."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
import transformers
from torch import Tensor, nn
from torch.func import functional_call

from mtk import hub
from mtk.calling.arguments import named, names
from mtk.calling.failures import calling, tensor
from mtk.errors import UsageError
from mtk.files import is_directory
from mtk.head import Encoding
from mtk.importing import import_transformers, unsearched
from mtk.model.adapting import base_of, merge_saved, merged
from mtk.pooling import Pooling

Layers = tuple[Tensor, ...]
"""The states of tokens [batch, length, width] that the layers give, in their order; or those of the last one alone."""


class Encoder(nn.Module):
    """Token ids to token states and an embedding.

    `backbone` is a `transformers` model whose output has `last_hidden_state`; `pooling` makes the embedding of it.
    """

    def __init__(self, backbone: nn.Module, tokenizer: Any, pooling: Pooling) -> None:
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

    @property
    def reads_layers(self) -> bool:
        """Whether the pooling wants the states of all layers."""
        return "layers" in names(type(self.pooling).forward, ("tokens", "mask", "layers")).values()

    def forward(self, inputs: dict[str, Tensor]) -> Encoding:
        """`input_ids` and `attention_mask` [batch, length], and what else the tokenizer gives -> Encoding."""
        return self.encoding(self.layers(inputs), inputs["attention_mask"])

    def layers(self, inputs: Mapping[str, Tensor]) -> Layers:
        """The states that the pooling reads."""
        return layer_states(self.backbone, inputs, all_layers=self.reads_layers)

    def encoding(self, layers: Layers, mask: Tensor, parameters: Mapping[str, Tensor] | None = None) -> Encoding:
        """The same, from what the backbone's layers give; `parameters` are used in place of the pooling's own. Raises
        UsageError, naming the pooling, if it fails or gives anything but embeddings [batch, width]."""
        return Encoding(layers[-1], mask, self._pooled(layers, mask, parameters or {}))

    def _pooled(self, layers: Layers, mask: Tensor, parameters: Mapping[str, Tensor]) -> Tensor:
        forward = type(self.pooling).forward
        given = named(forward, {"tokens": layers[-1], "mask": mask, "layers": layers})
        with calling(self.pooling, "forward"):
            embedding = functional_call(self.pooling, dict(parameters), (), given) if parameters else self.pooling(**given)
        shape = (len(layers[-1]), layers[-1].shape[-1])
        found: Tensor = tensor(self.pooling, "forward", embedding, shape, layers[-1].device)
        return found

    def save(self, directory: Path, weights: Mapping[str, Tensor] | None = None) -> None:
        """Write the backbone as `transformers` reads it: JSON, safetensors, the tokenizer's files. An adapter is merged into
        what is written. `weights` are the encoder's state, where it does not hold all of that itself."""
        prefix = "backbone."
        own = {k.removeprefix(prefix): v for k, v in (weights or {}).items() if k.startswith(prefix)}
        merged(self.backbone).save_pretrained(directory, state_dict=own or None)  # type: ignore[operator]
        self.tokenizer.save_pretrained(directory)


def layer_states(backbone: nn.Module, inputs: Mapping[str, Tensor], *, all_layers: bool) -> Layers:
    """What the backbone says of each token: in its last layer, or in all of them."""
    if not all_layers:
        return (backbone(**inputs).last_hidden_state,)
    output = backbone(**inputs, output_hidden_states=True)
    if output.hidden_states is None:
        raise UsageError(f"A {type(backbone).__name__} does not give the states of its layers, which the pooling reads.")
    return (*output.hidden_states[:-1], output.last_hidden_state)


def scaled_backwards(encoding: Encoding, scale: Tensor) -> Encoding:
    """The same. What flows from the heads into the encoder, when the backward pass comes, is multiplied by `scale` [], as
    it is then and not now; the heads' own gradients stay as they are."""
    return Encoding(_scaled_backwards(encoding.tokens, scale), encoding.mask, _scaled_backwards(encoding.embedding, scale))


def _scaled_backwards(states: Tensor, scale: Tensor) -> Tensor:
    if states.requires_grad:
        states = states.view_as(states)  # others read them too, and what comes back from there stays as it is
        states.register_hook(lambda gradient: gradient * scale.to(gradient.dtype))
    return states


class Loaded(NamedTuple):
    """An encoder as `transformers` loads it."""

    backbone: nn.Module
    tokenizer: Any

    def encoder(self, pooling: Callable[[int], Pooling]) -> Encoder:
        """With a pooling, which is made for its width."""
        return Encoder(self.backbone, self.tokenizer, pooling(int(self.backbone.config.hidden_size)))  # type: ignore[union-attr,arg-type]


def load_parts(
    name: str, *, source: str | None = None, revision: str | None = None, hint: str = "", allow_pickle: bool = False
) -> Loaded:
    """The encoder in a directory, or of the hub at a `revision`. `source` is that directory or id, where it is not the
    `name` itself that messages speak of; `hint` is a sentence for one who mistyped it. An adapter is merged into the
    encoder that it is for. Weights are read from safetensors, and from a pickle only where that is allowed. Raises
    UsageError if it cannot be had."""
    import_transformers()
    transformers.utils.logging.disable_progress_bar()
    transformers.utils.logging.set_verbosity_error()
    source = source or name
    directory = Path(source) if is_directory(source) else _from_hub(name, source, revision, hint, allow_pickle)
    if (base := base_of(directory)) is not None:
        loaded = load_parts(base[0], revision=base[1], allow_pickle=allow_pickle)
        tokenizer = _tokenizer(name, directory) if (directory / "tokenizer_config.json").is_file() else loaded.tokenizer
        return Loaded(merge_saved(loaded.backbone, directory), tokenizer)
    pickles = [p.name for p in directory.glob("pytorch_model*.bin")]
    if pickles and not allow_pickle and not any(directory.glob("*.safetensors")):
        raise UsageError(
            f"The encoder '{name}' holds its weights as a pickle, {pickles[0]}, which can run code of whoever made it. If "
            f"you trust it, --allow-pickle reads it, and AutoModel.from_pretrained(…).save_pretrained(…) converts it."
        )
    tokenizer = _tokenizer(name, directory)
    try:
        with unsearched():
            backbone, loading = transformers.AutoModel.from_pretrained(
                str(directory),
                trust_remote_code=False,
                dtype=torch.float32,
                output_loading_info=True,
                ignore_mismatched_sizes=True,  # so that they are named below
                use_safetensors=None if allow_pickle else True,
            )
    except Exception as error:  # transformers raises OSError, ValueError, KeyError and its own for what is one mistake
        raise UsageError(_why_not(directory, error)) from error
    if tokenizer.pad_token_id is None:
        raise UsageError(f"The tokenizer of encoder '{name}' has no padding token, so it cannot make batches.")
    if backbone.config.is_encoder_decoder or not hasattr(backbone.config, "hidden_size"):
        raise UsageError(f"'{name}' is a {type(backbone).__name__}, not a text encoder such as BERT.")
    _check_weights(name, backbone, loading)
    return Loaded(backbone, tokenizer)


def _from_hub(name: str, source: str, revision: str | None, hint: str, allow_pickle: bool) -> Path:
    """A directory with what the hub has. Raises UsageError."""
    try:
        commit = hub.commit_of("model", source, revision).commit
        found = hub.model_files(source, commit, pickles=allow_pickle)
    except UsageError as error:
        raise UsageError(hub.no_encoder(name, source, str(error), hint)) from error
    if not allow_pickle and not any(found.glob("*.safetensors")):
        raise UsageError(
            f"The encoder '{name}' has no weights as safetensors on the hub. If they are a pickle there, which can run code "
            f"of whoever made it, and you trust that, --allow-pickle reads it."
        )
    return found


def _tokenizer(name: str, directory: Path) -> Any:
    try:
        return transformers.AutoTokenizer.from_pretrained(str(directory), trust_remote_code=False)
    except Exception as error:
        raise UsageError(_why_not(directory, error)) from error


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
    unfit = [key for key, value in backbone.named_parameters() if not torch.stack(torch.aminmax(value)).isfinite().all()]
    if unfit:
        raise UsageError(f"The encoder '{name}' has weights that are no finite numbers: {', '.join(unfit[:3])}.")


def _why_not(directory: Path, error: Exception) -> str:
    return f"The directory '{directory}' holds no encoder that transformers {transformers.__version__} reads: {error}"
