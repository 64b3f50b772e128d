"""Other ways to make the same optimizer step, for `step.py`: plain PyTorch, TorchJD, LibMTL and Pytorch-PCGrad.

Each takes mtk's model and batches, and its own way to the gradients; the optimizer is the same fused AdamW everywhere.
LibMTL and Pytorch-PCGrad are no packages to install: give a checkout of each.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from mtk.data.tokens import Batch
from mtk.model.multitask import Model

Parts = Mapping[str, Sequence[Batch]]


class Rival(ABC):
    """A model, an optimizer, and a way to fill in gradients."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.optimizer = torch.optim.AdamW(model.parameters(), lr=1e-5, fused=True)

    def optimize(self, batches: Parts) -> None:
        self.backward(batches)
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)  # as mtk does by default
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)

    def losses(self, batches: Parts) -> Iterator[Tensor]:
        return (self.model.loss(task, part).total for task, (part,) in batches.items())

    @abstractmethod
    def backward(self, batches: Parts) -> None: ...


class PlainSum(Rival):
    """A forward and a backward pass for one task after the other."""

    def backward(self, batches: Parts) -> None:
        for loss in self.losses(batches):
            loss.backward()


class TorchJD(Rival):
    """The Jacobian of the losses by the encoder, in `.jac`, and its aggregation into `.grad`."""

    def __init__(self, model: Model) -> None:
        from torchjd.aggregation import PCGrad

        super().__init__(model)
        self.shared = list(model.encoder.parameters())
        self.aggregator = PCGrad()

    def backward(self, batches: Parts) -> None:
        from torchjd.autojac import backward, jac_to_grad

        losses = list(self.losses(batches))
        torch.autograd.backward(losses, inputs=list(self.model.heads.parameters()), retain_graph=True)
        # Of its ways (all losses at once or one by one, `backward` or `mtl_backward`, the Gramian of one matrix or added up
        # from the parameters') this was the fastest here.
        backward(losses, inputs=self.shared, parallel_chunk_size=1)
        jac_to_grad(self.shared, self.aggregator, optimize_gramian_computation=True)


class LibMTL(Rival):
    """Its PCGrad as its Trainer calls it: the shared parameters' gradients, one backward pass for each loss."""

    checkout: Path

    def __init__(self, model: Model) -> None:
        super().__init__(model)
        # Its packages import everything they know of, torch_geometric included; PCGrad needs only itself.
        for name in ("LibMTL", "LibMTL.weighting"):
            package = ModuleType(name)
            package.__path__ = [str(self.checkout.joinpath(*name.split(".")))]
            sys.modules.setdefault(name, package)
        weighting = importlib.import_module("LibMTL.weighting.PCGrad").PCGrad()
        weighting.rep_grad, weighting.device = False, model.device
        # the architecture that LibMTL mixes into the same object; parameters() would make the encoder a part of it
        weighting.get_share_params = model.encoder.parameters
        weighting.zero_grad_share_params = lambda: model.encoder.zero_grad(set_to_none=False)
        self.weighting: Any = weighting

    def backward(self, batches: Parts) -> None:
        losses = torch.stack(list(self.losses(batches)))
        self.weighting.task_num = len(losses)
        self.weighting.backward(losses)


class PytorchPCGrad(Rival):
    """WeiChengTseng/Pytorch-PCGrad, a wrapper around the optimizer, which the CS224N study used."""

    checkout: Path

    def __init__(self, model: Model) -> None:
        super().__init__(model)
        spec = importlib.util.spec_from_file_location("pytorch_pcgrad", self.checkout / "pcgrad.py")
        assert spec and spec.loader
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        self.wrapped = module.PCGrad(self.optimizer, reduction="sum")

    def backward(self, batches: Parts) -> None:
        self.wrapped.pc_backward(list(self.losses(batches)))
