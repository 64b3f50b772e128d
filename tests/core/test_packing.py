"""The packed form: for whom it is right, and that it changes no result."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable

import pytest
import torch
import transformers
from three_tasks import TASKS, batches, encoder_gradient, halves, make_model, plain
from torch import Tensor, nn

from mtk import packing
from mtk.attention import attend
from mtk.combiner import GramianCombiner
from mtk.dropout import dropout
from mtk.encoder import load_encoder
from mtk.gradients import Engine
from mtk.packing import MANY_ENTRIES
from mtk.registry import Registry
from mtk.spec import Spec

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


class Fixed(GramianCombiner):
    def weights(self, gramian: Tensor) -> Tensor:
        return gramian.new_tensor([0.5, -2.0, 3.0])


@pytest.mark.parametrize("parts", [1, 2], ids=["whole", "accumulated"])
@pytest.mark.parametrize("family", [*PACKED, *PLAIN])
def test_every_family_has_the_gradients_of_autograd(family: str, parts: int) -> None:
    config = {**PACKED, **PLAIN}[family]()
    model = make_model(config)
    data = batches(padding=config.pad_token_id or 0)
    losses, rows, heads = plain(model, data)
    engine = Engine(model, Fixed([t.name for t in TASKS]))
    for _ in range(2):  # the second step finds the buffers of the first
        model.zero_grad()
        outcome = engine.backward(data if parts == 1 else {task: halves(batch) for task, batch in data.items()})
        torch.testing.assert_close(outcome.losses, losses)
        torch.testing.assert_close(outcome.gramian, rows @ rows.T)
        torch.testing.assert_close(encoder_gradient(model), torch.tensor([0.5, -2.0, 3.0], dtype=torch.float64) @ rows)
        for task, own in heads.items():
            torch.testing.assert_close([p.grad for p in model.head(task).parameters()], own)
    assert engine.packed is (family in PACKED)


@pytest.mark.parametrize("kept", ["encoder", "biases", "embeddings"])
def test_what_is_frozen_stays_out(kept: str) -> None:
    """Whether all of the encoder's upper half is trained, its biases alone, or its tables alone."""
    trained = {"encoder": "layer.1", "biases": "bias", "embeddings": "embeddings.w"}[kept]
    model = make_model(PACKED["bert"]())
    for name, parameter in model.encoder.backbone.named_parameters():
        parameter.requires_grad_(trained in name)
    shared = [p for p in model.encoder.parameters() if p.requires_grad]
    wanted = [
        torch.autograd.grad(model.loss(task, parts[0]), shared, allow_unused=True) for task, parts in batches().items()
    ]
    engine = Engine(model, Fixed([t.name for t in TASKS]))
    engine.backward(batches())
    assert engine.packed
    for parameter, by_task in zip(shared, zip(*wanted, strict=True), strict=True):
        torch.testing.assert_close(parameter.grad, 0.5 * by_task[0] - 2.0 * by_task[1] + 3.0 * by_task[2])
    assert all(p.grad is None for p in model.encoder.parameters() if not p.requires_grad)


def test_the_real_encoder_is_packed() -> None:
    assert load_encoder("minilm", "mean", Registry()).packs(["input_ids", "token_type_ids"])


def test_a_route_that_is_wrong_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    backbone = make_model(PACKED["bert"]()).encoder.backbone
    assert packing.fits(backbone, ["input_ids"])
    monkeypatch.setitem(packing._ROUTES, nn.Linear, lambda self, x: packing._linear(self, x * 1.01) / 1.01)
    assert not packing.fits(backbone, ["input_ids"])


def test_a_parameter_that_is_used_in_another_way_is_noticed() -> None:
    backbone = make_model(PACKED["bert"]()).encoder.backbone
    scale = nn.Parameter(torch.ones((), dtype=torch.float64))
    backbone.register_parameter("scale", scale)
    backbone.encoder.register_forward_pre_hook(lambda module, args: (args[0] * scale, *args[1:]))
    assert not packing.fits(backbone, ["input_ids"])


@pytest.mark.parametrize("combiner", ["sum", "pcgrad", "round-robin"])
def test_200_steps_agree_with_the_plain_way(combiner: str) -> None:
    """Losses step by step, and the weights in the end, to the rounding of float64, which training makes grow."""
    names = [t.name for t in TASKS]
    runs = []
    for packed in (True, False):
        torch.manual_seed(1)
        model = make_model(PACKED["bert"]()).train()
        for module in model.modules():
            if isinstance(module, nn.Dropout):
                module.p = 0.0  # the two ways draw other random numbers
        built = Registry().build("combiner", Spec(combiner), names)
        engine = Engine(model, built, clip_norm=1.0, packed=packed)
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, fused=True)
        losses = []
        for step in range(200):
            data = batches(seed=step)
            for turn in built.turns():
                losses.append(engine.backward({task: data[task] for task in turn}).losses)
                optimizer.step()
                optimizer.zero_grad()
        runs.append((torch.cat(losses), torch.cat([p.detach().flatten() for p in model.parameters()])))
    (packed_losses, packed_weights), (plain_losses, plain_weights) = runs
    torch.testing.assert_close(packed_losses, plain_losses, rtol=1e-8, atol=1e-10)
    torch.testing.assert_close(packed_weights, plain_weights, rtol=1e-6, atol=1e-8)


def test_a_table_is_kept_by_what_was_looked_up() -> None:
    model = make_model(PACKED["bert"]())
    engine = Engine(model, Fixed([t.name for t in TASKS]))
    engine.backward(batches())
    assert engine._rows is not None
    (table,) = engine._rows.tables
    assert table.shape == (MANY_ENTRIES + 1, 16)
    assert engine._rows.matrix.shape[1] == sum(p.numel() for p in model.encoder.parameters()) - table.numel()
    used = torch.cat([parts[0].inputs["input_ids"].flatten() for parts in batches().values()]).unique()
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
    model.heads[0].register_forward_pre_hook(lambda module, args: states.append(weakref.ref(args[0].tokens)))
    gc.disable()
    try:
        engine.backward(batches())
        assert states
        assert all(state() is None for state in states)
    finally:
        gc.enable()


def test_a_failure_within_the_encoder_leaves_it_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    backbone = make_model(PACKED["bert"]()).encoder.backbone

    def fail(self: nn.LayerNorm, x: Tensor) -> Tensor:
        raise RuntimeError

    monkeypatch.setitem(packing._ROUTES, nn.LayerNorm, fail)
    assert not packing.fits(backbone, ["input_ids"])
    assert all("forward" not in module.__dict__ for module in backbone.modules())
    assert backbone.config._attn_implementation == "sdpa"


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("probability", [0.1, 0.5, 0.9])
def test_dropout_keeps_the_share_the_mean_and_the_gradient(probability: float, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    x = torch.ones(1000, 1001, dtype=dtype, requires_grad=True)
    y = dropout(x, probability)
    kept = y != 0
    share = kept.double().mean().item()
    assert share == pytest.approx(1 - probability, abs=4 * (probability * (1 - probability) / x.numel()) ** 0.5)
    torch.testing.assert_close(y[kept], torch.full_like(y[kept], 1 / (1 - probability)), rtol=1e-2, atol=0)
    y.backward(torch.full_like(y, 2.0))
    torch.testing.assert_close(x.grad, 2 * y.detach())
    # neighbours, rows and columns fall independently of one another
    for other in (kept[:, 1:] & kept[:, :-1], kept[1:] & kept[:-1]):
        assert other.double().mean().item() == pytest.approx((1 - probability) ** 2, abs=3e-3)


def test_dropout_follows_the_seed() -> None:
    x = torch.ones(64, 3)
    torch.manual_seed(3)
    first, second = dropout(x, 0.5), dropout(x, 0.5)
    torch.manual_seed(3)
    assert torch.equal(dropout(x, 0.5), first)
    assert not torch.equal(first, second)


@pytest.mark.parametrize(("probability", "wanted"), [(0.0, 1.0), (1.0, 0.0)])
def test_dropout_of_nothing_and_of_all(probability: float, wanted: float) -> None:
    assert torch.equal(dropout(torch.ones(5, 5), probability), torch.full((5, 5), wanted))


def test_attention_is_that_of_torch() -> None:
    torch.manual_seed(0)
    q, k, v = (torch.randn(2, 3, 5, 4, dtype=torch.float64, requires_grad=True) for _ in range(3))
    for mask in (torch.rand(2, 1, 1, 5) > 0.3, torch.rand(5, 5) > 0.3, torch.rand(2, 1, 5, 5) > 0.3):
        mask[..., 0] = True
        ours = attend(q, k, v, mask, 0.7, 0.0)
        torchs = nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=mask, scale=0.7)
        torch.testing.assert_close(ours, torchs)
        toward = torch.randn_like(ours)
        for one, other in zip(
            torch.autograd.grad(ours, (q, k, v), toward), torch.autograd.grad(torchs, (q, k, v), toward), strict=True
        ):
            torch.testing.assert_close(one, other)
