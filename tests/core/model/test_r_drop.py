"""What R-Drop adds to a loss, against the equation written out, for each kind; and a run that is given it."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import building
import kinds
import pytest
import torch
from learnable import KINDS, make_task, split
from torch import Tensor

from mtk.config import RunConfig
from mtk.model.r_drop import r_drop
from mtk.training.trainer import Trainer

THREE = ("low", "middle", "high")


def random(*shape: int, seed: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def divergence(p: Tensor, q: Tensor) -> Tensor:
    """Both of Kullback and Leibler's of each row, halved."""
    return ((p * (p / q).log()).sum(dim=-1) + (q * (q / p).log()).sum(dim=-1)) / 2


def test_of_labels_it_is_that_of_their_distributions() -> None:
    one, other = random(6, 3, seed=0), random(6, 3, seed=1)
    found = r_drop(kinds.make("classification", labels=THREE), 3.0, torch.cat([one, other]), None)
    torch.testing.assert_close(found, 1.5 * divergence(one.softmax(-1), other.softmax(-1)).mean())


def test_of_yes_and_no_it_is_that_of_both() -> None:
    one, other = random(6, 1, seed=0), random(6, 1, seed=1)
    p, q = (torch.cat([logits.sigmoid(), 1 - logits.sigmoid()], dim=1) for logits in (one, other))
    found = r_drop(kinds.make("binary"), 2.0, torch.cat([one, other]), None)
    torch.testing.assert_close(found, divergence(p, q).mean())


def test_of_several_labels_it_is_the_mean_of_each() -> None:
    one, other = random(6, 3, seed=0), random(6, 3, seed=1)
    p, q = (torch.stack([logits.sigmoid(), 1 - logits.sigmoid()], dim=-1) for logits in (one, other))
    found = r_drop(kinds.make("multilabel", labels=THREE), 2.0, torch.cat([one, other]), None)
    torch.testing.assert_close(found, divergence(p, q).mean())


def test_of_a_score_it_is_the_squared_difference() -> None:
    one, other = random(6, 1, seed=0), random(6, 1, seed=1)
    found = r_drop(kinds.make("regression", range=(0, 5)), 2.0, torch.cat([one, other]), None)
    torch.testing.assert_close(found, (5 * one.sigmoid() - 5 * other.sigmoid()).square().mean())


@pytest.mark.parametrize("name", ["ranking", "multiple-choice"])
def test_of_candidates_it_is_that_of_those_that_there_are(name: str) -> None:
    mask = torch.tensor([[True, True, True], [True, True, False]])
    one, other = (random(2, 3, 1, seed=seed).masked_fill(~mask.unsqueeze(-1), 0) for seed in (0, 1))
    rows = [divergence(one[i, :n, 0].softmax(0), other[i, :n, 0].softmax(0)) for i, n in enumerate((3, 2))]
    found = r_drop(kinds.make(name), 2.0, torch.cat([one, other]), torch.cat([mask, mask]))
    torch.testing.assert_close(found, torch.stack(rows).mean())


def test_of_words_it_is_the_mean_over_words() -> None:
    mask = torch.tensor([[True, True, True], [True, False, False]])
    one, other = random(2, 3, 3, seed=0), random(2, 3, 3, seed=1)
    found = r_drop(kinds.make("tokens", labels=THREE), 2.0, torch.cat([one, other]), torch.cat([mask, mask]))
    torch.testing.assert_close(found, divergence(one.softmax(-1), other.softmax(-1))[mask].mean())


def trainer(encoder: Path, combiner: str, **settings: object) -> Trainer:
    torch.manual_seed(0)
    tasks = [make_task(f"task{number}", kind, number > 0) for number, kind in enumerate(KINDS)]
    model = building.model(encoder, tasks, {t.name: "concat-mlp" if t.pair else "linear" for t in tasks})
    tokens = {t.name: model.tokenize(t.name, split(t.kind, t.pair, 0)) for t in tasks}
    engine = building.engine(model.train(), building.combiner(combiner, list(tokens)), names=tokens["task0"].names)
    sizes = dict.fromkeys(tokens, 4)
    return Trainer(engine, tokens, sizes, RunConfig(**settings), building.recipe(), report=lambda progress: None)  # type: ignore[arg-type]


@pytest.mark.parametrize("combiner", ["sum", "pcgrad"])
@pytest.mark.parametrize("accumulate", [1, 2])
def test_without_dropout_twice_the_examples_are_the_same_step(tiny_encoder: Path, combiner: str, accumulate: int) -> None:
    """Both answers are one then, so nothing is added to a loss that is the mean of both."""
    told = {}
    for alpha in (0.0, 4.0):
        one = trainer(tiny_encoder, combiner, r_drop=alpha, accumulate=accumulate)
        for module in one.model.modules():
            if isinstance(module, torch.nn.Dropout):
                module.p = 0.0
        examples = {task: next(islice(iter(batches), 1)) for task, batches in one.batches.items()}
        outcome = one.engine.backward(one._parts(examples), {task: len(numbers) for task, numbers in examples.items()})
        told[alpha] = outcome, [p.grad.clone() for p in one.model.parameters() if p.grad is not None]
    torch.testing.assert_close(told[4.0][0].losses, told[0.0][0].losses)
    torch.testing.assert_close(told[4.0][1], told[0.0][1], rtol=1e-3, atol=1e-5)
    assert set(told[4.0][0].own_losses) == {f"task{number}/r_drop" for number in range(len(KINDS))}


def test_with_it_answers_come_to_depend_less_on_dropout(tiny_encoder: Path) -> None:
    apart = {}
    for alpha in (1e-9, 300.0):
        one = trainer(tiny_encoder, "sum", r_drop=alpha, epochs=15, learning_rate=1e-3)
        torch.manual_seed(1)
        for _ in one.evaluations():
            pass
        told = []
        for batches in zip(*(islice(iter(b), 4) for b in one.batches.values()), strict=True):
            examples = dict(zip(one.batches, batches, strict=True))
            with torch.no_grad():
                own = one.engine._passed(one._parts(examples), {t: len(n) for t, n in examples.items()}, backward=False)[1]
            told.append(sum(own.values()) / alpha)
        apart[alpha] = float(torch.stack(told).mean())
    assert apart[300.0] < apart[1e-9] / 2
