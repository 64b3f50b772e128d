"""A traced function as Python: a line for each of torch's operations, and its weights by name.

What comes out is a module that needs torch alone, can be read, and runs nothing but what stands in it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.export import ExportedProgram

_BEGINNING = '''"""{title}

Written out of the trained model: each function is what a task's head is made of, one operation of torch a line.
"""

import torch
from torch import inf, nan  # noqa: F401
'''


def written_out(programs: Mapping[str, ExportedProgram], title: str) -> tuple[str, dict[str, Tensor]]:
    """A module in which `HEADS` has a function for each program by its name: `(weights, *inputs) -> outputs`; and the
    weights that it takes, `NAME.weight` of each."""
    parts, weights, functions = [_BEGINNING.format(title=title)], dict[str, Tensor](), {}
    for number, (name, program) in enumerate(programs.items()):
        functions[name] = f"head_{number}"
        taken = _weights(program)
        weights |= {f"{name}.{own}": value.detach().cpu().clone().contiguous() for own, value in taken.values()}
        names = {place: f"{name}.{own}" for place, (own, _) in taken.items()}
        parts.append(_function(functions[name], name, program, names))
    listed = "".join(f"    {name!r}: {function},\n" for name, function in functions.items())
    parts.append(f"HEADS = {{\n{listed}}}\n")
    return "\n\n".join(parts), weights


def _weights(program: ExportedProgram) -> dict[str, tuple[str, Tensor]]:
    """Those that the graph has as inputs: their name there, and in the module."""
    signature = program.graph_signature
    constants: Mapping[str, Any] = program.constants
    found = {
        **signature.inputs_to_parameters,
        **signature.inputs_to_buffers,
        **signature.inputs_to_lifted_tensor_constants,
    }
    return {
        place: (own, program.state_dict[own] if own in program.state_dict else constants[own])
        for place, own in found.items()
    }


def _function(function: str, task: str, program: ExportedProgram, weights: Mapping[str, str]) -> str:
    graph = program.graph
    for node in list(graph.nodes):
        if node.target is torch.ops.aten._assert_tensor_metadata.default or (
            node.op == "call_module" and not node.users
        ):  # which hold for the device and the sizes that it was traced with
            graph.erase_node(node)
    source = graph.python_code("self").src
    inputs = [node.name for node in graph.nodes if node.op == "placeholder" and node.name not in weights]
    body = source.partition(":\n")[2].rstrip()
    body = re.sub(r";  [\w =]+ = None$", "", body, flags=re.MULTILINE)
    body = body.replace("device(type='cpu')", f"{inputs[0]}.device")
    taken = "".join(f"    {place} = weights[{name!r}]\n" for place, name in weights.items())
    return f'def {function}(weights, {", ".join(inputs)}):\n    """{task}"""\n{taken}{body}\n'
