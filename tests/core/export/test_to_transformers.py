"""A process without mtk gives the scores of mtk from what was exported for transformers."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import transformers
from building import model
from exported import ASKED, TEXTS, agree, answers, without_mtk
from kinds import make

import mtk
from mtk.export import to_transformers


@pytest.fixture(scope="module")
def directory(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("transformers")
    to_transformers.fill(mtk.load(trained, device="cpu"), ["sst", "para", "sts"], directory)
    return directory


def test_a_process_without_mtk_gives_the_same_scores(trained: Path, directory: Path) -> None:
    model, found = mtk.load(trained, device="cpu"), without_mtk(directory, ASKED)
    for task in ASKED:
        agree(model, task, found[task], 1e-5)


def test_auto_model_opens_it_and_no_pickle_is_in_it(trained: Path, directory: Path) -> None:
    encoder = transformers.AutoModel.from_pretrained(directory)
    own = mtk.load(trained, device="cpu").encoder.backbone.state_dict()
    assert all(torch.equal(value, encoder.state_dict()[name]) for name, value in own.items())
    assert {file.suffix for file in directory.iterdir()} == {".json", ".safetensors", ".py", ".md"}


def test_words_and_their_labels_are_read_back(tiny_encoder: Path, tmp_path: Path) -> None:
    kind = make("tokens", labels=("x", "y", "z"))
    task = mtk.Task(name="words", kind=kind, text=("text",), label="labels")
    built = model(tiny_encoder, [task], "token-linear", max_length=8).eval()
    to_transformers.fill(built, ["words"], tmp_path)
    found = answers(tmp_path, "words", TEXTS)
    assert [answer["prediction"] for answer in found] == built.predict("words", TEXTS)
    assert found[2]["probabilities"][-1] is None, "the last word was cut off"


def test_a_head_that_looks_at_values_is_refused_in_words(tiny_encoder: Path, tmp_path: Path) -> None:
    class Looking(mtk.Head):
        def __init__(self, width: int, outputs: int) -> None:
            super().__init__()
            self.score = torch.nn.Linear(width, outputs)

        def forward(self, first: mtk.Encoding) -> torch.Tensor:
            return self.score(first.embedding) if first.embedding.sum().item() > 0 else self.score(-first.embedding)

    task = mtk.Task(name="t", kind=make("binary"), text=("text",), label="l")
    built = model(tiny_encoder, [task], "linear")
    built.heads[0] = Looking(built.encoder.width, 1)
    with pytest.raises(mtk.UsageError, match="Task 't': its head or its pooling cannot be traced"):
        to_transformers.fill(built, ["t"], tmp_path)
