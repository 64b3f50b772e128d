"""Each head against its formula. What every head promises, such as that padding changes nothing, the conformance kit asks
of all of them (tests/core/testing)."""

from __future__ import annotations

import pytest
import torch
from kinds import make
from torch import Tensor
from torch.nn import functional as F

import mtk
from mtk_heads.attention import Attention
from mtk_heads.cnn import CNN
from mtk_heads.concat_mlp import ConcatMLP
from mtk_heads.cosine import Cosine
from mtk_heads.dot_product import DotProduct
from mtk_heads.joint_cosine import JointCosine
from mtk_heads.linear import Linear
from mtk_heads.pretrained_cosine import FASTER, SLOPE, PretrainedCosine

WIDTH, OUTPUTS, LENGTHS = 6, 3, (5, 1, 3, 4)


def encodings(count: int) -> list[mtk.Encoding]:
    """Of `count` texts an example, padded with numbers that a head must not read."""
    generator = torch.Generator().manual_seed(0)
    mask = (torch.arange(max(LENGTHS)) < torch.tensor(LENGTHS).unsqueeze(1)).float()
    tokens = torch.randn(count, len(LENGTHS), max(LENGTHS), WIDTH, generator=generator)
    pooled = (tokens * mask.unsqueeze(-1)).sum(dim=2) / mask.sum(dim=1, keepdim=True)
    return [mtk.Encoding(t, mask, p) for t, p in zip(tokens, pooled, strict=True)]


def started(head: mtk.Head) -> mtk.Head:
    """With parameters that are neither zero nor one, and without dropout."""
    torch.manual_seed(1)
    for parameter in head.parameters():
        torch.nn.init.uniform_(parameter, 0.5, 1.5)
    return head.eval()


# linear


@pytest.mark.parametrize("inputs", [1, 2])
def test_linear_is_w_e_plus_b(inputs: int) -> None:
    head, texts = started(Linear(WIDTH, OUTPUTS, inputs)), encodings(inputs)
    together = torch.cat([text.embedding for text in texts], dim=1)
    torch.testing.assert_close(head(*texts), together @ head.score.weight.T + head.score.bias)


# cosine


def cosines(one: Tensor, other: Tensor) -> Tensor:
    return (one / one.norm(dim=-1, keepdim=True)) @ (other / other.norm(dim=-1, keepdim=True)).T


def test_cosine_of_a_pair_is_scaled_by_logit() -> None:
    head, (u, v) = started(Cosine(WIDTH, OUTPUTS, 2)), encodings(2)
    wanted = head.scale * (cosines(u.embedding, v.embedding).diagonal().unsqueeze(1) - head.offset)
    torch.testing.assert_close(head(u, v), wanted)
    longer = u._replace(embedding=u.embedding * 7)
    torch.testing.assert_close(head(longer, v), wanted, msg="lengths do not count")


def test_cosine_of_one_text_is_with_a_prototype_for_each_class() -> None:
    head, (e,) = started(Cosine(WIDTH, OUTPUTS, 1)), encodings(1)
    torch.testing.assert_close(head(e), head.scale * (cosines(e.embedding, head.prototypes) - head.offset))


@pytest.mark.parametrize("head", [Cosine, DotProduct])
def test_one_number_tells_classes_apart_from_the_start(head: type[mtk.Head]) -> None:
    assert head(WIDTH, 3, 2, scale=4.0).scale.tolist() == [-4, 0, 4]
    assert head(WIDTH, 1, 2, scale=4.0).scale.tolist() == [4], "a single logit rises with it"


# dot-product


def test_dot_product_of_a_pair_is_divided_by_the_root_of_the_width() -> None:
    head, (u, v) = started(DotProduct(WIDTH, OUTPUTS, 2)), encodings(2)
    products = (u.embedding @ v.embedding.T).diagonal().unsqueeze(1)
    torch.testing.assert_close(head(u, v), head.scale * products / WIDTH**0.5 + head.bias)


def test_dot_product_of_one_text_is_with_a_prototype_for_each_class() -> None:
    head, (e,) = started(DotProduct(WIDTH, OUTPUTS, 1)), encodings(1)
    torch.testing.assert_close(head(e), head.scale * (e.embedding @ head.prototypes.T) / WIDTH**0.5 + head.bias)


# concat-mlp


def test_concat_mlp_is_two_layers_on_the_joint_embedding() -> None:
    head, (e,) = started(ConcatMLP(WIDTH, OUTPUTS, 1, hidden=5)), encodings(1)
    first, _, _, last = head.layers
    assert first.out_features == 5
    hidden = (e.embedding @ first.weight.T + first.bias).clamp_min(0)
    torch.testing.assert_close(head(e), hidden @ last.weight.T + last.bias)
    assert ConcatMLP(WIDTH, OUTPUTS, 1).layers[0].out_features == WIDTH, "as wide as the encoder where nothing is said"


# cnn


@pytest.mark.parametrize("kernel", [1, 3, 7])
def test_cnn_is_the_largest_value_of_each_channel_over_the_real_tokens(kernel: int) -> None:
    """Text by text, with no padding at all."""
    head, (e,) = started(CNN(WIDTH, OUTPUTS, 1, channels=8, kernel=kernel)), encodings(1)
    with torch.no_grad():
        head.convolution.bias.sub_(3)  # so that some channels are never above 0
    logits = head(e)
    for example, length in enumerate(LENGTHS):
        tokens = e.tokens[example : example + 1, :length].transpose(1, 2)
        channels = F.conv1d(tokens, head.convolution.weight, head.convolution.bias, padding=kernel // 2)
        largest = channels.clamp_min(0).amax(dim=-1)
        torch.testing.assert_close(logits[example], (largest @ head.score.weight.T + head.score.bias)[0])


def test_cnn_needs_a_middle_token() -> None:
    with pytest.raises(ValueError, match="kernel=4 is even"):
        CNN(WIDTH, OUTPUTS, 1, kernel=4)
    with pytest.raises(mtk.UsageError, match="kernel=4 is even"):
        mtk.Registry().part("head", "cnn:kernel=4").build(width=WIDTH, outputs=OUTPUTS, inputs=1)


# joint-cosine


def test_joint_cosine_adds_the_cosine_of_the_texts_to_what_it_makes_of_both() -> None:
    head, (u, v, joint) = started(JointCosine(WIDTH, OUTPUTS, 3)), encodings(3)
    alone = started(ConcatMLP(WIDTH, OUTPUTS, 1))
    alone.load_state_dict({name: value for name, value in head.state_dict().items() if name != "scale"})
    cosine = cosines(u.embedding, v.embedding).diagonal().unsqueeze(1)
    torch.testing.assert_close(head(u, v, joint), alone(joint) + head.scale * (cosine - 0.5))


def test_joint_cosine_of_one_text_is_the_perceptron() -> None:
    head, (e,) = started(JointCosine(WIDTH, OUTPUTS, 1)), encodings(1)
    assert [name for name, _ in head.named_parameters() if not name.startswith("layers")] == []
    torch.testing.assert_close(head(e), head.layers(e.embedding))


# pretrained-cosine

TASK = mtk.Task(name="t", kind=make("classification", tuple("abc")), text=("a", "b"), label="y")


def test_pretrained_cosine_predicts_a_weighted_mean_of_what_two_sides_say() -> None:
    head, (u, v, joint) = started(PretrainedCosine(WIDTH, OUTPUTS, 3, TASK, share=0.25)), encodings(3)
    cosine = cosines(u.embedding, v.embedding).diagonal().unsqueeze(1)
    before = FASTER * (head.slope * (cosine - 0.5) + head.offset)
    torch.testing.assert_close(head(u, v, joint), 0.75 * head.joint(joint) + 0.25 * before)


def test_each_side_of_pretrained_cosine_learns_as_if_the_other_were_not_there() -> None:
    head, (u, v, joint), labels = (
        started(PretrainedCosine(WIDTH, OUTPUTS, 3, TASK)),
        encodings(3),
        torch.tensor([0, 1, 2, 0.0]),
    )
    logits, own = head(u, v, joint, labels)
    torch.testing.assert_close(logits, head.joint(joint))
    cosine = cosines(u.embedding, v.embedding).diagonal().unsqueeze(1)
    before = FASTER * (head.slope * (cosine - 0.5) + head.offset)
    torch.testing.assert_close(own, {"pretrained": TASK.kind.loss(before, labels)})
    own["pretrained"].backward()
    assert all(parameter.grad is None for parameter in head.joint.parameters())


def test_pretrained_cosine_of_one_text_is_the_perceptron() -> None:
    head, (e,) = started(PretrainedCosine(WIDTH, OUTPUTS, 1, TASK)), encodings(1)
    torch.testing.assert_close(head(e), head.joint(e))


def test_pretrained_cosine_learns_nothing_of_the_cosine_from_candidates() -> None:
    task = mtk.Task(name="t", kind=make("ranking"), text=("a", "b"), label="y")
    head, (u, v, joint) = PretrainedCosine(WIDTH, 1, 3, task).eval(), encodings(3)
    cosine = cosines(u.embedding, v.embedding).diagonal().unsqueeze(1)
    torch.testing.assert_close(head(u, v, joint), 0.6 * head.joint(joint) + 0.4 * SLOPE * (cosine - 0.5))
    torch.testing.assert_close(head(u, v, joint, torch.zeros(2, 2)), head.joint(joint))
    assert [name for name, p in head.named_parameters() if not p.requires_grad] == ["slope", "offset"]


# attention


def test_attention_is_linear_on_what_each_query_finds_among_the_real_tokens() -> None:
    """Text by text, with no padding at all."""
    head, (e,) = started(Attention(WIDTH, OUTPUTS, 1, queries=2)), encodings(1)
    logits = head(e)
    for example, length in enumerate(LENGTHS):
        tokens = e.tokens[example, :length]
        sums = [(head.keys(tokens).tanh() @ query).softmax(dim=0) @ tokens for query in head.queries.T]
        torch.testing.assert_close(logits[example], head.score(torch.cat(sums)))


@pytest.mark.parametrize("head", [CNN, ConcatMLP, Attention, JointCosine, PretrainedCosine, Linear, Cosine, DotProduct])
def test_how_a_pair_is_read(head: type[mtk.Head]) -> None:
    joint = {CNN: "joint", ConcatMLP: "joint", Attention: "joint", JointCosine: "both", PretrainedCosine: "pretrained"}
    assert head.pair_encoding == joint.get(head, "separate")
