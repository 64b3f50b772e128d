"""An encoder with an adapter of `peft`: put in, saved beside the encoder, and merged into it.

The adapter's layers stand inside of the backbone, in place of those that they adapt, and the backbone stays the class
that it was. So everything that looks at an encoder's parameters, its layers or its config does what it does without one.
In the packed form LoRA's two matrices are linear layers as others are; what other adapters compute with their parameters
has no packed form, which the trial finds out, and tasks then pass such an encoder one after the other.
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Mapping
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import safetensors.torch
import torch
from torch import Tensor, nn

from mtk.adapter import EXTRA, Adapter
from mtk.errors import UsageError, in_words

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"  # peft's names
_PREFIX = "base_model.model."  # of a parameter's name in such a file
_NAME = "default"


def adapt(backbone: nn.Module, adapter: Adapter, base: str, revision: str | None = None, seed: int = 0) -> None:
    """Put a fresh adapter into a backbone, of which it alone is trained from now on. `base` and `revision` are where the
    backbone is from, as the adapter shall say when it is saved. Raises UsageError where it does not fit."""
    peft = _peft("--adapter")
    given = {key: value for key, value in dataclasses.asdict(adapter).items() if value is not None}
    names = given.get("target_modules")
    if names == ["all-linear"]:
        given["target_modules"] = "all-linear"
    config = getattr(peft, adapter.config)(**given, base_model_name_or_path=base, revision=revision)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(Random(f"{seed} adapter").getrandbits(63))
        try:
            peft.inject_adapter_in_model(config, backbone, _NAME)
        except Exception as error:  # peft's ValueErrors, and a KeyError for what it does not know
            linear = {name.rpartition(".")[2] for name, module in backbone.named_modules() if isinstance(module, nn.Linear)}
            raise UsageError(
                f"--adapter: peft cannot adapt a {type(backbone).__name__} so: {in_words(error)} `target_modules` names the "
                f"layers, such as target_modules=query/value; the linear ones here are {', '.join(sorted(linear))}."
            ) from error


def is_adapted(backbone: nn.Module) -> bool:
    """Whether there is an adapter in it."""
    return hasattr(backbone, "peft_config")


def merged(backbone: nn.Module) -> nn.Module:
    """A copy without an adapter whose weights do what backbone and adapter do together; the backbone itself if it has
    none."""
    return _merge(copy.deepcopy(backbone)) if is_adapted(backbone) else backbone


def save_adapter(backbone: nn.Module, directory: Path) -> None:
    """Write the adapter by itself, as peft reads it: PeftModel.from_pretrained(encoder, directory)."""
    peft = _peft("--adapter")
    directory.mkdir()
    config: Any = backbone.peft_config[_NAME]  # type: ignore[index]
    config.save_pretrained(str(directory))
    weights: Mapping[str, Tensor] = peft.get_peft_model_state_dict(
        backbone,
        adapter_name=_NAME,
        save_embedding_layers=False,  # with "auto" the hub is asked what the vocabulary was
    )
    named = {f"{_PREFIX}{name}": value.detach().cpu().clone().contiguous() for name, value in weights.items()}
    safetensors.torch.save_file(named, directory / WEIGHTS, metadata={"format": "pt"})


def base_of(directory: Path) -> tuple[str, str | None] | None:
    """Of the adapter in a directory, the encoder that it is for and its revision; None where there is no adapter. Raises
    UsageError where that is not said."""
    if not (directory / CONFIG).is_file():
        return None
    try:
        told = msgspec.json.decode((directory / CONFIG).read_bytes(), type=dict[str, Any])
    except (OSError, msgspec.MsgspecError) as error:
        raise UsageError(f"{directory / CONFIG} is no description of an adapter: {in_words(error)}.") from None
    base, revision = told.get("base_model_name_or_path"), told.get("revision")
    if not isinstance(base, str) or not base or Path(base) == directory:
        raise UsageError(
            f"The directory '{directory}' holds an adapter that does not say which encoder it is for: name that as "
            f"`base_model_name_or_path` in its {CONFIG}."
        )
    return base, revision if isinstance(revision, str) else None


def merge_saved(backbone: nn.Module, directory: Path) -> nn.Module:
    """The backbone with the adapter in a directory merged into it; heads that were saved with that are left out. Raises
    UsageError where it does not fit."""
    peft = _peft(f"the adapter in '{directory}'")
    try:
        config = peft.PeftConfig.from_pretrained(str(directory))
        config.modules_to_save = None
        peft.inject_adapter_in_model(config, backbone, _NAME)
        if not (directory / WEIGHTS).is_file():
            raise FileNotFoundError(f"there is no {WEIGHTS}, and a pickle is not read")
        saved = _renamed(safetensors.torch.load_file(directory / WEIGHTS), getattr(backbone, "base_model_prefix", ""))
        found = peft.set_peft_model_state_dict(backbone, saved, adapter_name=_NAME)
        trained = {name for name, parameter in backbone.named_parameters() if parameter.requires_grad}
        if missing := sorted(trained & {*found.missing_keys}):
            raise KeyError(f"it has no weights for {missing[0]}")
    except Exception as error:
        raise UsageError(
            f"The adapter in '{directory}' does not fit a {type(backbone).__name__}: {in_words(error)}"
        ) from error
    return _merge(backbone).requires_grad_(True)


def _renamed(saved: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Weights by their names in an encoder, of those in a model around it, whose part `prefix` is the encoder."""
    names = {name: name.removeprefix(_PREFIX).removeprefix(f"{prefix}.") for name in saved}
    return {names[name]: value for name, value in saved.items()}


def _merge(backbone: nn.Module) -> nn.Module:
    """In place of each layer with an adapter the layer alone, with both their weights."""
    from peft.tuners.tuners_utils import BaseTunerLayer

    for name, module in list(backbone.named_modules()):
        if isinstance(module, BaseTunerLayer):
            module.merge()
            backbone.set_submodule(name, module.get_base_layer())
    del backbone.peft_config
    return backbone


def _peft(what: str) -> Any:
    try:
        import peft
    except ImportError as error:
        raise UsageError(f"{what} needs an extra: {EXTRA} ({error})") from None
    return peft
