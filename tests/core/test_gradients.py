"""The engine's gradients against torch.autograd.grad, task by task, in float64."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest
import torch
from torch import Tensor
from transformers import BertConfig, BertModel

from mtk.combiner import Combiner, GradientCombiner, GramianCombiner, LossCombiner
from mtk.data.tokens import Batch
from mtk.encoder import Encoder
from mtk.gradients import Engine
from mtk.model import Model
from mtk.registry import Registry
from mtk.spec import Spec
from mtk.task import Binary, Classification, Regression, Task

TASKS = [
    Task(name="sst", kind=Classification(("0", "1", "2")), text=("a",), label="y"),
    Task(name="para", kind=Binary(), text=("a", "b"), label="y"),
    Task(name="sts", kind=Regression(0, 5), text=("a", "b"), label="y"),
]
HEADS = {"sst": Spec("cnn"), "para": Spec("linear"), "sts": Spec("concat-mlp")}


class Sum(LossCombiner):
    additive = True

    def scalarize(self, losses: Tensor) -> Tensor:
        return losses.sum()


class Uncertainty(LossCombiner):
    """Kendall, Gal and Cipolla 2018, equation 10, with s = log σ²."""

    def __init__(self, tasks: Sequence[str]) -> None:
        super().__init__(tasks)
        self.log_variances = torch.nn.Parameter(torch.tensor([0.3, -0.2, 0.1], dtype=torch.float64))

    def scalarize(self, losses: Tensor) -> Tensor:
        return (losses * (-self.log_variances).exp() + self.log_variances).sum()


class GeometricMean(LossCombiner):
    def scalarize(self, losses: Tensor) -> Tensor:
        return losses.log().mean().exp()


class Fixed(GramianCombiner):
    def weights(self, gramian: Tensor) -> Tensor:
        return gramian.new_tensor([0.5, -2.0, 3.0])


class Extremes(GradientCombiner):
    def combine(self, gradients: Tensor) -> Tensor:
        return gradients.amax(dim=0) + gradients.amin(dim=0)


def make_model() -> Model:
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=50,
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=32,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )
    model = Model(Encoder(BertModel(config), None, "mean"), TASKS, HEADS, 32, Registry()).double().eval()
    model.encoder.backbone.register_parameter("unused", torch.nn.Parameter(torch.ones(3, dtype=torch.float64)))
    return model


def make_batch(task: str, examples: int, seed: int) -> Batch:
    generator = torch.Generator().manual_seed(seed)
    sequences = 2 if task == "para" else 1
    lengths = torch.randint(3, 12, (examples * sequences,), generator=generator)
    mask = torch.arange(12) < lengths.unsqueeze(1)
    ids = torch.where(mask, torch.randint(1, 50, mask.shape, generator=generator), 0)
    highest = {"sst": 3, "para": 2, "sts": 6}[task]
    labels = torch.randint(0, highest, (examples,), generator=generator).double()
    return Batch({"input_ids": ids, "attention_mask": mask.long()}, sequences, labels, int(lengths.sum()))


def batches() -> dict[str, list[Batch]]:
    return {task.name: [make_batch(task.name, 6, seed)] for seed, task in enumerate(TASKS)}


def halves(parts: Sequence[Batch]) -> list[Batch]:
    """The same batch in two parts of unequal size."""
    whole = parts[0]
    examples = len(whole)

    def part(chosen: list[int]) -> Batch:
        rows = [n * examples + i for n in range(whole.sequences) for i in chosen]
        return Batch({k: v[rows] for k, v in whole.inputs.items()}, whole.sequences, whole.labels[chosen], 0)

    return [part(list(range(4))), part(list(range(4, examples)))]


def plain(model: Model, data: Mapping[str, list[Batch]]) -> tuple[Tensor, Tensor, dict[str, list[Tensor]]]:
    """Losses [T], gradients over the encoder [T, P], and each head's own gradients, the plain way."""
    shared = list(model.encoder.parameters())
    losses, rows, heads = [], [], {}
    for task, parts in data.items():
        loss = model.loss(task, parts[0])
        own = list(model.head(task).parameters())
        gradients = torch.autograd.grad(loss, shared + own, allow_unused=True)
        gradients = [torch.zeros_like(p) if g is None else g for p, g in zip(shared + own, gradients, strict=True)]
        losses.append(loss.detach())
        rows.append(torch.cat([g.flatten() for g in gradients[: len(shared)]]))
        heads[task] = gradients[len(shared) :]
    return torch.stack(losses), torch.stack(rows), heads


def encoder_gradient(model: Model) -> Tensor:
    return torch.cat([(torch.zeros_like(p) if p.grad is None else p.grad).flatten() for p in model.encoder.parameters()])


def expected(combiner: Combiner, losses: Tensor, rows: Tensor) -> Tensor:
    if isinstance(combiner, GradientCombiner):
        return combiner.combine(rows)
    if isinstance(combiner, GramianCombiner):
        return combiner.weights(rows @ rows.T) @ rows
    assert isinstance(combiner, LossCombiner)
    losses = losses.clone().requires_grad_()
    return torch.autograd.grad(combiner.scalarize(losses), losses)[0] @ rows


@pytest.mark.parametrize("parts", [1, 2], ids=["whole", "accumulated"])
@pytest.mark.parametrize("kind", [Sum, Uncertainty, GeometricMean, Fixed, Extremes])
def test_the_engine_equals_the_plain_way(kind: type[Combiner], parts: int) -> None:
    model, data = make_model(), batches()
    combiner = kind([t.name for t in TASKS])
    losses, rows, heads = plain(model, data)
    engine = Engine(model, combiner)
    for _ in range(2):  # the second step finds the buffers of the first
        model.zero_grad()
        outcome = engine.backward(data if parts == 1 else {task: halves(batch) for task, batch in data.items()})
        torch.testing.assert_close(outcome.losses, losses)
        torch.testing.assert_close(encoder_gradient(model), expected(combiner, losses, rows))
        for task, own in heads.items():
            torch.testing.assert_close([p.grad for p in model.head(task).parameters()], own)
        if isinstance(combiner, GramianCombiner):
            torch.testing.assert_close(outcome.gramian, rows @ rows.T)
        else:
            assert outcome.gramian is None


def test_a_parameter_of_the_combiner_gets_the_gradient_of_the_scalar() -> None:
    model, data = make_model(), batches()
    combiner = Uncertainty([t.name for t in TASKS])
    losses = Engine(model, combiner).backward(data).losses
    wanted = 1 - losses * (-combiner.log_variances).exp()
    torch.testing.assert_close(combiner.log_variances.grad, wanted.detach())


def test_a_parameter_that_no_task_touches_gets_zero() -> None:
    model = make_model()
    Engine(model, Fixed([t.name for t in TASKS])).backward(batches())
    unused = model.encoder.backbone.unused
    assert isinstance(unused, torch.nn.Parameter)
    assert unused.grad is not None
    assert not unused.grad.any()


def test_the_heads_of_tasks_whose_turn_it_is_not_are_left_alone() -> None:
    model, data = make_model(), batches()
    Engine(model, Sum([t.name for t in TASKS])).backward({"para": data["para"]})
    assert all(p.grad is None for task in ("sst", "sts") for p in model.head(task).parameters())
    assert all(p.grad is not None for p in model.head("para").parameters())


def test_pcgrad_without_conflict_is_the_sum() -> None:
    """Three times the same task: the gradients are one and the same, and nothing is projected away."""
    model = make_model()
    data = {task: [make_batch(task, 6, 0)] for task in ("sst",)}
    registry = Registry()
    gradients = []
    for name in ("sum", "pcgrad"):
        model.zero_grad()
        Engine(model, registry.build("combiner", Spec(name), ["sst"])).backward(data)
        gradients.append(encoder_gradient(model))
    assert torch.equal(*gradients)
