"""A module of TorchJD's, made to live inside a combiner: it moves between devices as a whole, and its state is restored."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torchjd import Stateful


class Method(nn.Module):
    """Wraps a weighting, an aggregator or a scalarizer of TorchJD's."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner
        self._restored = False
        self.register_load_state_dict_pre_hook(_make_room)
        for module in inner.modules():
            # TorchJD keeps vectors that a user gives as plain attributes, which stay behind when a module moves.
            for name, value in list(vars(module).items()):
                if isinstance(value, Tensor):
                    delattr(module, name)
                    module.register_buffer(name, value, persistent=False)

    def __call__(self, statistic: Tensor) -> Tensor:
        """statistic: a Gramian [T, T], gradients [T, P] or losses [T], as the method takes it."""
        answer: Tensor = super().__call__(statistic)
        return answer

    def forward(self, statistic: Tensor) -> Tensor:
        if self._restored:
            self._restored = False
            self._resume(statistic)
        answer: Tensor = self.inner(statistic)
        return answer

    @torch.no_grad()
    def _resume(self, statistic: Tensor) -> None:
        """Have the restored state taken for the method's own. TorchJD's methods make their state when they are first
        called, and clear one that they did not make; so let them make it, and fill it in after."""
        assert isinstance(self.inner, Stateful)
        restored = {name: buffer.clone() for name, buffer in self.inner.named_buffers()}
        self.inner.reset()
        with torch.random.fork_rng(devices=[statistic.device] if statistic.is_cuda else []):
            self.inner(statistic)
        for name, buffer in restored.items():
            self.inner.get_buffer(name).copy_(buffer)


def _make_room(method: nn.Module, state: dict[str, Any], prefix: str, *rest: Any) -> None:
    """Before a state is loaded, give each of its tensors that TorchJD would make at the first call a buffer to go to."""
    assert isinstance(method, Method)
    for path, module in method.named_modules():
        for name, buffer in module._buffers.items():
            key = f"{prefix}{path}.{name}"
            if buffer is None and key in state:
                module._buffers[name] = torch.empty_like(state[key])
                method._restored = True


def vector(option: str, text: str, tasks: Sequence[str]) -> Tensor:
    """The numbers of `text`, such as `0.2/0.3/0.5`, one for each task -> [T]. Raises ValueError."""
    try:
        numbers = [float(number) for number in text.split("/")]
    except ValueError:
        numbers = []
    if len(numbers) != len(tasks):
        example = "/".join("1" for _ in tasks)
        raise ValueError(f"{option} takes a number for each task ({', '.join(tasks)}), such as {example}, not '{text}'")
    return torch.tensor(numbers)
