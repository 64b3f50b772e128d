"""An encoder of which each process holds a part: FSDP2, torch's `fully_shard`.

A layer is gathered where it computes, forwards and again backwards, and let go after it; its gradient is summed over the
processes, of which each keeps what is of its own part. So a task's gradient after its backward pass is in parts already: a
process has its columns of all rows, multiplies and adds them up, and steps with them. Of the encoder nothing else is kept.

Every pass of the encoder is one of all processes: they are to make as many, in one order.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.tensor import DTensor, Shard

from mtk.engine.layers import by_layer
from mtk.engine.processes import Processes
from mtk.errors import UsageError, in_words
from mtk.head import Encoding
from mtk.model.encoder import Encoder

WHY_PLAIN = "each process holds a part of the encoder"


class Sharded(Processes):
    """Processes that hold an encoder in parts: to each, the rows of gradients are its own columns, and summed."""

    sharded = True

    def own(self, length: int) -> slice:
        return slice(0, length)

    def scatter(self, row: Tensor) -> None:
        pass

    def gather(self, row: Tensor) -> None:
        pass


def shard(encoder: Encoder, device: torch.device, cast: torch.dtype | None) -> None:
    """Let each process hold its part of each parameter, which is then a DTensor, on its `device`: a layer after the other,
    so that no more than one is there whole. Where forward passes are `cast`, layers are gathered in that type, and summed
    in the parameters' own. Raises UsageError for an encoder that torch cannot shard."""
    from torch.distributed.fsdp import FSDPModule, MixedPrecisionPolicy, fully_shard

    mesh = _mesh(device)
    dtype = next(encoder.parameters()).dtype
    policy = MixedPrecisionPolicy(cast, dtype, cast_forward_inputs=False) if cast else MixedPrecisionPolicy()
    encoder.register_forward_hook(_without_views)
    try:
        for module in [*_layers(encoder.backbone), encoder]:
            # the encoder as a whole has what is in no layer; that is let go too, or it would be left whole by an evaluation
            made: FSDPModule = fully_shard(module, mesh=mesh, reshard_after_forward=True, mp_policy=policy)
            made.set_gradient_divide_factor(1.0)  # a sum: what a process's examples count for is in their loss
            made.set_force_sum_reduction_for_comms(True)  # gloo knows no other
    except (ValueError, NotImplementedError) as error:
        raise UsageError(f"--shard: a {type(encoder.backbone).__name__} cannot be sharded: {in_words(error)}.") from error


def _mesh(device: torch.device) -> DeviceMesh:
    """All processes."""
    return DeviceMesh.from_group(dist.group.WORLD, device.type)  # type: ignore[arg-type]


def _layers(backbone: nn.Module) -> Iterator[nn.Module]:
    """The modules that are gathered at once: what counts as a layer. What is around the layers, or is a single projection
    or normalisation, is gathered with the encoder."""
    names = by_layer(backbone.named_parameters(), frozen=True)
    modules = dict(backbone.named_modules())
    for name in names:
        module = modules.get(name)  # none where it is a parameter of the backbone's own
        is_around = any(other.startswith(f"{name}.") for other in names)
        if not is_around and (isinstance(module, nn.Embedding) or (module is not None and any(module.children()))):
            yield module


def _without_views(encoder: nn.Module, given: object, encoding: Encoding) -> Encoding:
    """FSDP2 hooks its way back into what a module gives, which does not bear what a head may do to a view in place."""
    return Encoding(*(part.clone() if part.requires_grad and part._is_view() else part for part in encoding))


def own_part(tensor: Tensor) -> Tensor:
    """What this process holds of it: all of what is not sharded."""
    if not isinstance(tensor, DTensor):
        return tensor
    with torch.no_grad():
        return tensor.to_local()


def as_part(own: Tensor, like: Tensor) -> Tensor:
    """What this process holds of something, as a part of what is sharded as `like` is; itself where that is whole."""
    if not isinstance(like, DTensor):
        return own
    shape, stride = like.shape, like.stride()
    return DTensor.from_local(own, like.device_mesh, like.placements, run_check=False, shape=shape, stride=stride)


def sharded(whole: Tensor, device: torch.device) -> Tensor:
    """A whole tensor, which each process has, sharded as parameters are: by rows, of which the last may have fewer."""
    return _sharded(whole, _mesh(device))


def sharded_as(whole: Tensor, like: Tensor) -> Tensor:
    """The same where `like` is sharded; itself where that is whole."""
    return _sharded(whole, like.device_mesh) if isinstance(like, DTensor) else whole


def _sharded(whole: Tensor, mesh: DeviceMesh) -> Tensor:
    size = -(-len(whole) // mesh.size())
    begin, end = (min(len(whole), size * rank) for rank in (mesh.get_local_rank(), mesh.get_local_rank() + 1))
    own = whole[begin:end].to(mesh.device_type, copy=True)
    return DTensor.from_local(own, mesh, (Shard(0),), run_check=False, shape=whole.shape, stride=whole.stride())


def state_sharded_as(whole: Mapping[str, Tensor], like: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A whole state, which each process has, as that of a module whose state is `like`."""
    return {name: sharded_as(value, like[name]) if name in like else value for name, value in whole.items()}


def gathered(state: Mapping[str, Tensor], processes: Processes) -> dict[str, Tensor]:
    """The same with what is sharded whole: on the host of the first process, one after the other. Others get nothing of
    it."""
    found = {}
    for name, value in state.items():
        if isinstance(value, DTensor):
            whole = value.full_tensor()
            value = whole.cpu() if processes.is_first else whole.new_empty(0)
        found[name] = value
    return found
