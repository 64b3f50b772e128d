"""The packed form: for whom it is right, and that it changes no result."""

from __future__ import annotations

import dataclasses
import functools
import gc
import weakref
from collections import Counter
from collections.abc import Callable
from typing import Any

import building
import pytest
import torch
import transformers
from three_tasks import TASKS, batches, encoder_gradient, halves, make_model, plain
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from mtk.combiner import GramianCombiner
from mtk.engine.gradients import Engine
from mtk.engine.packing import why_plain
from mtk.engine.packing.routing import MANY_ENTRIES

SMALL = {
    "vocab_size": MANY_ENTRIES + 1,  # so that its table is kept by the entries that were looked up
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "max_position_embeddings": 40,
}
DISTILBERT = {"vocab_size": MANY_ENTRIES + 1, "dim": 16, "n_layers": 2, "n_heads": 2, "hidden_dim": 32}
MODERNBERT = {**SMALL, "pad_token_id": 0, "cls_token_id": 1, "sep_token_id": 2, "bos_token_id": 1, "eos_token_id": 2}
PACKED: dict[str, Callable[[], transformers.PreTrainedConfig]] = {
    "bert": lambda: transformers.BertConfig(**SMALL),
    "distilbert": lambda: transformers.DistilBertConfig(**DISTILBERT),
    "roberta": lambda: transformers.RobertaConfig(**SMALL),
    "xlm-roberta": lambda: transformers.XLMRobertaConfig(**SMALL),
    "electra": lambda: transformers.ElectraConfig(**SMALL, embedding_size=8),
    "albert": lambda: transformers.AlbertConfig(**SMALL, embedding_size=8),  # one layer's weights, used by all
    "modernbert": lambda: transformers.ModernBertConfig(**MODERNBERT, local_attention=8),  # sequences are longer than that
}
PLAIN: dict[str, Callable[[], transformers.PreTrainedConfig]] = {
    "mpnet": lambda: transformers.MPNetConfig(**SMALL),  # its attention is told how far tokens are apart
    "deberta": lambda: transformers.DebertaV2Config(**SMALL, relative_attention=True, pos_att_type=["p2c", "c2p"]),
    "convbert": lambda: transformers.ConvBertConfig(**SMALL, embedding_size=16),  # a convolution across tokens
}


FORMS = ["padded", "padding-free", "padding-free, lengths on the device"]


def in_form(engine: Engine, form: str) -> Engine:
    """The same engine, with its packed sequence in this form. The last one is a device's, which a CPU can compute too, in
    float32."""
    model, packed = engine.model, engine.packed
    made = Engine(model, engine.combiner, packed=packed, padding_free=form != "padded", clip_norm=engine.clip_norm)
    made.by_room = packed and form == FORMS[2]
    return made


class Fixed(GramianCombiner):
    def weights(self, gramian: Tensor) -> Tensor:
        return gramian.new_tensor([0.5, -2.0, 3.0])


@pytest.mark.parametrize("parts", [1, 2], ids=["whole", "accumulated"])
@pytest.mark.parametrize(
    ("family", "form"), [*((family, form) for family in PACKED for form in FORMS), *((family, FORMS[0]) for family in PLAIN)]
)
def test_every_family_has_the_gradients_of_autograd(family: str, form: str, parts: int) -> None:
    config = {**PACKED, **PLAIN}[family]()
    model = make_model(config)
    data = batches(padding=config.pad_token_id or 0)
    losses, rows, heads = plain(model, data)
    engine = in_form(building.engine(model, Fixed([t.name for t in TASKS])), form)
    assert engine.packed is (family in PACKED)
    close = functools.partial(torch.testing.assert_close, check_dtype=False)
    if engine.by_room:
        model.float()
        data = {task: [dataclasses.replace(b, labels=b.labels.float()) for b in own] for task, own in data.items()}
        close = functools.partial(close, rtol=1e-4, atol=1e-5)
    for _ in range(2):  # the second step finds the buffers of the first
        model.zero_grad()
        outcome = engine.backward(data if parts == 1 else {task: halves(batch) for task, batch in data.items()})
        close(outcome.losses, losses)
        close(outcome.gramian, rows @ rows.T)
        close(encoder_gradient(model), torch.tensor([0.5, -2.0, 3.0], dtype=torch.float64) @ rows)
        for task, own in heads.items():
            close([p.grad for p in model.head(task).parameters()], own)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kept", ["encoder", "biases", "embeddings"])
def test_what_is_frozen_stays_out(kept: str, form: str) -> None:
    """Whether all of the encoder's upper half is trained, its biases alone, or its tables alone."""
    trained = {"encoder": "layer.1", "biases": "bias", "embeddings": "embeddings.w"}[kept]
    model = make_model(PACKED["bert"]())
    for name, parameter in model.encoder.backbone.named_parameters():
        parameter.requires_grad_(trained in name)
    shared = [p for p in model.encoder.parameters() if p.requires_grad]
    wanted = [
        torch.autograd.grad(model.loss(task, parts[0]).total, shared, allow_unused=True) for task, parts in batches().items()
    ]
    engine = in_form(building.engine(model, Fixed([t.name for t in TASKS])), form)
    assert engine.packed
    if engine.by_room:
        model.float()
    engine.backward(batches())
    near = {"rtol": 1e-4, "atol": 1e-5} if engine.by_room else {}
    for parameter, by_task in zip(shared, zip(*wanted, strict=True), strict=True):
        grad = None if parameter.grad is None else parameter.grad.double()
        torch.testing.assert_close(grad, 0.5 * by_task[0] - 2.0 * by_task[1] + 3.0 * by_task[2], **near)
    assert all(p.grad is None for p in model.encoder.parameters() if not p.requires_grad)


def test_the_real_encoder_is_packed() -> None:
    assert why_plain(building.named_encoder("minilm"), ["input_ids", "token_type_ids"]) is None


@pytest.mark.parametrize("combiner", ["sum", "pcgrad", "round-robin"])
def test_200_steps_agree_with_the_plain_way(combiner: str) -> None:
    """Losses step by step, and the weights in the end, to the rounding of float64, which training makes grow."""
    names = [t.name for t in TASKS]
    runs = []
    for packed, padding_free in ((False, False), (True, False), (True, True)):
        torch.manual_seed(1)
        model = make_model(PACKED["bert"]()).train()
        for module in model.modules():
            if isinstance(module, nn.Dropout):
                module.p = 0.0  # the two ways draw other random numbers
        built = building.combiner(combiner, names)
        engine = Engine(model, built, clip_norm=1.0, packed=packed, padding_free=padding_free)
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, fused=True)
        losses = []
        for step in range(200):
            data = batches(seed=step)
            for turn in built.turns():
                losses.append(engine.backward({task: data[task] for task in turn}).losses)
                optimizer.step()
                optimizer.zero_grad()
        runs.append((torch.cat(losses), torch.cat([p.detach().flatten() for p in model.parameters()])))
    (plain_losses, plain_weights), *packed_runs = runs
    for packed_losses, packed_weights in packed_runs:
        torch.testing.assert_close(packed_losses, plain_losses, rtol=1e-8, atol=1e-10)
        torch.testing.assert_close(packed_weights, plain_weights, rtol=1e-6, atol=1e-8)


def test_a_table_is_kept_by_what_was_looked_up() -> None:
    model = make_model(PACKED["bert"]())
    engine = building.engine(model, Fixed([t.name for t in TASKS]))
    engine.backward(batches())
    assert engine._rows is not None
    (table,) = engine._rows.tables
    assert table.shape == (MANY_ENTRIES + 1, 16)
    assert engine._rows.matrix.shape[1] == sum(p.numel() for p in model.encoder.parameters()) - table.numel()
    used = torch.cat([parts[0].readings[0].inputs["input_ids"].flatten() for parts in batches().values()]).unique()
    assert table.grad is not None
    assert set(table.grad.any(dim=1).nonzero().flatten().tolist()) <= set(used.tolist())


def test_the_model_is_left_as_it_was() -> None:
    model = make_model(PACKED["bert"]())
    before = model.encoder.backbone.config._attn_implementation
    plainly = model("sst", batches()["sst"][0])
    Engine(model, Fixed([t.name for t in TASKS]), packed=True).backward(batches())
    assert model.encoder.backbone.config._attn_implementation == before
    assert all("forward" not in module.__dict__ for module in model.modules())
    torch.testing.assert_close(model("sst", batches()["sst"][0]), plainly)


def test_no_graph_outlives_its_step() -> None:
    model = make_model(PACKED["bert"]())
    engine = Engine(model, Fixed([t.name for t in TASKS]), packed=True)
    states: list[weakref.ref[Tensor]] = []
    model.heads[0].register_forward_pre_hook(
        lambda module, args, given: states.append(weakref.ref(given["first"].tokens)), with_kwargs=True
    )
    gc.disable()
    try:
        engine.backward(batches())
        assert states
        assert all(state() is None for state in states)
    finally:
        gc.enable()


class Casts(TorchDispatchMode):
    """Counts, by where a tensor is in memory, how often it is cast."""

    def __init__(self) -> None:
        super().__init__()
        self.of: Counter[int] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.ops.aten._to_copy.default:
            self.of[args[0].data_ptr()] += 1
        return func(*args, **(kwargs or {}))


def test_weights_are_cast_once_for_all_parts_of_a_batch() -> None:
    model = make_model(PACKED["albert"]()).float()  # whose layers have the same weights
    model.autocast = torch.bfloat16
    engine = Engine(model, Fixed([t.name for t in TASKS]), packed=True)
    with Casts() as casts:
        engine.backward({task: halves(own) for task, own in batches().items()})
    weights = [
        m.weight for m in model.encoder.modules() if isinstance(m, nn.Linear) and m is not model.encoder.backbone.pooler
    ]
    assert weights
    assert {casts.of[weight.data_ptr()] for weight in weights} == {1}
