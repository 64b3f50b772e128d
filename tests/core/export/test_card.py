"""The files of an export say how it is used: what is in README.md runs."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import mtk
from mtk.export.card import write_loader, write_readme, write_tasks
from mtk.export.tail import Tail


def test_the_loader_is_one_file_of_python_for_each_engine(tmp_path: Path) -> None:
    for engine in ("engine_torch.py", "engine_onnx.py"):
        write_loader(tmp_path, engine)
        tree = ast.parse((tmp_path / "model.py").read_text())
        defined = {node.name for node in tree.body if isinstance(node, ast.ClassDef | ast.FunctionDef)}
        assert {"Model", "Engine", "word_starts"} <= defined
        assert "mtk" not in {name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names}
        assert ast.get_docstring(tree)


def test_tasks_and_their_labels_stand_in_both(trained: Path, tmp_path: Path) -> None:
    model = mtk.load(trained, device="cpu")
    tails = {name: Tail(model, name) for name in model.tasks}
    write_tasks(tmp_path, model, tails)
    card = json.loads((tmp_path / "tasks.json").read_text())
    assert card["max_length"] == model.max_length
    assert card["tasks"]["sst"]["labels"] == ["bad", "fine", "good"]
    assert {name: known["readings"] for name, known in card["tasks"].items()} == {
        "sst": ["first"], "para": ["joint"], "sts": ["first", "second"],
    }  # fmt: skip
    write_readme(tmp_path, "Title", list(tails.values()), "More.")
    readme = (tmp_path / "README.md").read_text()
    assert "| para | binary | a pair, as one sequence | logits, prediction, probabilities |" in readme
