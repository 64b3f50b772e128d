"""The combiner contract: what the shared encoder does with the wishes of T tasks.

Three kinds, cheapest first. A combiner is a subclass of one of them, and the engine does no more work than that one
needs. Whatever a combiner says, a head's parameters get their own task's gradient.

The smallest combiner:

    class EqualLength(mtk.GramianCombiner):
        def weights(self, gramian):
            return gramian.diagonal().clamp_min(1e-12).rsqrt()

A method takes those of its arguments that it names: `weights(self, gramian, step)` may look at the losses too.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from torch import Tensor, nn

Scope = Literal["encoder", "layer"]


@dataclass(frozen=True)
class Step:
    """What a combiner may know of the step beside its statistic. All tensors are on the device, so that a recorded step sees
    them change."""

    tasks: tuple[str, ...]  # of this turn; T is their number
    losses: Tensor  # [T], without a graph
    examples: Tensor  # [T], int64: how many each task's loss is the mean of
    number: Tensor  # [], int64: optimizer steps made before this one


class Combiner(nn.Module, ABC):
    """What all three kinds share. The constructor is offered `tasks`, the tasks' names; its keyword-only arguments are the
    options that a user can set, `NAME:key=value`. Parameters and buffers are trained, moved and saved with the model.
    Everything runs on the device it is given: no `.item()`, no `.cpu()`, no branch on a tensor's value. What it is given
    stays as it is.
    """

    uses_host: ClassVar[bool] = False
    """True for a method that cannot keep to that, such as one that calls a solver in NumPy. Every step then waits for the
    device; `mtk.testing` asks of all others that they never do."""

    declares: ClassVar[frozenset[str]] = frozenset()
    """What is promised beyond this contract; `mtk.testing` tests each of it. Write g for the encoder's gradient:

    - `non-conflicting`: no task's gradient has a negative inner product with g;
    - `non-conflicting-for-two`: the same, where there are two tasks;
    - `permutation-equivariant`: reordering the tasks leaves g as it is, or its mean, where the method is random;
    - `scale-equivariant`: losses and gradients c times as large, c > 0, make g c times as large;
    - `single-task-identity`: with one task, g is that task's gradient.
    """

    def __init__(self, tasks: Sequence[str]) -> None:
        super().__init__()
        self.tasks = tuple(tasks)

    def turns(self) -> list[tuple[str, ...]]:
        """Which tasks share an optimizer step, turn after turn. By default there is one turn, for all tasks."""
        return [self.tasks]

    def after_step(self, losses: Callable[[], Tensor]) -> None:
        """The optimizer has made its step. `losses()` gives the losses [T] of the same batches again, as the model is now,
        without gradients; it costs a forward pass, and nothing where it is not called. By default it is not."""

    def after_evaluation(self, scores: Mapping[str, float]) -> None:
        """The model has been evaluated: each task's score on its development set, of which more is better. What is made of
        it belongs into buffers, which are resumed."""


class LossCombiner(Combiner):
    """Decides from the losses alone: one backward pass of the scalar it makes of them."""

    additive: bool = False
    """True if `scalarize` is the plain sum. The engine then finishes one task's batch before it begins the next, and
    never holds two graphs."""

    @abstractmethod
    def scalarize(self, losses: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """losses [T], step -> scalar []. The encoder gets the scalar's gradient, and so do the combiner's own
        parameters."""


class GramianCombiner(Combiner):
    """Decides from the inner products of the tasks' gradients. Most gradient surgery is of this kind: what it does to the
    gradients is a linear combination of them, and T weights say it all."""

    scope: Scope = "encoder"
    """`layer` for a decision of its own in each layer of the encoder: `weights` then gets L Gramians [L, T, T] and gives
    weights [L, T]. Layers come in the order of the encoder: its embeddings, each block, and what follows. It may be an
    option, `scope: mtk.Scope = "encoder"`, which the constructor keeps as `self.scope`. Any other method takes
    `scope=layer` too: each layer is then decided for by a copy of it."""

    @abstractmethod
    def weights(self, gramian: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """gramian [T, T], where gramian[i, j] = <g_i, g_j> over the shared parameters, and step -> weights [T]. The encoder
        gets the weighted sum of the gradients.

        A method that names `cross` is given <a_i, b_j> [T, T] too, where a and b are the gradients of two halves of each
        task's examples, independent of each other, and g is their mean. That takes twice as many rows of gradients. A task
        with a single example has it in both."""


class GradientCombiner(Combiner):
    """Decides from the gradients themselves."""

    @abstractmethod
    def combine(self, gradients: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """gradients [T, P], a row for each task over all shared parameters, and step -> the encoder's gradient [P]."""
