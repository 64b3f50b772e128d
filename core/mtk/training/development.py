"""What a model answered to each example of the development sets, kept with it: comparisons and reports begin here.

model/development.safetensors    SET.ids, SET.labels, SET.predictions, and SET.probabilities where the task has some

SET is a task, or TASK/NAME of a further set. Reading it needs no torch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from mtk.errors import DataError
from mtk.files import is_as_saved, read_json, standing

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

DEVELOPMENT, MANIFEST = "development.safetensors", "manifest.json"
LARGEST_MANIFEST = 1 << 26  # bytes


@dataclass(frozen=True)
class Answers:
    """A model's to a labelled set, in its order. What has several words or candidates is [n, m], with NaN where there is
    none."""

    ids: list[str]
    labels: NDArray[np.float64]  # as its kind reads them: the number of a class, a score
    predictions: NDArray[np.float64]  # in the same form
    probabilities: NDArray[np.float64] | None = None  # [n, labels]; None for scores, words and candidates


class _Manifest(msgspec.Struct):
    """What is read of it here."""

    files: dict[str, str]


def as_arrays(
    name: str, ids: Sequence[str], labels: Tensor, predictions: Tensor, probabilities: Tensor | None
) -> dict[str, NDArray[Any]]:
    """One set's answers as they are saved."""
    import numpy as np

    arrays = {"ids": np.frombuffer(msgspec.json.encode(list(ids)), np.uint8)}
    arrays |= {"labels": labels.cpu().double().numpy(), "predictions": predictions.cpu().float().numpy()}
    if probabilities is not None:
        arrays["probabilities"] = probabilities.cpu().float().numpy()
    return {f"{name}.{what}": np.ascontiguousarray(array) for what, array in arrays.items()}


def read_development(model: Path) -> dict[str, Answers]:
    """The answers of the model in this directory by their set; none where it was not evaluated, or was saved before they
    were kept. Raises DataError where they are not what was saved."""
    model = standing(model)
    manifest = model / MANIFEST
    if not manifest.exists():
        return {}
    checksum = read_json(manifest, "a part of a model", LARGEST_MANIFEST, _Manifest).files.get(DEVELOPMENT)
    if checksum is None:
        return {}
    file = model / DEVELOPMENT
    try:
        if not is_as_saved(file, checksum):
            raise DataError(f"{file} is not what was saved: it was truncated or edited.")
        return _read(file)
    except OSError as error:
        raise DataError(f"{file}: a model's answers cannot be read: {error.strerror}.") from None


def _read(file: Path) -> dict[str, Answers]:
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        found: Mapping[str, Any] = load_file(file)
        answers = {}
        for name in (name.removesuffix(".ids") for name in found if name.endswith(".ids")):
            likely = found.get(f"{name}.probabilities")
            answers[name] = Answers(
                ids=msgspec.json.decode(found[f"{name}.ids"].tobytes(), type=list[str]),
                labels=found[f"{name}.labels"],
                predictions=found[f"{name}.predictions"].astype("float64"),
                probabilities=None if likely is None else likely.astype("float64"),
            )
        return answers
    except (SafetensorError, KeyError, msgspec.MsgspecError) as error:
        raise DataError(f"{file} is no such file as a run writes: {error}.") from None
