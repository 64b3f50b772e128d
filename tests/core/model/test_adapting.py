"""An adapter is trained in place of its encoder, with any combiner; saved, resumed, merged; and read as an encoder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from building import NEEDED, REGISTRY, combiner, encoder, model, read_tasks
from safetensors.torch import load_file
from torch import Tensor, nn
from transformers import AutoModel, BertConfig, BertForSequenceClassification

import mtk
from mtk.adapter import ADAPTERS
from mtk.config import read_config
from mtk.engine.gradients import Engine
from mtk.engine.packing import why_plain
from mtk.host.adapters import read_adapter
from mtk.model.adapting import adapt, is_adapted, merged
from mtk.model.encoder import Encoder, load_parts
from mtk.training.build_model import with_pooling

peft = pytest.importorskip("peft", reason="the extra peft is not installed")

MEAN = REGISTRY.part("pooling", "mean")
TARGETS = {"loha": ":target_modules=query/value", "lokr": ":target_modules=query/value"}


def adapted(directory: Path, text: str) -> Encoder:
    """An encoder with an adapter that does something: a fresh one does not."""
    loaded, adapter = load_parts(str(directory)), read_adapter(text)
    assert adapter
    adapt(loaded.backbone, adapter, str(directory))
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in loaded.backbone.parameters():
            if parameter.requires_grad:
                parameter.add_(0.1 * torch.randn_like(parameter))
    return with_pooling(loaded, MEAN)


def states(backbone: nn.Module) -> Tensor:
    ids = torch.tensor([[2, 7, 8, 9, 3], [2, 6, 5, 4, 3]])
    with torch.no_grad():
        found: Tensor = backbone.eval()(input_ids=ids, attention_mask=torch.ones_like(ids)).last_hidden_state
    return found


@pytest.mark.parametrize("name", [*ADAPTERS, "lora:use_dora=true", "lora:r=2,target_modules=all-linear"])
def test_it_alone_is_trained_and_merged_it_does_the_same(tiny_encoder: Path, name: str) -> None:
    plain = load_parts(str(tiny_encoder)).backbone
    built = adapted(tiny_encoder, name + TARGETS.get(name, ""))
    own = {n.replace(".base_layer", "") for n, p in built.backbone.named_parameters() if not p.requires_grad}
    assert own == {n for n, _ in with_pooling(load_parts(str(tiny_encoder)), MEAN).backbone.named_parameters()}
    assert not torch.allclose(states(built.backbone), states(plain), atol=1e-3)
    whole = merged(built.backbone)
    assert type(whole) is type(plain)
    assert {n for n, _ in whole.named_parameters()} == own
    torch.testing.assert_close(states(whole), states(built.backbone), atol=1e-5, rtol=1e-4)
    assert is_adapted(built.backbone), "what is trained goes on"


def test_a_fresh_one_changes_nothing_and_is_the_seeds(tiny_encoder: Path) -> None:
    plain, found = load_parts(str(tiny_encoder)).backbone, []
    for seed in (0, 0, 1):
        backbone, adapter = load_parts(str(tiny_encoder)).backbone, read_adapter("lora")
        assert adapter
        adapt(backbone, adapter, "x", seed=seed)
        assert torch.equal(states(backbone), states(plain))
        found.append(next(p for n, p in backbone.named_parameters() if "lora_A" in n))
    assert torch.equal(found[0], found[1])
    assert not torch.equal(found[0], found[2])


@pytest.mark.parametrize(("name", "is_packed"), [("lora", True), ("lora:use_dora=true", False), ("ia3", False)])
def test_loras_gradients_are_those_of_each_task_by_itself_in_the_packed_form(
    tiny_encoder: Path, name: str, is_packed: bool
) -> None:
    """Others take the plain way, which says why."""
    reason = why_plain(adapted(tiny_encoder, name), ["input_ids"])
    assert (reason is None) == is_packed
    assert is_packed or "has no packed form" in str(reason) or "not one value for each token" in str(reason)


@pytest.mark.parametrize("name", ["lora", "lora:r=3"])
@pytest.mark.parametrize("text", ["sum", "pcgrad", "pcgrad:scope=layer", "gradvac"])
def test_every_way_gives_the_combiners_gradient(tiny_encoder: Path, tiny_corpus: Path, text: str, name: str) -> None:
    """In the packed form with padding, without it, and as on a device; and plainly."""
    data = read_tasks(tiny_corpus, {"sst": 6, "para": 6, "sts": 6})
    found = []
    for packed, padding_free, by_room in (
        (True, False, False),
        (True, True, False),
        (True, True, True),
        (False, False, False),
    ):
        torch.manual_seed(0)
        built = model(adapted(tiny_encoder, name), [d.task for d in data.values()], "linear").eval()
        tokens = {task: built.tokenize(task, d.train) for task, d in data.items()}
        made = Engine(built, combiner(text, list(data)), packed=packed, padding_free=padding_free)
        made.by_room = by_room
        made.backward({task: [t.batch(range(6))] for task, t in tokens.items()})
        of = dict(built.encoder.backbone.named_parameters())
        found.append({parameter: p.grad.clone() for parameter, p in of.items() if p.grad is not None})
        assert all("lora_" in parameter for parameter in found[-1])
    *packed_ways, plain = found
    assert plain
    for way in packed_ways:
        torch.testing.assert_close(way, plain, atol=1e-5, rtol=1e-3)


def test_every_combiner_trains_it_and_nothing_else_of_the_encoder(tiny_encoder: Path, tiny_corpus: Path) -> None:
    pytest.importorskip("torchjd", reason="the extra torchjd is not installed")
    data = read_tasks(tiny_corpus, {"sst": 8, "para": 8, "sts": 8})
    built = model(adapted(tiny_encoder, "lora"), [d.task for d in data.values()], "linear").eval()
    tokens = {name: built.tokenize(name, d.train) for name, d in data.items()}
    parts = {name: [t.batch(range(4)), t.batch(range(4, 8))] for name, t in tokens.items()}
    names = [c.name for c in REGISTRY.components if c.kind == "combiner"]
    assert len(names) > 40
    for name in names:
        made = Engine(built, combiner(name + NEEDED.get(name, ""), list(data)), packed=True)
        turn = made.combiner.turns()[0]
        assert made.backward({task: parts[task] for task in turn}).finite, name
        of = built.encoder.backbone.named_parameters()
        assert {n.split(".")[-3] for n, p in of if p.grad is not None} == {"lora_A", "lora_B"}, name
        made.release()


def small(corpus: Path, encoder: Path, **settings: Any) -> dict[str, Any]:
    small = {"epochs": 2, "limit": 12, "batch_size": 6, "max_length": 16, "device": "cpu", "heads": "linear"}
    return {"data": str(corpus), "encoder": str(encoder), "precision": "fp32", **small, **settings}


@pytest.fixture(scope="module")
def run(tiny_corpus: Path, tiny_encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "run"
    how = small(tiny_corpus, tiny_encoder, adapter="lora:r=4,lora_dropout=0.1", combiner="pcgrad", learning_rate=1e-2)
    mtk.run(out=out, checkpoint_every="1", **how)
    return out


def test_a_run_records_it_and_saves_the_encoder_with_it_and_it_by_itself(run: Path, tiny_encoder: Path) -> None:
    config = read_config(run / "config.toml")
    assert config["adapter"] == "lora:r=4,lora_dropout=0.1"
    assert config["versions"]["peft"] == peft.__version__
    whole = load_parts(str(run / "model" / "encoder")).backbone
    base = AutoModel.from_pretrained(tiny_encoder)
    assert not torch.allclose(states(whole), states(base), atol=1e-3)
    assert torch.equal(whole.embeddings.word_embeddings.weight, base.embeddings.word_embeddings.weight)
    by_peft = peft.PeftModel.from_pretrained(base, run / "model" / "adapter")
    torch.testing.assert_close(states(by_peft), states(whole), atol=1e-5, rtol=1e-4)
    told = json.loads((run / "model" / "adapter" / "adapter_config.json").read_text())
    assert (told["base_model_name_or_path"], told["r"], told["peft_type"]) == (str(tiny_encoder), 4, "LORA")


def test_the_adapters_directory_is_an_encoder(run: Path, tiny_corpus: Path, tmp_path: Path) -> None:
    merged = load_parts(str(run / "model" / "adapter"))
    whole = load_parts(str(run / "model" / "encoder"))
    torch.testing.assert_close(states(merged.backbone), states(whole.backbone), atol=1e-5, rtol=1e-4)
    assert all(p.requires_grad for p in merged.backbone.parameters())
    again = mtk.run(out=tmp_path / "again", **small(tiny_corpus, run / "model" / "adapter", steps=1, adapter="lora"))
    assert again.best


def test_a_run_that_was_left_off_ends_as_it_would_have(
    run: Path, tiny_corpus: Path, tiny_encoder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    how = small(tiny_corpus, tiny_encoder, adapter="lora:r=4,lora_dropout=0.1", combiner="pcgrad", learning_rate=1e-2)

    class Impatient:
        @mtk.hookimpl
        def mtk_evaluated(self, evaluation: mtk.Evaluation) -> None:
            raise KeyboardInterrupt

    assert mtk.run(out=out, checkpoint_every="1", listeners=[Impatient()], **how).interrupted
    mtk.run(resume=out)
    for file in ("encoder/model.safetensors", "adapter/adapter_model.safetensors", "heads/para.safetensors"):
        assert (out / "model" / file).read_bytes() == (run / "model" / file).read_bytes()


def test_a_trained_adapter_of_a_whole_classifier_is_read(tiny_encoder: Path, tmp_path: Path) -> None:
    """Its names are those of a model around the encoder; the classifier is left out."""
    config = BertConfig.from_pretrained(tiny_encoder)
    around = BertForSequenceClassification(config)
    around.bert.load_state_dict(AutoModel.from_pretrained(tiny_encoder).state_dict(), strict=False)
    lora = peft.LoraConfig(task_type="SEQ_CLS", target_modules=["query"], init_lora_weights=False)
    made = peft.get_peft_model(around, lora)
    made.peft_config["default"].base_model_name_or_path = str(tiny_encoder)
    made.save_pretrained(tmp_path)
    ids = torch.tensor([[2, 7, 8, 9, 3], [2, 6, 5, 4, 3]])
    with torch.no_grad():
        wanted = made.eval().base_model.model.bert(input_ids=ids, attention_mask=torch.ones_like(ids)).last_hidden_state
    torch.testing.assert_close(states(load_parts(str(tmp_path)).backbone), wanted, atol=1e-5, rtol=1e-4)


def rewritten(run: Path, to: Path, **changes: Any) -> Path:
    to.mkdir()
    told = json.loads((run / "model" / "adapter" / "adapter_config.json").read_text())
    (to / "adapter_config.json").write_text(json.dumps({**told, **changes}))
    return to


@pytest.mark.parametrize(
    ("changes", "weights", "message"),
    [
        ({"base_model_name_or_path": None}, True, "does not say which encoder it is for"),
        ({}, False, r"there is no adapter_model\.safetensors, and a pickle is not read"),
        ({"target_modules": ["dense"]}, True, "it has no weights for"),
        ({"target_modules": ["nothing"]}, True, "does not fit a BertModel"),
        ({"peft_type": "NONE"}, True, "does not fit a BertModel"),
    ],
)
def test_one_that_does_not_fit_is_named(
    run: Path, tmp_path: Path, changes: dict[str, Any], weights: bool, message: str
) -> None:
    directory = rewritten(run, tmp_path / "adapter", **changes)
    if weights:
        (directory / "adapter_model.safetensors").write_bytes(
            (run / "model" / "adapter" / "adapter_model.safetensors").read_bytes()
        )
    with pytest.raises(mtk.UsageError, match=message):
        encoder(directory)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("lore", "there is no adapter 'lore'. Did you mean lora"),
        ("lora:rank=8", "'lora' has no option 'rank'"),
        ("lora:r=0", "'0' is no value for option 'r' of 'lora'"),
        (
            "lora:target_modules=nothing",
            "peft cannot adapt a BertModel so: .* linear ones here are dense, key, query, value",
        ),
    ],
)
def test_a_mistake_is_said(tiny_corpus: Path, tiny_encoder: Path, tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(mtk.UsageError, match=message):
        mtk.run(out=tmp_path / "x", **small(tiny_corpus, tiny_encoder, adapter=text))
    assert not list(tmp_path.iterdir())


def test_layers_of_it_can_be_frozen(tiny_encoder: Path, tiny_corpus: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    mtk.run(out=out, **small(tiny_corpus, tiny_encoder, adapter="lora", freeze="0", learning_rate=1e-2, steps=2))
    saved = load_file(out / "model" / "adapter" / "adapter_model.safetensors")
    moved = {name: bool(value.any()) for name, value in saved.items() if "lora_B" in name}
    assert {name: "layer.1." in name for name in moved} == moved
