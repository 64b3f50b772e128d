"""A function written out is Python that needs torch alone; `test_tail.py` has it give what the model gives."""

from __future__ import annotations

import ast

import torch

from mtk.export.written_out import written_out


class Scaled(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.tensor([2.0, 3.0]))
        self.register_buffer("shift", torch.tensor([1.0, 1.0]))

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor]:
        return (x * self.weight + self.shift - torch.arange(2),)


def test_it_takes_its_weights_by_name_and_imports_nothing_else() -> None:
    program = torch.export.export(Scaled(), (torch.ones(2),))
    source, weights = written_out({"a-b": program, "c": program}, "Two.")
    imported = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Import | ast.ImportFrom)]
    assert {getattr(node, "module", None) or node.names[0].name for node in imported} == {"torch"}
    assert set(weights) == {f"{name}.{own}" for name in ("a-b", "c") for own in ("weight", "shift")}
    space: dict = {}
    exec(source, space)
    (found,) = space["HEADS"]["a-b"](weights, torch.ones(2))
    assert found.tolist() == [3.0, 3.0]
    assert "device(type=" not in source, "it is to run on any device"
