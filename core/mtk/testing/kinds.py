"""What every kind promises. Each function is a promise, as `mtk.testing.check.Promise` says.

A kind is built of three labels, or of two where it wants these, and of the range 0 to 5, whichever it names.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import torch
from hypothesis import strategies as st
from torch import Tensor

from mtk.calling.failures import call
from mtk.data.split import as_label
from mtk.data.tokens import label_tensor
from mtk.errors import UsageError
from mtk.kind import Kind
from mtk.model.r_drop import may_diverge, r_drop
from mtk.testing.check import Check, Subject

NAMES, RANGE = ("low", "middle", "high"), (0.0, 5.0)
STEPS = 300  # of gradient descent on the logits alone, which reach the labels well before


@dataclass(frozen=True)
class Rows:
    """A batch of examples with so many words, or candidates, each, made of `seed`."""

    counts: tuple[int, ...]
    seed: int
    scale: float = 1.0

    def __str__(self) -> str:
        several = f" of {', '.join(map(str, self.counts))} words or candidates" if max(self.counts) > 1 else ""
        return f"{len(self.counts)} examples{several}, seed {self.seed}" + (f", scale {self.scale:g}" * (self.scale != 1))


def written_labels(subject: Subject, rows: Rows) -> str | None:
    """A label that is written is read back as the same."""
    kind = built(subject)
    for label in labels_of(kind, rows):
        value = kind.value(list(label) if isinstance(label, tuple) else label)
        again = _read(kind, kind.written(value))
        if again != label:
            return f"{label} was written as {kind.written(value)!r}, and that was read as {again}"
    return None


def strange_label(subject: Subject, rows: Rows) -> str | None:
    """A label that there is not is a ValueError, and no number."""
    try:
        number = _read(built(subject), "no such label")
    except ValueError:
        return None
    return f"'no such label' was read as {number}"


def loss(subject: Subject, rows: Rows) -> str | None:
    """The loss is a finite scalar from which a finite gradient flows to the logits, small ones and large, of one example and
    of many; what stands where there is no word or candidate neither counts nor gets any."""
    kind, made = built(subject), batch(subject, rows)
    logits = made.logits.clone().requires_grad_()
    value = _loss(kind, logits, made)
    if not isinstance(value, Tensor) or value.shape != () or not value.isfinite():
        return f"a loss {value}"
    value.backward()
    if logits.grad is None or not logits.grad.isfinite().all():
        return "no gradient for the logits" if logits.grad is None else "a gradient that is not finite"
    if made.mask is not None and not made.mask.all():
        if logits.grad[~made.mask].any():
            return "a gradient where there is no word or candidate"
        other = made.logits.masked_fill(~made.mask.unsqueeze(-1), 7.0)
        if not torch.allclose(_loss(kind, other, made), value.detach(), rtol=1e-5):
            return "another loss with other logits where there is no word or candidate"
    return None


def learning(subject: Subject, rows: Rows) -> str | None:
    """Logits that follow the gradient of the loss come to predict the labels, and the metric that counts is at its best
    then."""
    kind, made = built(subject), batch(subject, rows)
    if (layer := kind.layer()) is not None:
        layer.requires_grad_(False)
    score = torch.zeros(*made.raw.shape, requires_grad=True)
    optimizer = torch.optim.Adam([score], lr=0.3)
    for _ in range(STEPS):
        optimizer.zero_grad()
        _loss(kind, score if layer is None else layer(score), made).backward()
        optimizer.step()
    logits = (score if layer is None else layer(score)).detach()
    predictions = _answers(kind, "predict", logits, made)
    if predictions is None or predictions.shape != made.labels.shape:
        return (
            f"predictions {None if predictions is None else list(predictions.shape)}, and labels {list(made.labels.shape)}"
        )
    name = kind.metric_names[0]
    reached, best = (_metrics(kind, p, made)[name] for p in (predictions, made.labels))
    return None if reached >= best - 0.02 else f"{name} {reached:.3f}, and {best:.3f} of the labels themselves"


def metrics(subject: Subject, rows: Rows) -> str | None:
    """The metrics are those of `metric_names`, finite, and none is higher than that of a perfect prediction."""
    kind, made = built(subject), batch(subject, rows)
    perfect = _metrics(kind, made.labels, made)
    other = _metrics(kind, _answers(kind, "predict", made.logits, made), made)
    if perfect.keys() != set(kind.metric_names) or perfect.keys() != other.keys():
        return f"metrics {', '.join(perfect)}, and `metric_names` {', '.join(kind.metric_names)}"
    for name, value in other.items():
        if not abs(value) < float("inf") or value > perfect[name] + 1e-6:
            return f"{name} {value}, and {perfect[name]} of a perfect prediction"
    return None


def probabilities(subject: Subject, rows: Rows) -> str | None:
    """Probabilities, where there are any, lie between 0 and 1, one for each label or candidate."""
    kind, made = built(subject), batch(subject, rows)
    likely = _answers(kind, "probabilities", made.logits, made)
    if likely is None:
        return None
    due = [*made.logits.shape[:-1], *([] if kind.candidates else [len(kind.labels)])]
    if list(likely.shape) != due:
        return f"probabilities of shape {list(likely.shape)} instead of {due}"
    there = likely if made.mask is None else likely[made.mask]
    return None if bool(((there >= 0) & (there <= 1 + 1e-5)).all()) else f"probabilities {there.tolist()}"


def divergence(subject: Subject, rows: Rows) -> str | None:
    """What tells two answers apart, where a kind has it or probabilities that it follows from, is 0 for answers that are
    alike, and above for others, whichever comes first; a finite gradient flows from it; and where there is no word or
    candidate nothing counts."""
    kind, made = built(subject), batch(subject, rows)
    if not may_diverge(kind):
        return None
    other = batch(subject, dataclasses.replace(rows, seed=rows.seed + 1)).logits
    one = made.logits.clone().requires_grad_()
    apart, back, none = (_divergence(kind, *both, made) for both in ((one, other), (other, one), (made.logits, made.logits)))
    if not apart.isfinite() or none.abs() > 1e-6 or apart < 0 or not torch.isclose(apart, back, rtol=1e-4):
        return f"{apart.item()} between two answers, {back.item()} the other way round, and {none.item()} of one to itself"
    apart.backward()
    if one.grad is None or not one.grad.isfinite().all():
        return "no gradient" if one.grad is None else "a gradient that is not finite"
    if made.mask is not None and one.grad[~made.mask].any():
        return "a gradient where there is no word or candidate"
    return None


def order(subject: Subject, rows: Rows) -> str | None:
    """The order of a batch is the order of its predictions, and changes none of them."""
    kind, made = built(subject), batch(subject, rows)
    turned = Made(*(None if part is None else part.flip(0) for part in (made.raw, made.logits, made.labels, made.mask)))
    predicted, other = (_answers(kind, "predict", each.logits, each) for each in (made, turned))
    same = torch.equal(predicted.nan_to_num(-1), other.flip(0).nan_to_num(-1))
    return None if same else "the batch backwards changed a prediction"


def checks(subject: Subject) -> list[Check]:
    several = st.lists(st.integers(2, 4), min_size=6, max_size=9).map(tuple)
    rows = st.builds(Rows, several, st.integers(0, 99))
    scales = st.builds(Rows, several, st.integers(0, 99), st.sampled_from([1.0, 1e-3, 1e3]))
    return [
        Check(subject, written_labels, rows),
        Check(subject, strange_label, rows, tries=1),
        Check(subject, loss, scales),
        Check(subject, learning, rows, tries=3),
        Check(subject, metrics, rows),
        Check(subject, probabilities, scales),
        Check(subject, divergence, scales),
        Check(subject, order, rows),
    ]


# How a kind is built and asked -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Made:
    """Logits of a batch, and labels in the same places."""

    raw: Any  # a tensor, as a head gives them
    logits: Any  # with what the kind's own layer does to them
    labels: Any
    mask: Any  # None where an example is one thing


def built(subject: Subject) -> Kind:
    """A kind that has heard training labels."""
    try:
        kind: Kind = subject.build(labels=None if subject.component.candidates else NAMES, range=RANGE)
    except UsageError:
        kind = subject.build(labels=NAMES[:2], range=RANGE)
    rows = labels_of(kind, Rows((3,) * 12, 0))
    call(kind, "fit", labels=label_tensor(rows, len(rows)).float())
    return kind


def batch(subject: Subject, rows: Rows) -> Made:
    kind = built(subject)
    labels = labels_of(kind, rows)
    mask = None
    if kind.level == "token" or kind.candidates:
        mask = torch.arange(max(rows.counts)) < torch.tensor(rows.counts).unsqueeze(1)
    shape = (len(labels),) if mask is None else mask.shape
    raw = rows.scale * torch.randn(*shape, kind.outputs, generator=torch.Generator().manual_seed(rows.seed))
    layer = kind.layer()
    logits = raw if layer is None else layer(raw).detach()
    if mask is not None:
        logits = logits.masked_fill(~mask.unsqueeze(-1), 0)
    return Made(raw, logits, label_tensor(labels, len(labels)).float(), mask)


def labels_of(kind: Kind, rows: Rows) -> list[Any]:
    """Labels as they are read, every one that there is among them."""
    return [_read(kind, _text(kind, number + rows.seed, count)) for number, count in enumerate(rows.counts)]


def _text(kind: Kind, number: int, count: int) -> str | list[str]:
    """One that a file could have."""
    if kind.level == "token":
        return [kind.labels[(number + word) % len(kind.labels)] for word in range(count)]
    if kind.candidates:
        return [str(int(candidate == number % count)) for candidate in range(count)]
    if kind.range:
        low, high = kind.range
        return str(low + (high - low) * (1 + number % 7) / 8)
    return kind.labels[number % len(kind.labels)]


def _read(kind: Kind, label: str | list[str]) -> Any:
    return as_label(kind.read_label(label))


def _loss(kind: Kind, logits: Tensor, made: Made) -> Any:
    return call(kind, "loss", logits=logits, labels=made.labels, mask=made.mask)


def _answers(kind: Kind, method: str, logits: Tensor, made: Made) -> Any:
    given = call(kind, method, logits=logits, mask=made.mask)
    if method == "predict" and made.mask is not None and given.ndim == 2:
        return given.masked_fill(~made.mask, torch.nan)
    return given


def _divergence(kind: Kind, one: Tensor, other: Tensor, made: Made) -> Tensor:
    mask = None if made.mask is None else torch.cat([made.mask, made.mask])
    return r_drop(kind, 2.0, torch.cat([one, other]), mask)


def _metrics(kind: Kind, predictions: Tensor, made: Made) -> dict[str, float]:
    found: dict[str, float] = call(kind, "metrics", predictions=predictions, labels=made.labels)
    return found
