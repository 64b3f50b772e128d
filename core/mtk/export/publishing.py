"""A run's model on the hub: exported, with its card, in one commit."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from mtk import hub
from mtk.errors import UsageError
from mtk.export.exporting import Format, export
from mtk.export.model_card import check_card, model_card
from mtk.study.record import read_run

CARD = "README.md"


def push(
    run: str | Path,
    repository: str,
    *,
    to: Format = "transformers",
    tasks: Sequence[str] = (),
    private: bool = False,
    revision: str | None = None,
) -> tuple[str, list[str]]:
    """Export a run's model and push it with a model card to a repository of the hub, which is made if it is not there; to
    the branch `revision`, which is too. The address of the commit, and what is to be said of the model, a line each.

    Everything is pushed in one commit, so the repository never holds a part of a model; nothing is asked of the hub to
    change before the model is exported. Raises UsageError for what the hub refuses, and DataError for a run without a
    model."""
    from huggingface_hub import CommitOperationAdd, HfApi
    from huggingface_hub.utils import validate_repo_id

    if to == "sentence-transformers" and len(tasks) != 1:
        raise UsageError("--to sentence-transformers has one task in a repository: name it, --task TASK.")
    record, api = read_run(Path(run)), HfApi()
    with hub.said("model", repository, revision), hub.quiet():
        validate_repo_id(repository)
        api.whoami()
        if private:
            _check_private(api, repository)
    check_card(record)
    with TemporaryDirectory() as place:
        directory = Path(place) / "model"
        notes = export(run, to, directory, tasks=tasks)
        title = repository.rpartition("/")[2]
        card = model_card(record, (directory / CARD).read_text(encoding="utf-8"), to, title)
        (directory / CARD).write_text(card, encoding="utf-8")
        files = sorted(path for path in directory.rglob("*") if path.is_file())
        with hub.said("model", repository, revision), hub.quiet():
            name = api.create_repo(repository, private=private or None, exist_ok=True).repo_id
            if revision is not None:
                api.create_branch(name, branch=revision, exist_ok=True)
            made = api.create_commit(
                name,
                [CommitOperationAdd(path.relative_to(directory).as_posix(), path) for path in files],
                commit_message=f"The model of the run {record.name}",
                revision=revision,
            )
    return str(made.commit_url), notes


def _check_private(api: Any, repository: str) -> None:
    """Raises UsageError where a repository is there and everybody reads it."""
    from huggingface_hub.errors import RepositoryNotFoundError

    try:
        known = api.repo_info(repository, timeout=hub.TIMEOUT)
    except RepositoryNotFoundError:
        return
    if not known.private:
        raise UsageError(
            f"--private: '{repository}' is there already, and everybody reads it. Take another name, or make it private in "
            f"its settings first."
        )
