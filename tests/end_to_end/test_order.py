"""A task is trained alike whatever the order in which a file has the tasks, and heads begin alike whoever is beside them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch

import mtk


def reversed_tasks(corpus: Path, to: Path) -> Path:
    shutil.copytree(corpus, to)
    tables = (to / "tasks.toml").read_text().split("\n\n")
    (to / "tasks.toml").write_text("\n\n".join(reversed(tables)))
    return to


@pytest.mark.parametrize("combiner", ["sum", "multitask-toolkit/mean"])
def test_the_order_of_a_file_does_not_matter(tiny_corpus: Path, tiny_encoder: Path, tmp_path: Path, combiner: str) -> None:
    models = []
    for number, corpus in enumerate((tiny_corpus, reversed_tasks(tiny_corpus, tmp_path / "reversed"))):
        result = mtk.run(
            data=str(corpus), encoder=str(tiny_encoder), combiner=combiner, out=tmp_path / str(number), epochs=2,
            batch_size=8, device="cpu", precision="fp32", dropout=0.2, augment={"sst": "random-swap"},
        )  # fmt: skip
        models.append(mtk.load(result.out, device="cpu"))
    one, other = models
    assert list(one.tasks) == list(reversed(other.tasks))
    for mine, theirs in zip(one.encoder.parameters(), other.encoder.parameters(), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-3, atol=1e-5)
    for task in one.tasks:
        for mine, theirs in zip(one.head(task).parameters(), other.head(task).parameters(), strict=True):
            torch.testing.assert_close(mine, theirs, rtol=1e-3, atol=1e-5)


def test_a_head_begins_alike_whoever_is_beside_it(tiny_encoder: Path) -> None:
    import building
    from learnable import KINDS, make_task

    tasks = [make_task(name, kind, pair=False) for name, kind in zip("abc", KINDS, strict=True)]
    together, alone = building.model(tiny_encoder, tasks, "linear"), building.model(tiny_encoder, tasks[1:2], "linear")
    for one, other in zip(together.head("b").parameters(), alone.head("b").parameters(), strict=True):
        assert torch.equal(one, other)
