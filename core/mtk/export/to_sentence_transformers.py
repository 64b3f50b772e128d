"""A directory that sentence-transformers opens: a CrossEncoder for a task whose pair is read as one sequence, and otherwise
a SentenceTransformer, with what the task's head makes of embeddings written out beside it.

What that library can hold is found out by trying: a pooling is one of its own if it gives the same, and a head is layers of
its own if it is traced to such.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.export import ExportedProgram

from mtk.calling.arguments import named
from mtk.errors import UsageError
from mtk.export.card import layers_of, write_readme
from mtk.export.tail import Tail, traced
from mtk.export.written_out import written_out
from mtk.model.multitask import Model

EXTRA = "pip install 'multitask-toolkit[sentence-transformers]'"
_OPERATIONS = torch.ops.aten
_ACTIVATIONS = {
    _OPERATIONS.relu.default: nn.ReLU,
    _OPERATIONS.gelu.default: nn.GELU,
    _OPERATIONS.tanh.default: nn.Tanh,
    _OPERATIONS.sigmoid.default: nn.Sigmoid,
    _OPERATIONS.silu.default: nn.SiLU,
}
_NOTHING = (_OPERATIONS.dropout.default, _OPERATIONS.to.dtype, _OPERATIONS._assert_tensor_metadata.default)

Layer = tuple[Tensor, Tensor | None, nn.Module]
"""Weight, bias, and what follows them."""


def fill(model: Model, task: str, directory: Path) -> None:
    """Write the model with the head of one task to an empty directory. Raises UsageError where that library has not what
    its pooling or its head does."""
    library = _library()
    tail, width = Tail(model, task, of_embeddings=True), model.encoder.width
    if tail.kind.level == "token":
        raise UsageError(f"Task '{task}' is of words, which sentence-transformers does not label")
    if len(tail.readings) > 2:
        raise UsageError(f"Task '{task}': its head reads a pair in both ways, and sentence-transformers in one")
    mode = _pooling_mode(model, library.sentence_transformer.modules.Pooling.POOLING_MODES)
    program = traced(tail, width, layers_of(model))
    model.encoder.save(directory / "encoder")
    modules = [
        library.sentence_transformer.modules.Transformer(str(directory / "encoder"), max_seq_length=model.max_length),
        library.sentence_transformer.modules.Pooling(width, mode),
    ]
    if tail.readings == ("joint",):
        _cross_encoder(library, tail, program, modules, directory)
    else:
        _bi_encoder(library, tail, program, modules, directory)
    for file in sorted((directory / "encoder").iterdir()):
        file.unlink()
    (directory / "encoder").rmdir()


def check_extra() -> None:
    """Raises UsageError where the library is not installed."""
    _library()


def _library() -> Any:
    try:
        import sentence_transformers
    except ImportError as error:
        raise UsageError(f"--to sentence-transformers needs an extra: {EXTRA} ({error})") from None
    logging.getLogger("sentence_transformers").setLevel(logging.ERROR)
    return sentence_transformers


def _pooling_mode(model: Model, modes: Sequence[str]) -> str:
    """Which of the library's poolings gives what the model's gives. Raises UsageError where none does."""
    from sentence_transformers.sentence_transformer.modules import Pooling

    generator, width = torch.Generator().manual_seed(0), model.encoder.width
    states = torch.randn(layers_of(model), 4, 7, width, generator=generator).unbind(0)
    mask = (torch.arange(7) < torch.tensor([[7], [3], [5], [1]])).long()
    pooling = model.encoder.pooling
    offered = {"tokens": states[-1], "mask": mask, "layers": states}
    with torch.no_grad():
        wanted = pooling(**named(type(pooling).forward, offered))
        for mode in modes:
            features = {"token_embeddings": states[-1], "attention_mask": mask}
            if torch.allclose(Pooling(width, mode)(features)["sentence_embedding"], wanted, atol=1e-6):
                return mode
    raise UsageError(f"sentence-transformers has no pooling that gives what {type(pooling).__name__} gives")


def _cross_encoder(library: Any, tail: Tail, program: ExportedProgram, modules: list[Any], directory: Path) -> None:
    layers = _layers(program)
    if layers is None:
        raise UsageError(
            f"Task '{tail.task.name}': its head is not made of linear layers on the embedding, and a CrossEncoder is"
        )
    for number, (weight, bias, activation) in enumerate(layers):
        last = number == len(layers) - 1
        outputs, inputs = weight.shape
        modules.append(
            library.base.modules.Dense(
                inputs,
                outputs,
                bias is not None,
                activation,
                weight,
                bias,
                "sentence_embedding",
                "scores" if last else "sentence_embedding",
            )
        )
    score, said = _score(tail)
    library.CrossEncoder(modules=modules, activation_fn=score, device="cpu").save_pretrained(str(directory))
    write_readme(directory, f"{tail.task.name}: a CrossEncoder", [tail], _CROSS.format(said=said))


def _layers(program: ExportedProgram) -> list[Layer] | None:
    """The logits as linear layers on the embedding, each with what follows it; None where they are another thing."""
    weights = {place: program.state_dict[own] for place, own in program.graph_signature.inputs_to_parameters.items()}
    (output,) = program.graph.find_nodes(op="output")
    node, found, activation = output.args[0][0], list[Layer](), nn.Identity()
    pending: nn.Module = activation
    while node.op == "call_function":
        if node.target in _ACTIVATIONS and isinstance(pending, nn.Identity) and not node.args[1:] and not node.kwargs:
            pending = _ACTIVATIONS[node.target]()
        elif node.target is _OPERATIONS.linear.default:
            weight, bias = (weights.get(n.name) if n is not None else None for n in (*node.args[1:], None)[:2])
            if weight is None:
                return None
            found.append((weight.detach().clone(), None if bias is None else bias.detach().clone(), pending))
            pending = nn.Identity()
        elif node.target not in _NOTHING:
            return None
        node = node.args[0]
    return found[::-1] if found and isinstance(pending, nn.Identity) and node.op == "placeholder" else None


def _score(tail: Tail) -> tuple[nn.Module, str]:
    """What the CrossEncoder puts after the logits, and how a score is read."""
    labels, kind = ", ".join(tail.kind.labels), tail.kind
    if kind.outputs > 1:
        return nn.Identity(), f"`predict` gives the logits of {labels}; `apply_softmax=True` makes probabilities of them."
    if kind.candidates:
        return nn.Identity(), "`predict` gives the score of a candidate; the highest is the best, as `rank` sorts them."
    logits = torch.linspace(-4, 4, 9).unsqueeze(1)
    answers = kind.predict(logits, **{}).float()
    shares = logits.squeeze(1).sigmoid()
    slope = (answers[-1] - answers[0]) / (shares[-1] - shares[0])
    start = answers[0] - slope * shares[0]
    if labels:
        return nn.Sigmoid(), f"`predict` gives the probability of {kind.labels[-1]}; above 0.5 it is what is predicted."
    if torch.allclose(start + slope * shares, answers, atol=1e-5):
        return (
            nn.Sigmoid(),
            f"mtk's score is {start.item():g} + {slope.item():g} · what `predict` gives, which is from 0 to 1.",
        )
    return nn.Identity(), "`predict` gives the logit."


def _bi_encoder(library: Any, tail: Tail, program: ExportedProgram, modules: list[Any], directory: Path) -> None:
    similarity = _similarity(tail, modules[1].embedding_dimension)
    model = library.SentenceTransformer(modules=modules, device="cpu", similarity_fn_name=similarity or "cosine")
    model.save_pretrained(str(directory), create_model_card=False)
    name = tail.task.name
    source, weights = written_out({name: program}, f"What the head of '{name}' makes of embeddings.")
    (directory / "score.py").write_text(f"{source}\n\n{_SCORE.format(task=name)}", encoding="utf-8")
    save_file(weights, directory / "score.safetensors")
    write_readme(directory, f"{name}: a SentenceTransformer", [tail], _use(tail, similarity))


def _use(tail: Tail, similarity: str | None) -> str:
    said, given = "", "model.encode(texts, convert_to_tensor=True)"
    if tail.task.pair:
        given = "*(model.encode(column, convert_to_tensor=True) for column in (first_texts, second_texts))"
        said = "The head is no similarity of two embeddings; the cosine, which `similarity` gives, is none of its scores."
    if similarity:
        said = f"`similarity` gives the {similarity}, on which the head's scores depend alone."
    labels = f" The labels are {', '.join(tail.kind.labels)}." if tail.kind.labels else ""
    return _BI.format(said=said, given=given, outputs=", ".join(tail.outputs), labels=labels).strip()


def _similarity(tail: Tail, width: int) -> Literal["cosine", "dot"] | None:
    """Which similarity of two embeddings the logits are a function of."""
    if not tail.task.pair:
        return None
    u, v = torch.randn(2, 8, width, generator=torch.Generator().manual_seed(0)).unbind(0)
    with torch.no_grad():
        one, first, second = (tail(*pair)[0] for pair in ((u, v), (2 * u, v), (u, 2 * v)))
    if torch.allclose(one, first, atol=1e-5) and torch.allclose(one, second, atol=1e-5):
        return "cosine"
    return "dot" if torch.allclose(first, second, atol=1e-4) else None


_CROSS = """\
```python
from sentence_transformers import CrossEncoder

CrossEncoder("…").predict([("One text.", "Another text.")])
```

{said}"""

_BI = """\
```python
from sentence_transformers import SentenceTransformer
from score import score  # in this directory

model = SentenceTransformer("…")
score({given})  # {outputs}
```

{said} `score.py` is the task's head, written out as torch's operations; it takes a tensor of embeddings for each text of an
example, and needs torch and safetensors.{labels}"""

_SCORE = '''\
def score(*embeddings):
    """The outputs of the head for embeddings [batch, width], one tensor for each text of an example."""
    from pathlib import Path

    from safetensors.torch import load_file

    weights = load_file(Path(__file__).with_name("score.safetensors"))
    weights = {{name: value.to(embeddings[0].device) for name, value in weights.items()}}
    return HEADS[{task!r}](weights, *embeddings)
'''
