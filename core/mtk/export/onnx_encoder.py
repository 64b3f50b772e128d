"""A model whose encoder onnxruntime computes: the poolings, the heads and all else are mtk's own."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import torch
from torch import Tensor, nn

from mtk.errors import UsageError
from mtk.files import read_json
from mtk.model.multitask import Model

LARGEST = 1 << 26  # bytes of tasks.json


class _Card(msgspec.Struct):
    """What is read of tasks.json here."""

    encoder: str


class OnnxBackbone(nn.Module):
    """An encoder in a file, in the place of the one that transformers has."""

    def __init__(self, file: Path, backbone: nn.Module, threads: int = 0) -> None:
        import onnxruntime

        super().__init__()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or torch.get_num_threads()
        self.session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
        self.names = [known.name for known in self.session.get_inputs()]
        self.config: Any = backbone.config

    def forward(self, output_hidden_states: bool = False, **inputs: Tensor) -> SimpleNamespace:
        states = torch.from_numpy(self.session.run(None, {name: inputs[name].numpy() for name in self.names})[0])
        layers = states.unbind(0) if output_hidden_states else (states,)
        return SimpleNamespace(last_hidden_state=layers[-1], hidden_states=layers)


def on_onnx(model: Model, file: Path) -> Model:
    """The model, which is on the CPU in fp32, with the encoder in this file of an export in place of its own. Raises
    UsageError for a file that is none, or of another run, and without the extra."""
    if file.suffix != ".onnx" or not file.is_file():
        raise UsageError(f"{file} is no encoder. Give the encoder.onnx, or encoder-int8.onnx, that mtk export wrote.")
    card = read_json(file.with_name("tasks.json"), "what mtk export writes beside an encoder", LARGEST, _Card)
    if card.encoder != fingerprint(model):
        raise UsageError(f"{file} is the encoder of another run. Export this one: mtk export RUN --to onnx --out DIR.")
    try:
        model.encoder.backbone = OnnxBackbone(file, model.encoder.backbone)
    except ImportError as error:
        raise UsageError(f"An encoder in ONNX needs an extra: pip install 'multitask-toolkit[onnx]' ({error})") from None
    return model


def fingerprint(model: Model) -> str:
    """What two encoders have in common if and only if they are the same: a digest of the weights."""
    from hashlib import sha256

    digest = sha256()
    for name, value in sorted(model.encoder.backbone.state_dict().items()):
        digest.update(name.encode())
        digest.update(value.detach().cpu().contiguous().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
