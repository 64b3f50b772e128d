"""What the hub has: the commit that a revision stands for, the files of a model, and one message for all that goes wrong.

huggingface_hub talks to it, and so HF_ENDPOINT, HF_HUB_OFFLINE, HF_TOKEN and HF_HOME mean here what they mean everywhere.
Each question begins with one request of at most TIMEOUT seconds, which is not repeated: what is wrong with the network, a
name or a token is said then, and not after minutes.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, NamedTuple

from mtk.errors import MtkError, UsageError

RepoKind = Literal["model", "dataset"]

TIMEOUT = 10  # seconds
_COMMIT = re.compile(r"[0-9a-f]{40}")
_SMALL = [".gitattributes", "README.md", "config.json"]  # files of every repository, by which a cache knows a commit
_OF_MODELS = ["*.json", "*.safetensors", "*.txt", "*.model", "*.tiktoken", "*.jinja", "bpe.codes"]
_PICKLES = "pytorch_model*.bin"


class Pin(NamedTuple):
    """What a revision stands for."""

    commit: str
    note: str | None = None  # what somebody should know of how it was found


def commit_of(kind: RepoKind, name: str, revision: str | None) -> Pin:
    """The commit that a revision, or else the main branch, of a repository stands for now; where the hub cannot be asked,
    that of the copy which was loaded down last. A commit stands for itself, and nobody is asked. Raises UsageError."""
    if revision is not None and _COMMIT.fullmatch(revision):
        return Pin(revision)
    import huggingface_hub as hub

    with said(kind, name, revision), quiet():
        small: dict[str, Any] = {"repo_type": kind, "revision": revision, "allow_patterns": _SMALL}
        try:
            hub.HfApi().repo_info(name, repo_type=kind, revision=revision, timeout=TIMEOUT)
            return Pin(Path(hub.snapshot_download(name, **small)).name)
        except Exception as error:
            if (reason := _unreachable(error)) is None:
                raise
            try:
                commit = Path(hub.snapshot_download(name, local_files_only=True, **small)).name
            except Exception:
                raise error from None
            return Pin(commit, f"{name}: {reason}; the copy that was loaded down before is used, {commit}")


def model_files(name: str, commit: str | None, *, pickles: bool = False) -> Path:
    """A directory with a model's configuration, tokenizer and safetensors; if there are none and `pickles` are allowed, with
    those. What is in the cache is not loaded down again. Raises UsageError."""
    import huggingface_hub as hub

    def loaded(*patterns: str) -> Path:
        # what is in folders is the same for other programs
        place = hub.snapshot_download(name, revision=commit, allow_patterns=list(patterns), ignore_patterns=["*/*"])
        return Path(place)

    with said("model", name, commit), quiet():
        found = loaded(*_OF_MODELS)
        if pickles and not any(found.glob("*.safetensors")):
            found = loaded(*_OF_MODELS, _PICKLES)
    return found


def licence(kind: RepoKind, name: str, commit: str) -> str | None:
    """The licence that the card of a repository names, as it was loaded down with a commit; None where that is not known."""
    import huggingface_hub as hub

    try:
        card = hub.hf_hub_download(name, "README.md", repo_type=kind, revision=commit, local_files_only=True)
        found = hub.RepoCard.load(card).data.to_dict().get("license")
    except Exception:  # of a card that is not there, or is none: what it does not say is not known
        return None
    return ", ".join(map(str, found)) if isinstance(found, list) else found and str(found)


def no_encoder(name: str, source: str, reason: str, hint: str = "") -> str:
    """What is said where an encoder, as the user calls it, cannot be taken from the hub, where it is `source`; `hint` is a
    sentence for one who mistyped it."""
    return (
        f"The encoder '{name}' is no directory here, and it could not be taken from the hub as '{source}': {reason} {hint}"
        f"Ways out: check the name; use --encoder minilm or --encoder DIR; or copy the model on a machine with a network "
        f"('hf download {source} --local-dir DIR') and give that directory."
    )


@contextmanager
def said(kind: RepoKind, name: str, revision: str | None = None, error: type[MtkError] = UsageError) -> Iterator[None]:
    """Whatever the hub, or the way to it, answers with in here is an `error` of one line. What is none of theirs is
    raised as it is."""
    try:
        yield
    except MtkError:
        raise
    except Exception as problem:
        message = explained(kind, name, revision, problem)
        if message is None and isinstance(problem, OSError) and problem.strerror:  # of the place where things are kept
            message = f"'{name}' of the hub cannot be kept: {problem.filename or 'the cache'}: {problem.strerror}."
        if message is None:
            raise
        raise error(message) from problem


def explained(kind: RepoKind, name: str, revision: str | None, error: BaseException) -> str | None:
    """What is wrong, and what to do; None for an error that has nothing to do with the hub."""
    from huggingface_hub import constants, errors

    noun, endpoint = {"model": "model", "dataset": "data set"}[kind], constants.ENDPOINT
    own = error
    for link in _chain(error):  # the first cause that says more; a file that is not there is none, libraries look for many
        if isinstance(link, errors.RemoteEntryNotFoundError) and link is not error:
            continue
        if isinstance(link, errors.HfHubHTTPError) or _unreachable(link) is not None:
            own = link
            break
    status = getattr(getattr(own, "response", None), "status_code", None)
    if isinstance(own, errors.LocalTokenNotFoundError):
        return "This needs a token of yours: set HF_TOKEN, or log in with `hf auth login`."
    if isinstance(own, errors.HFValidationError):
        return f"'{name}' is no id of the hub, which is NAME or OWNER/NAME."
    if isinstance(own, errors.RevisionNotFoundError):
        return f"The {noun} '{name}' of {endpoint} has no revision '{revision}', which is a branch, a tag or a commit."
    if isinstance(own, errors.GatedRepoError):
        return (
            f"The {noun} '{name}' of {endpoint} is for those who were given access. Ask for it on its page, and let "
            f"HF_TOKEN be the token of whoever has it."
        )
    if status == 401 and "Invalid" in str(getattr(own, "server_message", "") or own):
        return f"{endpoint} refuses the token: it is no valid one. Look at HF_TOKEN, or renew it with `hf auth login`."
    if isinstance(own, errors.RepositoryNotFoundError):
        return (
            f"{endpoint} has no {noun} '{name}', or it is private. Check the name; of a private one HF_TOKEN, or `hf auth "
            f"login`, has to be of somebody who may read it."
        )
    if status in (401, 403):
        return f"{endpoint} refuses this with the token that it was given (HTTP {status}): {_line(own)}. Look at HF_TOKEN."
    if (reason := _unreachable(own)) is not None:
        another = "" if constants.HF_HUB_OFFLINE else " HF_ENDPOINT names another hub."
        return f"The {noun} '{name}' cannot be had: {reason}, and no whole copy of it was loaded down before.{another}"
    if isinstance(own, errors.HfHubHTTPError):
        return f"{endpoint} did not give the {noun} '{name}': {_line(own)}."
    return None


def _unreachable(error: BaseException) -> str | None:
    """Why the hub could not be asked; None if it could."""
    from huggingface_hub import constants, errors

    if isinstance(error, errors.OfflineModeIsEnabled):
        return "HF_HUB_OFFLINE forbids to ask the hub"
    status = getattr(getattr(error, "response", None), "status_code", None)
    if status is not None:
        return f"{constants.ENDPOINT} is out of order (HTTP {status})" if status >= 500 else None
    if isinstance(error, errors.LocalEntryNotFoundError) and error.__cause__ is None:
        return f"{constants.ENDPOINT} could not be asked"
    if any(type(error).__module__.partition(".")[0].startswith(library) for library in ("httpx", "httpcore", "requests")):
        return f"{constants.ENDPOINT} cannot be reached ({_line(error)})"
    return None


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def _line(error: BaseException) -> str:
    told = getattr(error, "server_message", None) or str(error)
    return " ".join(told.split())[:200].rstrip(".") or type(error).__name__


@contextmanager
def quiet() -> Iterator[None]:
    """No bars of progress, which would be drawn over what a run shows, and no word of what was not found on the way."""
    from huggingface_hub.utils import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars

    logger, shown = logging.getLogger("huggingface_hub"), not are_progress_bars_disabled()
    level = logger.level
    logger.setLevel(logging.ERROR)
    disable_progress_bars()
    try:
        yield
    finally:
        logger.setLevel(level)
        if shown:
            enable_progress_bars()
