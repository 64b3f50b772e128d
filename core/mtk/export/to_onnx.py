"""The encoder as one ONNX model, and each task's head as another on its output, so that tasks share an encoding."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from mtk.errors import UsageError, in_words
from mtk.export.card import layers_of, write_loader, write_readme, write_tasks
from mtk.export.tail import Tail, traced
from mtk.export.to_transformers import CANDIDATES, example
from mtk.model.encoder import layer_states
from mtk.model.multitask import Model

ENGINE = "engine_onnx.py"
ENCODER, INT8 = "encoder.onnx", "encoder-int8.onnx"
EXTRA = "pip install 'multitask-toolkit[onnx]'"

_USE = """\
`encoder.onnx` takes what the tokenizer gives, int64 [batch, length], and gives the states of tokens; `heads/TASK.onnx` takes
states and mask of each reading of an example. `model.py` puts all of it together, with onnxruntime and the tokenizer of
transformers; torch and mtk are not needed:

```python
from model import Model  # in this directory

Model(threads=2).predict({task!r}, {example!r})
```

The scores are those of `mtk predict --precision fp32` to within 1e-4."""


class States(nn.Module):
    """The encoder as a function of tensors in an order."""

    def __init__(self, model: Model, names: Sequence[str]) -> None:
        super().__init__()
        self.backbone, self.names, self.all_layers = model.encoder.backbone, list(names), model.encoder.reads_layers

    def forward(self, *given: Tensor) -> Tensor:
        layers = layer_states(self.backbone, dict(zip(self.names, given, strict=True)), all_layers=self.all_layers)
        return torch.stack(layers) if self.all_layers else layers[-1]


def fill(model: Model, tasks: Sequence[str], directory: Path, *, int8: bool = False) -> None:
    """Write the model with the heads of `tasks` to an empty directory; with `int8` the encoder a second time, its weights in
    8 bits. Raises UsageError for what cannot be traced; `check_extra` comes before."""
    tails = {name: Tail(model, name) for name in tasks}
    programs = {name: traced(tail, model.encoder.width, layers_of(model)) for name, tail in tails.items()}
    names = ["input_ids", "attention_mask"]
    if "token_type_ids" in model.encoder.tokenizer.model_input_names:
        names.append("token_type_ids")
    write_encoder(model, names, directory / ENCODER)
    if int8:
        quantize(directory / ENCODER, directory / INT8)
    (directory / "heads").mkdir()
    files = {name: f"heads/{name}.onnx" for name in tails}
    for name, tail in tails.items():
        inputs = [f"{reading}_{what}" for reading in tail.readings for what in ("states", "mask")]
        _write(programs[name], directory / files[name], inputs, tail.outputs)
    model.encoder.tokenizer.save_pretrained(directory)
    write_loader(directory, ENGINE)
    write_tasks(directory, model, tails, files)
    said = [_USE.format(task=tasks[0], example=example(tails[tasks[0]]))]
    if any(tail.kind.candidates for tail in tails.values()):
        said.append(CANDIDATES)
    write_readme(directory, "A multitask text encoder with its heads, in ONNX", list(tails.values()), *said)


def check_extra() -> None:
    """Raises UsageError where what writes or runs ONNX is not installed."""
    try:
        import onnxruntime  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise UsageError(f"ONNX needs an extra: {EXTRA} ({error})") from None


def write_encoder(model: Model, names: Sequence[str], path: Path) -> None:
    """The encoder, for batches and sequences of any size. Raises UsageError for one that cannot be traced."""
    batch, length = torch.export.Dim("batch"), torch.export.Dim("length", max=model.max_length)
    given = tuple(torch.ones(3, 6, dtype=torch.long) for _ in names)
    sizes = ({0: batch, 1: length},) * len(names)
    try:
        with torch.no_grad():
            program = torch.export.export(States(model, names).eval(), given, dynamic_shapes=(sizes,))
    except Exception as error:
        raise UsageError(f"The encoder cannot be traced: {in_words(error)[:300]}") from error
    _write(program, path, names, ["states"])


def quantize(source: Path, target: Path) -> None:
    """The weights of its matrices in 8 bits, and what they are multiplied by rounded to 8 bits as it comes."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    with _quiet():
        quantize_dynamic(source, target, weight_type=QuantType.QInt8, op_types_to_quantize=["MatMul", "Gemm"])


def _write(program: Any, path: Path, inputs: Sequence[str], outputs: Sequence[str]) -> None:
    try:
        with _quiet():
            written = torch.onnx.export(program, input_names=list(inputs), output_names=list(outputs), verbose=False)
        assert written is not None
        written.save(path)
    except Exception as error:  # of an operation that ONNX has not, and whatever else its exporter raises
        raise UsageError(
            f"{path.stem} cannot be written as ONNX: {in_words(error)[:300]} --to transformers has it."
        ) from error


@contextmanager
def _quiet() -> Iterator[None]:
    """What the exporter prints and warns of is for its authors."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), redirect_stdout(StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
