"""A run's model is pushed with its card in one commit, and comes back as it was; what the hub refuses is a line."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from command_line import invoke
from exported import TEXTS, answers
from hub_standin import Hub

import mtk
from mtk.export.publishing import push
from mtk.model.encoder import load_parts

pytest.importorskip("datasets", reason="the extra hub is not installed")


def test_what_is_pushed_comes_back_as_it_was(standin: Hub, trained: Path, tmp_path: Path) -> None:
    result = invoke("push", str(trained), "somebody/moods", "--private")
    assert result.exit_code == 0, result.output
    repository = standin.repositories["model", "somebody/moods"]
    assert repository.private
    assert len(repository.commits) == 2, "the hub's own, and one with everything"
    assert result.stdout == f"{standin.address}/somebody/moods/commit/{repository.branches['main']}: " + (
        "the model with its card; name its licence there\n"
    )
    files = repository.commits[repository.branches["main"]]
    for name, content in files.items():
        (tmp_path / "back" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "back" / name).write_bytes(content)
    predicted = mtk.load(trained, device="cpu").predict("sst", TEXTS)
    assert [answer["prediction"] for answer in answers(tmp_path / "back", "sst", TEXTS)] == predicted
    back, own = (load_parts(name).backbone for name in ("somebody/moods", str(trained / "model" / "encoder")))
    for one, other in zip(back.encoder.parameters(), own.encoder.parameters(), strict=True):
        assert torch.equal(one, other)


def test_a_second_push_is_a_second_commit_and_a_branch_leaves_the_others(standin: Hub, trained: Path) -> None:
    push(trained, "somebody/moods", tasks=["sst"])
    repository = standin.repositories["model", "somebody/moods"]
    first = repository.branches["main"]
    push(trained, "somebody/moods", tasks=["sst"], revision="v2")
    assert repository.branches["main"] == first != repository.branches["v2"]
    assert not repository.private
    with pytest.raises(mtk.UsageError, match="'somebody/moods' is there already, and everybody reads it"):
        push(trained, "somebody/moods", private=True)


def test_a_mistake_asks_nothing_of_the_hub_to_change(standin: Hub, trained: Path, tmp_path: Path) -> None:
    with pytest.raises(mtk.UsageError, match="has no task 'stss'"):
        push(trained, "somebody/x", tasks=["stss"])
    with pytest.raises(mtk.UsageError, match="has one task in a repository"):
        push(trained, "somebody/x", to="sentence-transformers")
    with pytest.raises(mtk.DataError, match="is no run"):
        push(tmp_path, "somebody/x")
    with pytest.raises(mtk.UsageError, match=r"refuses this with the token .*HTTP 403.*don't have the rights"):
        push(trained, "others/x", tasks=["sst"])
    assert not standin.repositories
    standin.down = 503
    with pytest.raises(mtk.UsageError, match=r"is out of order \(HTTP 503\)"):
        push(trained, "somebody/x")
