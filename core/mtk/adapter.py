"""The adapters that `--adapter` names: small matrices beside an encoder's own, which alone are trained.

Their options have the names and meanings that `peft` gives them, which makes them; it is the extra `peft`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, TypeAlias

import msgspec

Rank = Annotated[int, msgspec.Meta(ge=1)]
Share = Annotated[float, msgspec.Meta(ge=0, lt=1)]


@dataclass(frozen=True, kw_only=True)
class Lora:
    """W + lora_alpha / r · B·A, with A [r, inputs] and B [outputs, r] (Hu et al., "LoRA", 2021). `use_rslora` divides by √r
    (Kalajdzievski, 2023); `use_dora` has the length of each row of W apart (Liu et al., "DoRA", 2024)."""

    config: ClassVar = "LoraConfig"
    r: Rank = 8
    lora_alpha: Rank = 8
    lora_dropout: Share = 0.0
    target_modules: list[str] | None = None
    use_rslora: bool = False
    use_dora: bool = False


@dataclass(frozen=True, kw_only=True)
class _Product:
    r: Rank = 8
    alpha: Rank = 8
    rank_dropout: Share = 0.0
    module_dropout: Share = 0.0
    target_modules: list[str] | None = None


@dataclass(frozen=True, kw_only=True)
class Loha(_Product):
    """A Hadamard product of two products of rank r (Hyeon-Woo et al., "FedPara", 2021)."""

    config: ClassVar = "LoHaConfig"


@dataclass(frozen=True, kw_only=True)
class Lokr(_Product):
    """A Kronecker product, one factor of which is of rank r (Yeh et al., "Navigating Text-To-Image Customization", 2023)."""

    config: ClassVar = "LoKrConfig"


@dataclass(frozen=True, kw_only=True)
class Ia3:
    """A factor for each output of keys and values, and for each input of the feed-forward layers (Liu et al., "Few-Shot
    Parameter-Efficient Fine-Tuning", 2022)."""

    config: ClassVar = "IA3Config"
    target_modules: list[str] | None = None
    feedforward_modules: list[str] | None = None


Adapter: TypeAlias = Lora | Loha | Lokr | Ia3

ADAPTERS: dict[str, type[Adapter]] = {"lora": Lora, "loha": Loha, "lokr": Lokr, "ia3": Ia3}
EXTRA = "pip install 'multitask-toolkit[peft]'"
