"""A directory that `AutoModel` opens, with the heads written out beside it and a short loader."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from safetensors.torch import save_file

from mtk.export.card import layers_of, write_loader, write_readme, write_tasks
from mtk.export.tail import Tail, traced
from mtk.export.written_out import written_out
from mtk.model.multitask import Model

ENGINE = "engine_torch.py"

_USE = """\
`AutoModel.from_pretrained` and `AutoTokenizer.from_pretrained` open this directory. The heads are in `heads.safetensors`;
`heads.py` has each written out as torch's operations, and `model.py` puts all of it together. mtk is not needed:

```python
from model import Model  # in this directory

Model(device="cpu").predict({task!r}, {example!r})
```

It computes in fp32, as `mtk predict --precision fp32` does, and gives the same scores to within 1e-5."""

CANDIDATES = "Of a task with candidates each is predicted by itself: the one with the highest logit is the best."


def fill(model: Model, tasks: Sequence[str], directory: Path) -> None:
    """Write the model with the heads of `tasks` to an empty directory. Raises UsageError for a head that cannot be
    traced."""
    tails = {name: Tail(model, name) for name in tasks}
    programs = {name: traced(tail, model.encoder.width, layers_of(model)) for name, tail in tails.items()}
    source, weights = written_out(programs, "The heads of a multitask model.")
    model.encoder.save(directory)
    save_file(weights, directory / "heads.safetensors")
    (directory / "heads.py").write_text(source, encoding="utf-8")
    write_loader(directory, ENGINE)
    write_tasks(directory, model, tails)
    said = [_USE.format(task=tasks[0], example=example(tails[tasks[0]]))]
    if any(tail.kind.candidates for tail in tails.values()):
        said.append(CANDIDATES)
    write_readme(directory, "A multitask text encoder with its heads", list(tails.values()), *said)


def example(tail: Tail) -> list[object]:
    """Something that a task can be asked."""
    return [("One text.", "Another text.")] if tail.task.pair else ["One text."]
