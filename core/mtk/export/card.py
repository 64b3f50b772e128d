"""What the files of an export say of the model: `tasks.json`, which its loader reads, and README.md, which people do."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from mtk.data.tokens import word_starts
from mtk.export.onnx_encoder import fingerprint
from mtk.export.tail import Tail, meaning
from mtk.model.multitask import Model

TEMPLATES = Path(__file__).with_name("templates")


def layers_of(model: Model) -> int:
    """How many states of layers there are, those of the embeddings included."""
    return int(model.encoder.backbone.config.num_hidden_layers) + 1  # type: ignore[union-attr,arg-type]


def write_loader(directory: Path, engine: str) -> None:
    """`model.py`, with the class that runs the encoder and the heads, which is that of the file `engine`."""
    parts = [(TEMPLATES / name).read_text(encoding="utf-8") for name in ("model.py", engine)]
    docstrings = [re.match('""".*?"""\n\n', part, re.DOTALL)[0] for part in parts]  # type: ignore[index]
    codes = [part.removeprefix(said) for part, said in zip(parts, docstrings, strict=True)]
    imports = sorted({line for code in codes for line in code.splitlines() if re.match("import |from ", line)}, key=_place)
    bodies = [re.sub("^(import|from) .*\n", "", code, flags=re.MULTILINE).strip() for code in codes]
    source = "\n\n\n".join([*bodies, inspect.getsource(word_starts).strip(), _MAIN])
    source = re.sub("  # noqa.*", "", source)
    (directory / "model.py").write_text(docstrings[0] + "\n".join([_FUTURE, *imports]) + "\n\n" + source, encoding="utf-8")


def _place(line: str) -> tuple[bool, str]:
    """Modules first, then what is taken from some."""
    return line.startswith("from"), line


_FUTURE = "from __future__ import annotations\n\nfrom collections.abc import Sequence"

_MAIN = """\
if __name__ == "__main__":
    task, texts = sys.argv[1], [line.rstrip("\\n") for line in sys.stdin]
    model = Model()
    examples = texts if model.tasks[task]["texts"] == 1 else [tuple(text.split("\\t")) for text in texts]
    for answer in model.predict(task, examples):
        print(json.dumps(answer))
"""


def write_tasks(directory: Path, model: Model, tails: Mapping[str, Tail], files: Mapping[str, str] | None = None) -> None:
    """`tasks.json`; `files` are those of each task's head, where it has one of its own."""
    tasks = {name: _task(tail) | ({"file": files[name]} if files else {}) for name, tail in tails.items()}
    card = {
        "max_length": model.max_length,
        "all_layers": model.encoder.reads_layers,
        "encoder": fingerprint(model),
        "tasks": tasks,
    }
    (directory / "tasks.json").write_bytes(msgspec.json.format(msgspec.json.encode(card)) + b"\n")


def _task(tail: Tail) -> dict[str, Any]:
    kind = tail.kind
    return {
        "kind": str(kind),
        "texts": len(tail.task.text),
        "readings": list(tail.readings),
        "outputs": tail.outputs,
        "labels": list(kind.labels),
        "meaning": meaning(kind),
        "by_word": kind.level == "token",
        "unread": kind.unread,
    }


def write_readme(directory: Path, title: str, tails: Sequence[Tail], *paragraphs: str) -> None:
    """README.md: the tasks, and what else is to be said."""
    rows = ["| task | kind | texts | outputs |", "| --- | --- | --- | --- |"]
    rows += [f"| {t.task.name} | {t.kind} | {_texts(t)} | {', '.join(t.outputs)} |" for t in tails]
    text = "\n\n".join([f"# {title}", "\n".join(rows), *paragraphs])
    (directory / "README.md").write_text(f"{text}\n", encoding="utf-8")


def _texts(tail: Tail) -> str:
    if not tail.task.pair:
        return "one text"
    return "a pair, as one sequence" if tail.readings == ("joint",) else "a pair, each by itself"
