"""The kind contract: what a task asks. A kind decides the number of logits, the loss, the prediction and the metrics, and
how a label is read and written, so that every head works with every kind.

The smallest kind:

    class Choice(mtk.Kind):
        metric_names = ("accuracy",)

        def __init__(self, labels):
            super().__init__(labels)
            self.outputs = len(labels)

        def loss(self, logits, labels):
            return torch.nn.functional.cross_entropy(logits, labels.long())

        def predict(self, logits):
            return logits.argmax(dim=-1)

        def metrics(self, predictions, labels):
            return {"accuracy": (predictions == labels).double().mean().item()}
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

if TYPE_CHECKING:
    from torch import Tensor, nn

Level = Literal["text", "token"]


class Kind(ABC):
    """What a task asks of each example: of a text or a pair; of each of its words, for the level `token`; or of each of
    several `candidates`, any of which may be a pair with the example's other text.

    The constructor is offered `labels`, the texts that `labels` or `classes` names in tasks.toml, and `range`, its lowest
    and highest score; each is None where the table has none, and the user must give what the constructor has no default
    for. Its keyword-only arguments are options, and further keys of the task's table: `label_smoothing = 0.1`. Raise
    ValueError for a value that makes no sense. Import torch in the methods: a kind is built before anything heavy is.

    Logits are [n, outputs]. Where an example has several words or candidates they are [n, m, outputs] with a `mask` [n, m]
    that is false where there is none, and where a word was cut off; what stands there is 0. Labels and predictions are float
    tensors, [n] or [n, m] in the same places; NaN where there is none. Methods take those of their arguments that they name.
    """

    level: ClassVar[Level] = "text"
    candidates: ClassVar[bool] = False
    may_be_empty: ClassVar[bool] = False  # whether an empty label is one: that none of the labels holds
    metric_names: tuple[str, ...] = ()  # of `metrics`; higher is better; the first counts where the task names no `score`
    outputs: int = 1  # logits of an example, of each word, or of each candidate
    unread: float = 0.0  # the prediction of a word that was cut off

    def __init__(self, labels: tuple[str, ...] | None = None, range: tuple[float, float] | None = None) -> None:
        self.labels = tuple(labels or ())
        self.range = range

    @abstractmethod
    def loss(self, logits: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """The mean loss []. It is offered `logits`, `labels` and `mask`."""

    @abstractmethod
    def predict(self, logits: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """What is predicted, in the form of labels. It is offered `logits` and `mask`."""

    @abstractmethod
    def metrics(self, predictions: Tensor, *args: Any, **kwargs: Any) -> dict[str, float]:
        """Each of `metric_names` over a whole split. It is offered `predictions` and `labels`, on the host."""

    def probabilities(self, logits: Tensor, *args: Any, **kwargs: Any) -> Tensor | None:
        """The probability of each label [n, labels], of each word's [n, m, labels], or of each candidate [n, m]; None where
        there is none. It is offered `logits` and `mask`."""
        return None

    def divergence(self, logits: Tensor, *args: Any, **kwargs: Any) -> Tensor | None:
        """How unlike two answers to the same examples are [], on average, and 0 where they are alike: what `--r-drop` makes
        small. It is offered `logits`, `others` and `mask`. None is half the sum of the Kullback-Leibler divergences of the
        probabilities, each from the other."""
        return None

    def guess(self, labels: Tensor) -> tuple[float, float] | None:
        """The first of `metric_names` where one answer, or chance, answers every row of a split with these labels, and its
        standard error; None where nobody can say. A task that does no better is pointed out."""
        return None

    def read_label(self, label: str | list[str]) -> float | Sequence[float]:
        """A label as it stands in a file -> its number; or a number for each word, or candidate. It is a list where a
        file has one, or where a task names several columns. Raises ValueError, whose text ends the line that says where
        it stands."""
        return self.number_of(label)

    def value(self, prediction: Any) -> Any:
        """What a prediction, a number or a list of numbers, means: a label, a score, or a list of such."""
        return self.labels[int(prediction)]

    def written(self, value: Any) -> str:
        """A value in a cell of a table. `read_label` reads it back."""
        return " ".join(map(self.written, value)) if isinstance(value, list) else str(value)

    def fit(self, labels: Tensor) -> None:  # noqa: B027  # most have nothing to do
        """Hears the labels of the whole training set, before training: what is weighed by how often it comes is decided
        here."""

    def layer(self) -> nn.Module | None:
        """A module between the head's logits and everything else, where the kind has parameters of its own. It is trained
        and saved with the head."""
        return None

    def number_of(self, label: str | list[str]) -> float:
        """The number of one of the labels; 3 is 3.0, as other programs write it. Raises ValueError."""
        text = single(label)
        if text in self.labels:
            return float(self.labels.index(text))
        number = number_in(text)
        for index, known in enumerate(self.labels):
            if number is not None and number_in(known) == number:
                return float(index)
        raise ValueError(f"'{text}' is none of the labels {', '.join(self.labels)}")

    def finite(self, label: str | list[str]) -> float:
        """The number that a label is. Raises ValueError."""
        number = number_in(single(label))
        if number is None:
            raise ValueError(f"'{label}' is no number")
        return number

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self._asked == other._asked

    def __hash__(self) -> int:
        return hash((type(self), self.labels, self.range))

    def __str__(self) -> str:
        return f"{type(self).__name__.lower()}({len(self.labels)})" if self.labels else type(self).__name__.lower()

    @property
    def _asked(self) -> dict[str, Any]:
        """What makes it another kind than one of the same class."""
        return {name: value for name, value in vars(self).items() if not name.startswith("_")}


def single(label: str | list[str]) -> str:
    """The text of a label that may be no list. Raises ValueError."""
    if isinstance(label, str):
        return label
    raise ValueError("the label is of type list, and one is asked for")


def number_in(text: str) -> float | None:
    """The finite number that a text writes; None if it writes none."""
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) and "_" not in text else None  # 1_0 is ten in Python alone
