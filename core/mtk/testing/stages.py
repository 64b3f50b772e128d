"""What every stage promises. Each function is a promise, as `mtk.testing.check.Promise` says.

A stage is built and called as a run does it, on a tiny encoder.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from hypothesis import strategies as st
from safetensors.torch import load, save
from torch import Tensor, nn

from mtk.calling.arguments import named
from mtk.model.encoder import Encoder, load_parts
from mtk.pooling import Pooling
from mtk.stage import Stage
from mtk.testing.check import Check, Subject
from mtk.testing.encoder import tiny_encoder


@dataclass(frozen=True)
class Texts:
    """So many texts, of random tokens of which `seed` is the seed."""

    lengths: tuple[int, ...]
    seed: int

    def inputs(self) -> dict[str, Tensor]:
        """What the encoder takes of them, padded to the longest: its special tokens stand first and last."""
        tokenizer = encoder().tokenizer
        generator = torch.Generator().manual_seed(self.seed)
        mask = torch.arange(max(self.lengths) + 2) < torch.tensor(self.lengths).unsqueeze(1) + 2
        ids = torch.randint(len(tokenizer.all_special_ids), len(tokenizer), mask.shape, generator=generator)
        ids[:, 0] = tokenizer.cls_token_id
        for row, length in enumerate(self.lengths):
            ids[row, length + 1] = tokenizer.sep_token_id
        return {"input_ids": torch.where(mask, ids, tokenizer.pad_token_id), "attention_mask": mask.long()}

    def __str__(self) -> str:
        return f"texts of {', '.join(map(str, self.lengths))} tokens, seed {self.seed}"


def texts() -> st.SearchStrategy[Texts]:
    """Two to four texts: of one a contrast could not be made."""
    return st.builds(Texts, st.lists(st.integers(8, 40), min_size=2, max_size=4).map(tuple), st.integers(0, 99))


def loss(subject: Subject, given: Texts) -> str | None:
    """The loss is a finite scalar, and a finite gradient goes back from it to the encoder and to what the stage has
    itself."""
    stage, own = built(subject), encoder()
    found = step(stage, given)
    if not isinstance(found, Tensor) or found.shape != () or not found.isfinite():
        return f"{found!r}"
    if not found.requires_grad:
        return "a loss that no gradient goes back from"
    found.backward()
    of_encoder = [p.grad for p in own.parameters() if p.grad is not None]
    without = [name for name, p in stage.named_parameters() if p.requires_grad and p.grad is None]
    own.zero_grad(set_to_none=True)
    if not any(bool(gradient.any()) for gradient in of_encoder):
        return "no gradient for the encoder"
    if without:
        return f"no gradient for {', '.join(without)}"
    gradients = [*of_encoder, *(p.grad for p in stage.parameters() if p.grad is not None)]
    return None if all(bool(gradient.isfinite().all()) for gradient in gradients) else "a gradient that is not finite"


def inputs_kept(subject: Subject, given: Texts) -> str | None:
    """What it is given stays as it is, the encoder's parameters too."""
    inputs, before = given.inputs(), given.inputs()
    weights = [p.detach().clone() for p in encoder().parameters()]
    step(built(subject), given, inputs)
    changed = [name for name, value in before.items() if name not in inputs or not torch.equal(value, inputs[name])]
    if changed:
        return f"`{changed[0]}` was changed"
    return None if all(map(torch.equal, weights, encoder().parameters())) else "the encoder was changed"


def same_seed(subject: Subject, given: Texts) -> str | None:
    """torch's seed decides what is random."""
    found = [step(built(subject), given).item() for _ in range(2)]
    return None if found[0] == found[1] else f"a loss of {found[0]:.6g}, then {found[1]:.6g}"


def saving(subject: Subject, given: Texts) -> str | None:
    """What safetensors saves of one, and a fresh one loads, is all there is to know: the same loss."""
    stage, fresh = built(subject), built(subject, seed=1)
    for seed in (3, 4):
        step(stage, given, seed=seed)
    if stage.state_dict():
        fresh.load_state_dict(load(save({name: value.contiguous() for name, value in stage.state_dict().items()})))
    found = [step(each, given, seed=5).item() for each in (stage, fresh)]
    return None if found[0] == found[1] else f"a loss of {found[0]:.6g}, and of a fresh one {found[1]:.6g}"


def checks(subject: Subject) -> list[Check]:
    return [
        Check(subject, loss, texts(), tries=10),
        Check(subject, inputs_kept, texts(), tries=5),
        Check(subject, same_seed, texts(), tries=5),
        Check(subject, saving, texts(), tries=5),
    ]


class _Mean(Pooling):
    def forward(self, tokens: Tensor, mask: Tensor) -> Tensor:
        weights = mask.unsqueeze(-1).to(tokens.dtype)
        return (tokens * weights).sum(dim=1) / weights.sum(dim=1)


@cache
def encoder() -> Encoder:
    """One in train mode, as a stage meets it."""
    with tempfile.TemporaryDirectory() as directory:
        return load_parts(str(tiny_encoder(directory))).encoder(lambda width: _Mean()).train()


def built(subject: Subject, seed: int = 0) -> Stage:
    own = encoder()
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        stage: Stage = subject.build(width=own.width, tokenizer=own.tokenizer, embeddings=_table(own))
    return stage.train()


def step(stage: Stage, given: Texts, inputs: dict[str, Any] | None = None, seed: int | None = None) -> Tensor:
    """The loss; what is random in it is drawn from the example's own seed, or another, and from nothing that was before."""
    own = encoder()
    offered = {"inputs": inputs or given.inputs(), "encode": own, "embeddings": _table(own)}
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(given.seed if seed is None else seed)
        found: Tensor = stage(**named(type(stage).forward, offered))
    return found


def _table(own: Encoder) -> nn.Parameter:
    weight: nn.Parameter = own.backbone.get_input_embeddings().weight  # type: ignore[operator]
    return weight
