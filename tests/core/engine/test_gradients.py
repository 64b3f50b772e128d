"""The engine's gradients against torch.autograd.grad, task by task, in float64."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import building
import pytest
import torch
from three_tasks import TASKS, batches, encoder_gradient, halves, make_batch, make_model, plain
from torch import Tensor

import mtk
from mtk.combiner import Combiner, GradientCombiner, GramianCombiner, LossCombiner, Step
from mtk.engine.gradients import Engine


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


class OfHalves(GramianCombiner):
    """Keeps what it is given."""

    def weights(self, gramian: Tensor, cross: Tensor) -> Tensor:
        self.given = gramian, cross
        return gramian.new_tensor([0.5, -2.0, 3.0]).expand(gramian.shape[:-1])


class OfHalvesByLayer(OfHalves):
    scope = "layer"


@pytest.mark.parametrize("packed", [True, False], ids=["packed", "plain"])
@pytest.mark.parametrize("kind", [OfHalves, OfHalvesByLayer])
def test_a_method_that_asks_for_them_gets_the_products_of_halves(kind: type[OfHalves], packed: bool) -> None:
    model, data = make_model(), batches()
    whole = plain(model, data)
    parts = {task: halves(of_task) for task, of_task in data.items()}
    first, second = [{task: [both[n]] for task, both in parts.items()} for n in (0, 1)]
    combiner = kind([t.name for t in TASKS])
    engine = Engine(model, combiner, packed=packed, cosines="layer")
    assert engine.in_halves
    a, b = plain(model, first)[1], plain(model, second)[1]
    for _ in range(2):
        model.zero_grad()
        outcome = engine.backward(parts)
        torch.testing.assert_close(outcome.losses, whole[0])
        torch.testing.assert_close(encoder_gradient(model), torch.tensor([0.5, -2.0, 3.0]).double() @ whole[1])
        gramian, cross = (given.sum(dim=0) if kind is OfHalvesByLayer else given for given in combiner.given)
        torch.testing.assert_close(gramian, whole[1] @ whole[1].T)
        torch.testing.assert_close(cross, a @ b.T)
        for task, own in whole[2].items():
            torch.testing.assert_close([p.grad for p in model.head(task).parameters()], own)
    model.zero_grad()
    engine.backward({**data, "sst": parts["sst"]})  # what is in one part stands for both halves
    cross = combiner.given[1].sum(dim=0) if kind is OfHalvesByLayer else combiner.given[1]
    some = torch.stack([a[0], whole[1][1], whole[1][2]]), torch.stack([b[0], whole[1][1], whole[1][2]])
    torch.testing.assert_close(cross, some[0] @ some[1].T)


def expected(combiner: Combiner, losses: Tensor, rows: Tensor) -> Tensor:
    if isinstance(combiner, GradientCombiner):
        return combiner.combine(rows)
    if isinstance(combiner, GramianCombiner):
        return combiner.weights(rows @ rows.T) @ rows
    assert isinstance(combiner, LossCombiner)
    losses = losses.clone().requires_grad_()
    return torch.autograd.grad(combiner.scalarize(losses), losses)[0] @ rows


@pytest.mark.parametrize("packed", [True, False], ids=["packed", "plain"])
@pytest.mark.parametrize("parts", [1, 2], ids=["whole", "accumulated"])
@pytest.mark.parametrize("kind", [Sum, Uncertainty, GeometricMean, Fixed, Extremes])
def test_the_engine_equals_the_plain_way(kind: type[Combiner], parts: int, packed: bool) -> None:
    model, data = make_model(), batches()
    combiner = kind([t.name for t in TASKS])
    losses, rows, heads = plain(model, data)
    engine = Engine(model, combiner, packed=packed)
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


@pytest.mark.parametrize("packed", [True, False], ids=["packed", "plain"])
@pytest.mark.parametrize("parts", [1, 2], ids=["whole", "accumulated"])
@pytest.mark.parametrize("kind", [Sum, Uncertainty, GeometricMean, Fixed, Extremes])
def test_what_two_tasks_read_is_encoded_once_where_one_gradient_is_wanted(
    kind: type[Combiner], parts: int, packed: bool
) -> None:
    """And the gradients are those of encoding it for each of them."""
    model, data = make_model(), {task: halves(batch) if parts == 2 else batch for task, batch in batches().items()}
    data["sts"] = [
        dataclasses.replace(own, readings=its.readings) for own, its in zip(data["sts"], data["sst"], strict=True)
    ]
    encoded: list[int] = []
    table = model.encoder.backbone.get_input_embeddings()
    combiner = kind([t.name for t in TASKS])
    whole = {**batches(), "sts": [dataclasses.replace(batches()["sts"][0], readings=batches()["sst"][0].readings)]}
    losses, rows, heads = plain(model, whole)
    table.register_forward_pre_hook(lambda _, inputs: encoded.append(inputs[0].numel()))
    outcome = Engine(model, combiner, packed=packed).backward(data)
    torch.testing.assert_close(outcome.losses, losses)
    torch.testing.assert_close(encoder_gradient(model), expected(combiner, losses, rows))
    for task, own in heads.items():
        torch.testing.assert_close([p.grad for p in model.head(task).parameters()], own)
    sizes = {task: sum(r.inputs["input_ids"].numel() for part in of for r in part.readings) for task, of in data.items()}
    once = isinstance(combiner, LossCombiner) and (combiner.additive or parts == 1)
    assert sum(encoded) == sum(sizes.values()) - once * sizes["sts"]


def test_a_parameter_of_the_combiner_gets_the_gradient_of_the_scalar() -> None:
    model, data = make_model(), batches()
    combiner = Uncertainty([t.name for t in TASKS])
    losses = building.engine(model, combiner).backward(data).losses
    wanted = 1 - losses * (-combiner.log_variances).exp()
    torch.testing.assert_close(combiner.log_variances.grad, wanted.detach())


@pytest.mark.parametrize("packed", [True, False], ids=["packed", "plain"])
@pytest.mark.parametrize("clip_norm", [0.0, 1.0])
@pytest.mark.parametrize("kind", [Sum, Uncertainty, Fixed, Extremes])
def test_a_parameter_that_no_task_touches_gets_no_gradient(kind: type[Combiner], clip_norm: float, packed: bool) -> None:
    model = make_model()
    Engine(model, kind([t.name for t in TASKS]), clip_norm=clip_norm, packed=packed).backward(batches())
    assert model.encoder.backbone.unused.grad is None


@pytest.mark.parametrize("packed", [True, False], ids=["packed", "plain"])
@pytest.mark.parametrize("clip_norm", [0.01, 1e6], ids=["clipped", "short enough"])
@pytest.mark.parametrize("kind", [Sum, Uncertainty, GeometricMean, Fixed, Extremes])
def test_clipping_is_that_of_torch(kind: type[Combiner], clip_norm: float, packed: bool) -> None:
    model = make_model()
    combiner = kind([t.name for t in TASKS])
    Engine(model, combiner, packed=packed).backward(batches())
    torch.nn.utils.clip_grad_norm_(model.parameters(), clip_norm)
    wanted = [None if p.grad is None else p.grad.clone() for p in model.parameters()]
    model.zero_grad()
    Engine(model, combiner, packed=packed, clip_norm=clip_norm).backward(batches())
    torch.testing.assert_close([p.grad for p in model.parameters()], wanted)


def test_the_heads_of_tasks_whose_turn_it_is_not_are_left_alone() -> None:
    model, data = make_model(), batches()
    building.engine(model, Sum([t.name for t in TASKS])).backward({"para": data["para"]})
    assert all(p.grad is None for task in ("sst", "sts") for p in model.head(task).parameters())
    assert all(p.grad is not None for p in model.head("para").parameters())


def test_pcgrad_without_conflict_is_the_sum() -> None:
    """Three times the same task: the gradients are one and the same, and nothing is projected away."""
    model = make_model()
    data = {task: [make_batch(task, 6, 0)] for task in ("sst",)}
    gradients = []
    for name in ("sum", "pcgrad"):
        model.zero_grad()
        building.engine(model, building.combiner(name, ["sst"])).backward(data)
        gradients.append(encoder_gradient(model))
    assert torch.equal(*gradients)


class ByLayer(GramianCombiner):
    """Other weights in each layer, of what it is given and of what it may know of the step."""

    scope = "layer"

    def weights(self, gramian: Tensor, step: Step) -> Tensor:
        squares = gramian.diagonal(dim1=1, dim2=2)
        shares = squares / squares.sum(dim=1, keepdim=True).clamp_min(1e-12)  # no task touches the first layer
        return shares * step.losses + torch.arange(len(gramian)).unsqueeze(1)


@pytest.mark.parametrize("clip_norm", [0.0, 0.01])
@pytest.mark.parametrize("packed", [True, False], ids=["packed", "plain"])
@pytest.mark.parametrize("parts", [1, 2], ids=["whole", "accumulated"])
def test_a_combiner_may_decide_layer_by_layer(parts: int, packed: bool, clip_norm: float) -> None:
    model, data = make_model(), batches()
    combiner = ByLayer([t.name for t in TASKS])
    losses, rows, heads = plain(model, data)
    engine = Engine(model, combiner, packed=packed, clip_norm=clip_norm)
    outcome = engine.backward(data if parts == 1 else {task: halves(batch) for task, batch in data.items()})

    assert engine.layers == ("unused", "embeddings", "encoder.layer.0", "encoder.layer.1")
    layer_of_column = torch.cat(
        [
            torch.full((p.numel(),), [name.startswith(layer) for layer in engine.layers].index(True))
            for name, p in model.encoder.backbone.named_parameters()
        ]
    )
    gramians = torch.stack([rows[:, layer_of_column == i] @ rows[:, layer_of_column == i].T for i in range(4)])
    torch.testing.assert_close(outcome.gramian, gramians)
    step = Step(tuple(data), losses, torch.full((3,), 6), torch.tensor(0))
    weights = combiner.weights(gramians, step)
    wanted = (weights[layer_of_column].T * rows).sum(dim=0)
    if clip_norm:
        total = torch.cat([wanted, *(g.flatten() for own in heads.values() for g in own)]).norm()
        wanted = wanted * clip_norm / (total + 1e-6)
    torch.testing.assert_close(encoder_gradient(model), wanted)


def test_the_layers_of_a_step_add_up_to_the_encoder() -> None:
    model, data = make_model(), batches()
    engine = Engine(model, Sum([t.name for t in TASKS]), packed=True, cosines="layer")
    by_layer = engine.backward(data)
    plainly = Engine(model, Sum([t.name for t in TASKS]), packed=True, cosines="encoder").backward(data)
    assert by_layer.gramian is not None
    torch.testing.assert_close(by_layer.gramian.sum(dim=0), plainly.gramian)
    _, rows, _ = plain(model, data)
    torch.testing.assert_close(plainly.gramian, rows @ rows.T)


@pytest.mark.parametrize("kind", [Sum, Uncertainty, Fixed, Extremes])
def test_measuring_cosines_changes_no_gradient(kind: type[Combiner]) -> None:
    gradients = []
    for cosines in ("auto", "encoder", "layer"):
        model = make_model()
        engine = Engine(model, kind([t.name for t in TASKS]), packed=True, clip_norm=1.0, cosines=cosines)
        assert (engine.backward(batches()).gramian is None) == (cosines == "auto" and kind is not Fixed)
        gradients.append(torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None]))
    torch.testing.assert_close(gradients[1], gradients[0])
    torch.testing.assert_close(gradients[2], gradients[0])


@pytest.mark.parametrize("packed", [True, False], ids=["packed", "plain"])
@pytest.mark.parametrize("kind", [Sum, Uncertainty, Fixed, Extremes])
def test_what_the_encoder_gets_is_compared_with_what_each_task_asked_for(kind: type[Combiner], packed: bool) -> None:
    model, data = make_model(), batches()
    _, rows, _ = plain(model, data)
    engine = Engine(model, kind([t.name for t in TASKS]), packed=packed, cosines="encoder")
    found = engine.backward(data).combined
    gradient = encoder_gradient(model)
    torch.testing.assert_close(found, torch.cat([rows @ gradient, (gradient @ gradient)[None]]))
    engine.release()
    layered = Engine(model, kind([t.name for t in TASKS]), packed=packed, clip_norm=1e-3, cosines="layer")
    by_layer = layered.backward(data).combined
    assert by_layer is not None and by_layer.shape == (len(engine.layers), len(TASKS) + 1)
    torch.testing.assert_close(by_layer.sum(dim=0), found, msg="before it is clipped")


class Curious(GramianCombiner):
    """Remembers the steps that it saw."""

    def __init__(self, tasks: Sequence[str]) -> None:
        super().__init__(tasks)
        self.seen: list[Step] = []

    def turns(self) -> list[tuple[str, ...]]:
        return [self.tasks, self.tasks[1:]]

    def weights(self, gramian: Tensor, step: Step) -> Tensor:
        self.seen.append(Step(step.tasks, step.losses.clone(), step.examples.clone(), step.number.clone()))
        return torch.ones_like(step.losses)


@pytest.mark.parametrize("packed", [True, False], ids=["packed", "plain"])
def test_a_combiner_may_know_the_step(packed: bool) -> None:
    model, data = make_model(), batches()
    combiner = Curious([t.name for t in TASKS])
    engine = Engine(model, combiner, packed=packed)
    losses, _, _ = plain(model, data)
    for turn in combiner.turns():
        engine.backward({task: halves(data[task]) for task in turn})
        engine.release()
    assert [step.tasks for step in combiner.seen] == combiner.turns()
    assert [int(step.number) for step in combiner.seen] == [0, 1]
    assert [step.examples.tolist() for step in combiner.seen] == [[6, 6, 6], [6, 6]]
    torch.testing.assert_close(combiner.seen[0].losses, losses)
    assert not any(step.losses.requires_grad for step in combiner.seen)


class Contrast(mtk.Head):
    """A head that reads a pair in both ways and has a loss of its own."""

    pair_encoding = "both"

    def __init__(self, width: int, outputs: int, inputs: int) -> None:
        super().__init__()
        self.score = torch.nn.Linear(width * inputs, outputs)

    def forward(self, first, second, joint, labels=None):  # type: ignore[no-untyped-def]
        logits = self.score(torch.cat([e.embedding for e in (first, second, joint)], dim=-1))
        apart = torch.nn.functional.cosine_similarity(first.embedding, second.embedding).mean()
        return logits, {} if labels is None else {"apart": apart, "size": logits.square().mean()}


@pytest.mark.parametrize("packed", [True, False], ids=["packed", "plain"])
@pytest.mark.parametrize("parts", [1, 2], ids=["whole", "accumulated"])
def test_a_head_may_read_a_pair_in_both_ways_and_have_losses_of_its_own(parts: int, packed: bool) -> None:
    model, data = make_model(), batches()
    model.heads[2] = Contrast(16, 1, 3).double()
    (apart,), (joint,) = make_batch("para", 6, 9).readings, data["sts"][0].readings
    both = dataclasses.replace(data["sts"][0], readings=(apart, joint))
    data["sts"] = [both]
    losses, rows, heads = plain(model, data)
    own = model.loss("sts", both).own
    halved = {task: halves(batch) for task, batch in data.items()}
    combiner = Fixed([t.name for t in TASKS])
    outcome = Engine(model, combiner, packed=packed).backward(data if parts == 1 else halved)
    torch.testing.assert_close(outcome.losses, losses)
    assert outcome.own_losses.keys() == {"sts/apart", "sts/size"}
    torch.testing.assert_close(outcome.own_losses["sts/apart"], own["apart"])
    torch.testing.assert_close(encoder_gradient(model), expected(combiner, losses, rows))
    for task, wanted in heads.items():
        torch.testing.assert_close([p.grad for p in model.head(task).parameters()], wanted)
    assert model("sts", both).shape == (6, 1)
