"""The heads of the study, and what they are compared with."""

from __future__ import annotations

import mtk


@mtk.hookimpl
def mtk_register(registry: mtk.Registration) -> None:
    registry.head("linear", "mtk_heads.linear:Linear", summary="a linear layer on the embedding, on both for a pair")
    registry.head("cosine", "mtk_heads.cosine:Cosine", summary="the scaled cosine of a pair, or to a prototype per class")
    registry.head(
        "dot-product",
        "mtk_heads.dot_product:DotProduct",
        summary="the scaled dot product of a pair, or with a prototype per class",
    )
    registry.head(
        "concat-mlp",
        "mtk_heads.concat_mlp:ConcatMLP",
        summary="a two-layer perceptron on the embedding of the joint pair",
    )
    registry.head(
        "joint-cosine",
        "mtk_heads.joint_cosine:JointCosine",
        summary="a perceptron on the joint pair, and the cosine of its texts beside it",
    )
    registry.head(
        "pretrained-cosine",
        "mtk_heads.pretrained_cosine:PretrainedCosine",
        summary="a perceptron on the joint pair, and the cosine of its texts before training",
    )
    registry.head(
        "attention",
        "mtk_heads.attention:Attention",
        summary="learned queries over the tokens of the joint pair, linear on what they find",
    )
    registry.head("token-linear", "mtk_heads.token_linear:TokenLinear", summary="linear on each token, for labels of words")
    registry.head("cnn", "mtk_heads.cnn:CNN", summary="a convolution over the tokens of the joint pair, max-pooled")
