"""What is computed again is what was computed: the same gradients to the last bit, in every form, with less memory."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import building
import pytest
import torch
import transformers
from three_tasks import BERT, TASKS, batches, encoder_gradient, halves, make_model
from torch import Tensor, nn

import mtk
from mtk.engine.gradients import Engine
from mtk.engine.packing import why_plain
from mtk.engine.recomputation import recompute
from mtk.model.multitask import Model

SMALL = {"vocab_size": 50, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
SPECIAL = {"pad_token_id": 0, "cls_token_id": 1, "sep_token_id": 2, "bos_token_id": 1, "eos_token_id": 2}
FAMILIES: dict[str, Callable[[], transformers.PreTrainedConfig]] = {
    "bert": lambda: BERT,
    "distilbert": lambda: transformers.DistilBertConfig(vocab_size=50, dim=16, n_layers=2, n_heads=2, hidden_dim=32),
    "roberta": lambda: transformers.RobertaConfig(**SMALL),
    "electra": lambda: transformers.ElectraConfig(**SMALL, embedding_size=8),
    "modernbert": lambda: transformers.ModernBertConfig(**SMALL, **SPECIAL, local_attention=8),
    "deberta": lambda: transformers.DebertaV2Config(**SMALL, relative_attention=True, pos_att_type=["p2c", "c2p"]),
}
NAMES = [task.name for task in TASKS]


def stepped(family: str, combiner: str, *, packed: bool, again: bool, pooling: str = "mean") -> tuple[Model, list[Tensor]]:
    """Two steps with dropout, whole and accumulated: the losses, the gradients, where the random generator is."""
    config = FAMILIES[family]()
    model = make_model(config, pooling).train()
    if again:
        recompute(model.encoder.backbone)
    engine = Engine(model, building.combiner(combiner, NAMES), packed=packed, clip_norm=1.0)
    data, told = batches(padding=config.pad_token_id or 0), []
    torch.manual_seed(1)
    for given in (data, {task: halves(parts) for task, parts in data.items()}):
        outcome = engine.backward(given)
        heads = [p.grad.flatten() for p in model.heads.parameters() if p.grad is not None]
        told += [outcome.losses, encoder_gradient(model), *heads]
        engine.release()
    return model, [*told, torch.get_rng_state()]


@pytest.mark.parametrize("packed", [True, False], ids=["packed", "plain"])
@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_has_the_same_gradients_to_the_last_bit(family: str, packed: bool) -> None:
    if packed and why_plain(make_model(FAMILIES[family]()).encoder, ["input_ids"]):
        pytest.skip("has no packed form")
    pairs = zip(*(stepped(family, "pcgrad", packed=packed, again=again)[1] for again in (True, False)), strict=True)
    assert all(torch.equal(one, other) for one, other in pairs)


@pytest.mark.parametrize("pooling", ["mean", "last-layers:k=2"])
@pytest.mark.parametrize("combiner", ["sum", "uw", "pcgrad:scope=layer"])
def test_and_so_has_every_kind_of_combiner(combiner: str, pooling: str) -> None:
    ways = [stepped("bert", combiner, packed=True, again=again, pooling=pooling) for again in (True, False)]
    assert all(torch.equal(one, other) for one, other in zip(*(told for _, told in ways), strict=True))
    assert all("forward" not in module.__dict__ for module in ways[0][0].modules()), "the encoder is left as it was"


def kept(model: Model, *, packed: bool) -> int:
    """The bytes that a forward pass keeps for the backward pass, of what is no parameter."""
    parameters = {p.untyped_storage().data_ptr() for p in model.parameters()}
    storages: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        if tensor.untyped_storage().data_ptr() not in parameters:
            storages[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    engine = Engine(model, building.combiner("sum", NAMES), packed=packed)
    engine.backward(batches())
    engine.release()
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        losses = engine._forward({task: parts[0] for task, parts in batches().items()}, dict.fromkeys(NAMES, 0))
    assert losses
    return sum(storages.values())


@pytest.mark.parametrize("packed", [True, False], ids=["packed", "plain"])
def test_less_is_kept(packed: bool) -> None:
    bytes_kept = []
    for again in (True, False):
        model = make_model().train()
        if again:
            recompute(model.encoder.backbone)
        bytes_kept.append(kept(model, packed=packed))
    assert bytes_kept[0] < 0.6 * bytes_kept[1], bytes_kept


def test_a_run_with_it_is_the_run_without(tiny_corpus: Path, tiny_encoder: Path, tmp_path: Path) -> None:
    common = {"data": str(tiny_corpus), "encoder": str(tiny_encoder), "steps": 4, "device": "cpu", "combiner": "pcgrad"}
    runs = [mtk.run(**common, recompute=again, out=tmp_path / str(again)).out for again in (True, False)]
    one, other = (mtk.load(run, device="cpu").state_dict() for run in runs)
    assert all(torch.equal(one[name], other[name]) for name in other)
    assert "recompute = true" in (runs[0] / "config.toml").read_text()


def test_what_has_no_blocks_says_so() -> None:
    with pytest.raises(mtk.UsageError, match="--recompute: a Linear has no blocks that could be computed again"):
        recompute(nn.Linear(2, 2))
