"""What a model answered to the development examples, looked at: confusions, calibration, and the worst of its answers."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from mtk.training.development import Answers

BINS = 10


class Bin(NamedTuple):
    """The answers of like confidence."""

    rows: int
    confidence: float  # mean probability of what was answered
    accuracy: float  # the share of them that was right


class Calibration(NamedTuple):
    """How far a model's probabilities can be taken at their word (Guo et al. 2017, "On Calibration of Modern Neural
    Networks")."""

    bins: list[Bin]  # of BINS equal widths, those that hold an answer
    error: float  # the expected calibration error: the mean distance of confidence and accuracy over the answers, by bins
    excess: float  # mean confidence less accuracy: above 0 for a model that is too sure
    noise: float  # its standard error
    rows: int


class Miss(NamedTuple):
    """An answer that was wrong, and how much so."""

    row: int  # in the set's order
    label: float
    prediction: float
    distance: float  # the probability of what was answered, or the distance of two scores


def is_classes(answers: Answers, classes: int) -> bool:
    """Whether each example has one of so many classes."""
    labels = answers.labels
    return classes > 1 and labels.ndim == 1 and bool(((labels == labels.round()) & (labels >= 0) & (labels < classes)).all())


def is_scores(answers: Answers) -> bool:
    """Whether each example has one number."""
    return answers.labels.ndim == 1 and answers.predictions.ndim == 1


def confusion(answers: Answers, classes: int) -> NDArray[np.int64]:
    """How many examples of each class (a row) were answered with which (a column) [classes, classes]."""
    import numpy as np

    pairs = answers.labels.astype(int) * classes + answers.predictions.astype(int).clip(0, classes - 1)
    return np.bincount(pairs, minlength=classes * classes).reshape(classes, classes)


def calibration(answers: Answers) -> Calibration | None:
    """That of the probabilities of what was answered; None where there are none."""
    likely = answers.probabilities
    if likely is None or likely.ndim != 2 or answers.labels.ndim != 1 or not len(likely):
        return None
    confidence, right = likely.max(axis=1), (answers.predictions == answers.labels).astype(float)
    place = (confidence * BINS).astype(int).clip(0, BINS - 1)
    members = [place == number for number in range(BINS)]
    bins = [Bin(int(m.sum()), float(confidence[m].mean()), float(right[m].mean())) for m in members if m.any()]
    error = sum(b.rows * abs(b.confidence - b.accuracy) for b in bins) / len(likely)
    excess = confidence - right
    noise = float(excess.std(ddof=1)) / math.sqrt(len(likely)) if len(likely) > 1 else math.inf
    return Calibration(bins, error, float(excess.mean()), noise, len(likely))


def misses(answers: Answers, most: int) -> list[Miss]:
    """The worst answers, the worst first: wrong ones that the model was sure of, or else scores that are far off."""
    if not is_scores(answers):
        return []
    if answers.probabilities is not None and answers.probabilities.ndim == 2:
        distance = answers.probabilities.max(axis=1) * (answers.predictions != answers.labels)
    else:
        distance = abs(answers.predictions - answers.labels)
    worst = (-distance).argsort(kind="stable")[:most]
    found = [Miss(int(i), float(answers.labels[i]), float(answers.predictions[i]), float(distance[i])) for i in worst]
    return [miss for miss in found if miss.distance > 0]
