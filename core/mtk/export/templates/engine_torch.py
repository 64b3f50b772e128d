"""The encoder as transformers runs it, and the heads as `heads.py` has them written out."""

import runpy
from pathlib import Path

import torch
from safetensors.torch import load_file
from transformers import AutoModel


class Engine:
    """`device` is a name of torch's, such as cuda."""

    def __init__(self, directory, card, device="cpu"):
        self.device, self.all_layers = device, card["all_layers"]
        self.encoder = AutoModel.from_pretrained(directory, dtype=torch.float32).to(device).eval()
        self.heads = runpy.run_path(str(Path(directory) / "heads.py"))["HEADS"]
        self.weights = {name: value.to(device) for name, value in load_file(Path(directory) / "heads.safetensors").items()}

    @torch.inference_mode()
    def states(self, inputs):
        """What the encoder says of each token [sequences, length, width]; of all layers, stacked, where a pooling reads
        them."""
        inputs = {name: torch.from_numpy(value).to(self.device) for name, value in inputs.items()}
        found = self.encoder(**inputs, output_hidden_states=self.all_layers)
        return torch.stack(found.hidden_states) if self.all_layers else found.last_hidden_state

    @torch.inference_mode()
    def head(self, task, given):
        """What the task's head makes of them, and of their masks."""
        given = [torch.as_tensor(value).to(self.device) for value in given]
        return [value.cpu().numpy() for value in self.heads[task](self.weights, *given)]
