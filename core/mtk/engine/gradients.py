"""From the losses of T tasks to the gradients an optimizer step needs, at the price of one backward pass over every task.

A head's parameters get their own task's gradient. The shared encoder gets what the combiner decides, and the engine does
no more work than the combiner's kind needs: one gradient, where a LossCombiner says all before the backward pass; else a
row of its own for each task, and then the rows' Gramian, or the rows themselves.

Where the encoder allows it, all tasks pass it at once, in the packed form of `mtk.engine.packing`. Else they do so one after
the other, the plain way, and no graph outlives its task's backward pass. Nothing ever waits for the device.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from mtk.calling.failures import broken, call, tensor
from mtk.combiner import Combiner, GradientCombiner, GramianCombiner, LossCombiner, Scope, Step
from mtk.data.tokens import Batch, Inputs, Reading
from mtk.engine.around import Around, wants_cross
from mtk.engine.gramian import combined
from mtk.engine.halves import Halves
from mtk.engine.layers import shared_layers
from mtk.engine.loss_scaling import LossScaling
from mtk.engine.packing import Packing, room_for, routed_parameters
from mtk.engine.processes import ALONE, Processes, filled
from mtk.engine.task_gradients import TaskGradients
from mtk.head import Encoding
from mtk.model.encoder import Encoder, Layers, scaled_backwards
from mtk.model.multitask import Loss, Model

Parts = Sequence[Batch]
"""One task's batch, or what of it this process takes, in as many parts as it is accumulated from."""

Sizes = Mapping[str, int] | None
"""Examples of each task's whole batch, which several processes share; those that are given here, if None."""

Cosines = Literal["auto", "encoder", "layer"]
"""Of which Gramian the cosines are wanted: of one that the combiner needs anyway, of the encoder's, or of each layer's."""


@dataclass(frozen=True)
class Outcome:
    """What one backward pass told, still on the device."""

    tasks: tuple[str, ...]
    losses: Tensor  # [T]
    own_losses: dict[str, Tensor]  # "task/name" -> [], of each loss that a head has of its own
    gramian: Tensor | None  # [T, T], or [L, T, T] by layer, where one was computed
    decision: Tensor | None  # what the combiner made of them: weights, or its gradient's norm []; None for a plain sum
    finite: Tensor  # [], bool: whether the losses and the gradient of encoder and heads are
    largest: Tensor | None = None  # [], of the tasks' gradients the largest entry, where the combiner got those
    combined: Tensor | None = None
    """[T + 1], or [L, T + 1] by layer, with a Gramian: the inner products of the encoder's gradient, as it was made,
    with each task's own, and last with itself."""
    overflowed: Tensor | None = None  # [], bool: whether they are not for fp16's sake alone, and the step is skipped


class _Wanted(NamedTuple):
    """An encoding that some task wants."""

    reading: int  # which one
    row: int  # of the gradients, that its gradient is added to


_DECISIONS: dict[type[Combiner], tuple[str, str]] = {
    LossCombiner: ("scalarize", "a scalar with the derivatives"),
    GramianCombiner: ("weights", "the weights"),
    GradientCombiner: ("combine", "a gradient of norm"),
}


class Engine:
    """Fills in the gradients of a model for one step of one turn. What to do with them is the caller's.

    The gradient of encoder and heads together is made no longer than `clip_norm`, if that is not 0. `packed` is whether to
    use the packed form, which `packing.why_plain` tells, and `padding_free` whether it is without padding. `number` []
    counts the steps, on the device. `in_halves` says that the combiner compares two halves of a step's examples: a task's
    batch should come in two parts at least.

    Of several `processes` each is given its share of a batch, and all get the gradients and the Outcome of the whole one.
    Where they hold the encoder in parts, all are given as many parts of each task's batch.
    """

    def __init__(
        self,
        model: Model,
        combiner: Combiner,
        *,
        packed: bool,
        padding_free: bool = False,
        clip_norm: float = 0.0,
        cosines: Cosines = "auto",
        processes: Processes = ALONE,
    ) -> None:
        self.model = model
        self.combiner = combiner
        self.processes = processes
        self.packed = packed
        self.clip_norm = clip_norm
        self.number = torch.zeros((), dtype=torch.int64, device=model.device)
        self._made = 0  # the same on the host, where no step is recorded
        self.scaling = LossScaling(model.device) if model.autocast == torch.float16 else None
        self._sound = torch.ones((), dtype=torch.bool, device=model.device)  # whether fp16 could hold this step's gradients
        self._measured: Scope | None = None if cosines == "auto" else cosines
        self._layers = shared_layers(model.encoder)
        if isinstance(combiner, Around):
            combiner.prepare(len(self._layers))
        self.in_halves = wants_cross(combiner)
        self.by_room = packed and padding_free and model.device.type != "cpu"
        """Whether the packed sequence has room for so many tokens, `rooms`, and lengths are the device's alone."""
        self._packing = _packing(model.encoder, padding_free) if packed else None
        kept_free = padding_free and not self.by_room  # a room of its own would make steps of many more shapes
        self._packing_kept = _packing(model.pretrained, kept_free) if packed and model.pretrained else None
        self._rows: TaskGradients | None = None

    @property
    def layers(self) -> tuple[str, ...]:
        """The names of the encoder's layers, in the order in which a Gramian by layer has them."""
        return tuple(self._layers)

    def go_to(self, number: int) -> None:
        """So many steps were made."""
        self.number.fill_(number)
        self._made = number

    def backward(self, batches: Mapping[str, Parts], sizes: Sizes = None) -> Outcome:
        """Set the gradient of every parameter that the tasks of `batches` touch, and leave those of others as they are.
        The gradients of the last step must have been released."""
        combiner, sizes = self.combiner, sizes or _sizes(batches)
        state = {name: t.detach().clone() for name, t in _tensors(combiner).items()} if self.scaling else {}
        if isinstance(combiner, LossCombiner) and not self._is_apart(batches):
            outcome = self._one_gradient(combiner, batches, sizes)
        else:
            outcome = self._a_gradient_each(batches, sizes)
        self.number.add_(1)
        self._made += 1
        return self._skipped_where_it_overflowed(outcome, state) if self.scaling else outcome

    def rooms(self, batches: Mapping[str, Parts]) -> tuple[int, ...]:
        """For how many tokens the packed sequence of each pass of such a step has room; none, where it has the batches' own
        shapes."""
        if not self.by_room:
            return ()
        apart = self._is_apart(batches)
        turns = (_turn(batches, number) for number in range(max(map(len, batches.values()))))
        row_of = {task: place if apart else 0 for place, task in enumerate(batches)}
        return tuple(_room(_wanted(turn, row_of)) for turn in turns)

    def release(self) -> None:
        """The gradients have been used: clear them, the heads' included."""
        if self._rows:
            self._rows.release()
        self.model.zero_grad(set_to_none=True)

    @torch.no_grad()
    def losses(self, batches: Mapping[str, Parts], sizes: Sizes = None) -> Tensor:
        """The tasks' losses [T] alone."""
        sizes = sizes or _sizes(batches)
        losses = torch.cat([self._passed({task: parts}, sizes, backward=False)[0] for task, parts in batches.items()])
        self.processes.sum([losses])
        return losses

    def check(self, outcomes: Sequence[Outcome]) -> None:
        """Raises UsageError, naming the combiner, if it made something infinite or NaN of what was finite.
        Waits for the device: call it where something else does too."""
        decided = [(outcome, outcome.decision) for outcome in outcomes if outcome.decision is not None]
        if not decided or torch.cat([decision.flatten() for _, decision in decided]).isfinite().all():
            return
        method, gave = next(names for kind, names in _DECISIONS.items() if isinstance(self.combiner, kind))
        for outcome, decision in decided:
            told = (outcome.losses, outcome.gramian, outcome.largest)
            if all(given is None or given.isfinite().all() for given in told) and not decision.isfinite().all():
                reason = f"its {method} promises finite numbers, and gave {gave} {decision.tolist()}"
                raise broken(self.combiner, method, reason)

    @torch.no_grad()
    def _skipped_where_it_overflowed(self, outcome: Outcome, state: Mapping[str, Tensor]) -> Outcome:
        """With the next scale set. What the combiner learned of a step that is skipped, it forgets: its `state` was before;
        what it made in this step begins with zeros."""
        assert self.scaling
        overflowed = self.scaling.update(outcome.losses, self._sound)
        for name, now in _tensors(self.combiner).items():
            now.copy_(torch.where(overflowed, state.get(name, 0), now))
        return replace(outcome, finite=outcome.finite & self._sound, overflowed=overflowed)

    def _unscaled(self, rows: TaskGradients | None, count: int) -> None:
        """Take the scale of the losses out of all gradients."""
        if self.scaling:
            module = self.model.heads if rows else self.model
            own = [p.grad for p in module.parameters() if p.grad is not None]
            sound = self.scaling.unscale([*own, *(rows.kept(count) if rows else ())])
            unfit = (~sound).float()
            self.processes.sum([unfit])
            self._sound = unfit == 0

    def _shown(self, statistic: Tensor) -> Tensor:
        """What a combiner is shown of gradients that overflowed: zeros, which solvers can do with. The step is skipped."""
        return torch.where(self._sound, statistic, 0) if self.scaling else statistic

    def _scaled(self, losses: Iterable[Tensor]) -> list[Tensor]:
        return [loss * self.scaling.scale if self.scaling else loss for loss in losses]

    def _one_gradient(self, combiner: LossCombiner, batches: Mapping[str, Parts], sizes: Mapping[str, int]) -> Outcome:
        """The encoder gets the gradient of the scalar."""
        rows = self._cleared_rows(1) if self.packed or self.processes.count > 1 else None
        slopes = None
        if not combiner.additive:
            losses, own, slopes = self._weighed(combiner, batches, sizes)
        elif self.packed:
            losses, own = self._passed(batches, sizes)
        else:
            losses, own = self._passed_one_by_one(batches, sizes)
        if rows and not self.packed:
            rows.take(0)
        own = self._added_up(batches, own, rows, 1, *([losses] if slopes is None else []))
        self._unscaled(rows, 1)
        if rows:
            norm, _ = self._give(rows, torch.ones(1, device=losses.device))
        else:
            norm = nn.utils.clip_grad_norm_(self.model.parameters(), self.clip_norm or torch.inf)
        return Outcome(tuple(batches), losses, own, None, slopes, _finite(losses, norm))

    def _weighed(
        self, combiner: LossCombiner, batches: Mapping[str, Parts], sizes: Mapping[str, int]
    ) -> tuple[Tensor, dict[str, Tensor], Tensor]:
        """A forward pass of whole batches, and a backward pass of the scalar: the losses [T], the heads' own, and the
        scalar's gradient by the losses [T]."""
        scales = {task: torch.ones((), device=self.model.device) for task in batches}
        whole = {task: parts[0] for task, parts in batches.items() if parts}
        with self.processes.draws(self._made):
            found = self._forward(whole, dict.fromkeys(whole, 0), scales) if whole else {}
        shares = {task: loss.total * (whole[task].counted / sizes[task]) for task, loss in found.items()}
        none = torch.zeros((), device=self.model.device)
        losses = torch.stack([shares[task].detach() if task in shares else none for task in batches])
        self.processes.sum([losses])
        own = {
            f"{task}/{name}": value * (whole[task].counted / sizes[task])
            for task, loss in found.items()
            for name, value in loss.own.items()
        }
        slopes = self._slopes(combiner, losses, self._step(batches, losses, sizes))
        for scale, slope in zip(scales.values(), slopes, strict=True):
            scale.copy_(slope)
        if shares:
            torch.autograd.backward(self._scaled(shares.values()))
        return losses, own, slopes

    def _a_gradient_each(self, batches: Mapping[str, Parts], sizes: Mapping[str, int]) -> Outcome:
        """The encoder gets what is decided of the rows, or of their Gramian."""
        combiner, count = self.combiner, len(batches)
        halves = self._halves(batches) if self.in_halves else None
        kept = 2 * count if halves else count
        rows = self._cleared_rows(kept)
        if self.packed:
            losses, own = self._passed(batches, sizes, apart=True, halves=halves)
        else:
            losses, own = self._passed_one_by_one(batches, sizes, rows, halves)
        own = self._added_up(batches, own, rows, kept, losses)
        self._unscaled(rows, kept)
        step = self._step(batches, losses, sizes)
        with torch.no_grad():
            of_rows = self._gramian(rows, kept)
            gramian = halves.together(of_rows) if halves and of_rows is not None else of_rows
            if isinstance(combiner, GradientCombiner):
                gradients = self._shown(rows.gradients(count))
                largest = torch.linalg.vector_norm(gradients, torch.inf)
                if self._may_ask(losses, largest):
                    gradient = call(combiner, "combine", gradients=gradients, step=step)
                    tensor(combiner, "combine", gradient, gradients[0].shape, gradients.device)
                else:
                    gradient = gradients[0] * torch.nan
                decision = torch.linalg.vector_norm(gradient)
                norm = self._total_norm(decision)
                met = None if gramian is None else rows.products(gradients, gradient, by_layer=gramian.ndim == 3)
                rows.give(gradient * self._clipped(norm) if self.clip_norm else gradient)
                return Outcome(step.tasks, losses, own, gramian, decision, _finite(losses, norm), largest, met)
            if isinstance(combiner, GramianCombiner):
                assert gramian is not None and of_rows is not None
                cross = halves.cross(of_rows) if halves else None
                whole = combiner.scope == "encoder" and gramian.ndim == 3
                shown = [self._shown(g.sum(dim=0) if whole else g) for g in (gramian, cross) if g is not None]
                weights = self._weights(combiner, step, *shown)
        if isinstance(combiner, LossCombiner):
            weights = self._slopes(combiner, losses, step)
        norm, met = self._give(rows, halves.of_rows(weights) if halves else weights.detach(), of_rows)
        of_tasks = None if gramian is None else halves.of_tasks(met) if halves else met
        return Outcome(step.tasks, losses, own, gramian, weights, _finite(losses, norm), combined=of_tasks)

    def _added_up(
        self, batches: Mapping[str, Parts], own: dict[str, Tensor], rows: TaskGradients | None, count: int, *more: Tensor
    ) -> dict[str, Tensor]:
        """Let rows, heads' gradients and what `more` there is be the sums over all processes, and buffers those of the first
        one, as torch's DistributedDataParallel has them; the heads' `own` losses, summed as well. A parameter that no
        process has a gradient for keeps none."""
        processes = self.processes
        if processes.count == 1:
            return own
        assert rows
        heads = [p for task in batches for p in self.model.head(task).parameters()]
        touched = [number for number, p in enumerate(heads) if p.grad is not None]
        told = processes.gathered((rows.told(), touched, list(own)))
        own = {
            name: own.get(name, torch.zeros((), device=self.model.device))
            for name in sorted({n for *_, names in told for n in names})
        }
        gradients = filled(heads[number] for number in sorted({n for _, numbers, _ in told for n in numbers}))
        buffers = [buffer for buffer in self.model.buffers() if buffer.is_floating_point()]
        for buffer in () if processes.is_first else buffers:
            buffer.zero_()
        processes.sum([*more, *own.values(), *gradients, *buffers])
        rows.add_up(count, [of_rows for of_rows, *_ in told])
        return own

    def _halves(self, batches: Mapping[str, Parts]) -> Halves:
        own = [[part.counted for part in parts] for parts in batches.values()]
        return Halves(own, self.processes.gathered(own) if self.processes.count > 1 else [own])

    def _is_apart(self, batches: Mapping[str, Parts]) -> bool:
        """Whether each task's gradient is made by itself."""
        combiner, measured = self.combiner, self._measured and len(batches) > 1
        return not isinstance(combiner, LossCombiner) or measured or not (combiner.additive or self._is_whole(batches))

    def _is_whole(self, batches: Mapping[str, Parts]) -> bool:
        """Whether no task's batch comes in several parts, in any process."""
        return not self.processes.any(any(len(parts) > 1 for parts in batches.values()))

    def _may_ask(self, *told: Tensor) -> bool:
        """Not about what is no number, which no step is made of: it would stay in what the combiner keeps, and a solver
        raises, and is not to blame. Where only the device knows, the combiner is asked; nothing waits for that."""
        known = self.combiner.uses_host or told[0].device.type == "cpu"
        return not known or all(bool(given.isfinite().all()) for given in told)

    def _weights(self, combiner: GramianCombiner, step: Step, gramian: Tensor, cross: Tensor | None = None) -> Tensor:
        if not self._may_ask(step.losses, gramian):
            return gramian[..., 0] * torch.nan
        weights = call(combiner, "weights", gramian=gramian, step=step, cross=cross)
        found: Tensor = tensor(combiner, "weights", weights, gramian.shape[:-1], gramian.device)
        return found

    def _slopes(self, combiner: LossCombiner, losses: Tensor, step: Step) -> Tensor:
        """The gradient of the combiner's scalar by the losses [T]; its own parameters receive theirs on the way."""
        return _slopes(combiner, losses, step) if self._may_ask(losses) else losses * torch.nan

    def _step(self, batches: Mapping[str, Parts], losses: Tensor, sizes: Mapping[str, int]) -> Step:
        """What a combiner may know. Numbers are filled in and not copied, which a recorded step could not do."""
        examples = [torch.full((1,), sizes[task], device=losses.device) for task in batches]
        return Step(tuple(batches), losses.detach(), torch.cat(examples), self.number)

    def _gramian(self, rows: TaskGradients, count: int) -> Tensor | None:
        """The Gramian that is needed: [T, T], or [L, T, T] by layer."""
        combiner = self.combiner
        scopes = {self._measured, combiner.scope if isinstance(combiner, GramianCombiner) else None}
        if "layer" in scopes:
            return rows.gramians(count)
        return rows.gramian(count) if "encoder" in scopes else None

    @torch.no_grad()
    def _give(self, rows: TaskGradients, weights: Tensor, gramian: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Let the weighted sum of the rows be the encoder's gradient; `weights` [T], or [L, T] with a Gramian [L, T, T]. The
        norm [] of the gradient of encoder and heads before it is clipped, and the sum's products as `combined` has them,
        follow from the Gramian, and cost no further pass over it."""
        weights = weights.to(rows.matrix.dtype)
        gramian = rows.gramian(weights.shape[-1]) if gramian is None else gramian
        of_layers = weights if gramian.ndim == weights.ndim + 1 else weights.expand(len(gramian), -1)
        met = combined(gramian, of_layers)
        norm = self._total_norm(met[..., -1].sum().clamp_min(0).sqrt())
        rows.give_combined(weights * self._clipped(norm) if self.clip_norm else weights)
        return norm, met

    def _total_norm(self, norm: Tensor) -> Tensor:
        """That of the gradient of encoder and heads, where the encoder's is `norm`."""
        heads = [p.grad for p in self.model.heads.parameters() if p.grad is not None]
        return torch.hypot(norm, nn.utils.get_total_norm(heads))

    def _clipped(self, norm: Tensor) -> Tensor:
        """Clip the heads' gradients, where `norm` is that of the whole gradient; the factor [] for that of the encoder."""
        heads = [p for p in self.model.heads.parameters() if p.grad is not None]
        nn.utils.clip_grads_with_norm_(heads, self.clip_norm, norm)
        return (self.clip_norm / (norm + 1e-6)).clamp_max(1)

    def _passed_one_by_one(
        self,
        batches: Mapping[str, Parts],
        sizes: Mapping[str, int],
        rows: TaskGradients | None = None,
        halves: Halves | None = None,
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """As `_passed`, a task after the other, or those together that share what the encoder reads; with `rows`, each one's
        gradient is moved to its row, or its halves' to theirs."""
        losses: dict[str, Tensor] = {}
        own: dict[str, Tensor] = {}
        names = sorted(batches)  # see `_forward`
        for group in [[task] for task in names] if rows else _sharing(batches, names):
            place = list(batches).index(group[0])
            by_row = {place: {task: batches[task] for task in group}}
            if halves and (split := halves.split(place, batches[group[0]])):
                by_row = {row: {group[0]: parts} for row, parts in split.items()}
            for row, some in by_row.items():
                of_group, of_heads = self._passed(some, sizes, drawn=row if halves else None)
                for task, loss in zip(group, of_group, strict=True):
                    losses[task] = losses[task] + loss if task in losses else loss
                own.update({name: own.get(name, 0) + value for name, value in of_heads.items()})
                if rows:
                    rows.take(row)
        return torch.stack([losses[task] for task in batches]), own

    def _passed(
        self,
        batches: Mapping[str, Parts],
        sizes: Mapping[str, int],
        *,
        apart: bool = False,
        halves: Halves | None = None,
        backward: bool = True,
        drawn: int | None = None,
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The mean losses [T] of the tasks' whole batches and the heads' own, or what is given here adds to them; their
        gradients added to what is there: the tasks together, part after part. If they are to be kept `apart`, each task has
        a row, or one for each of its `halves`. Processes draw anew for another number `drawn`."""
        update = self._packing.one_update() if self._packing else nullcontext()
        with update, self.processes.draws(self._made, *batches, backward, *([] if drawn is None else [drawn])):
            return self._passed_in_parts(batches, sizes, apart, halves, backward)

    def _passed_in_parts(
        self, batches: Mapping[str, Parts], sizes: Mapping[str, int], apart: bool, halves: Halves | None, backward: bool
    ) -> tuple[Tensor, dict[str, Tensor]]:
        losses = {task: torch.zeros((), device=self.model.device) for task in batches}
        own: dict[str, Tensor] = {}
        for number in range(max(map(len, batches.values()))):
            turn = _turn(batches, number)
            rows = {task: place if apart else 0 for place, task in enumerate(batches)}
            if halves:
                rows = {task: halves.row(place, number) for task, place in rows.items()}
            shares = {}
            for task, loss in self._forward(turn, rows).items():
                share = turn[task].counted / sizes[task]
                shares[task] = loss.total * share
                for name, value in loss.own.items():
                    own[f"{task}/{name}"] = own.get(f"{task}/{name}", 0) + value * share
            if backward:
                torch.autograd.backward(self._scaled(shares.values()))
            for task, share_of_loss in shares.items():
                losses[task] = losses[task] + share_of_loss.detach()
        return torch.stack(list(losses.values())), own

    def _forward(
        self, batches: Mapping[str, Batch], row_of: Mapping[str, int], scales: Mapping[str, Tensor] | None = None
    ) -> dict[str, Loss]:
        """The tasks' losses, with their graphs. The tasks go in the order of their names, so that what is drawn for their
        dropout does not depend on that in which a file or a turn has them. A reading that several batches have is encoded
        once, for those of one row."""
        model, scales, names = self.model, scales or {}, sorted(batches)
        readings = _wanted({task: batches[task] for task in names}, row_of)
        losses, encoded = {}, dict[_Wanted, Encoding]()
        with model.computing():
            if self._packing and self._rows:
                encoded = self._encoded_at_once({w: r for w, r in readings.items() if not r.pretrained})
            for task in names:
                wanted = [_Wanted(id(reading), row_of[task]) for reading in batches[task].readings]
                for reading in wanted:
                    if reading not in encoded:
                        encoded[reading] = model.read(readings[reading], batches[task], self._states_kept())
                encodings = [encoded[reading] for reading in wanted]
                if task in scales:
                    encodings = [scaled_backwards(encoding, scales[task]) for encoding in encodings]
                losses[task] = model.loss_of(task, batches[task], encodings)
        return losses

    def _states_kept(self) -> Callable[[Inputs], Layers] | None:
        """What the layers of the encoder before training give, in the packed form too, which waits for no device."""
        packing, rows = self._packing_kept, self._rows
        if packing is None or rows is None:
            return None
        return lambda inputs: packing([inputs], rows, [0])[0]

    def _encoded_at_once(self, readings: Mapping[_Wanted, Reading]) -> dict[_Wanted, Encoding]:
        """In the packed form."""
        assert self._packing and self._rows
        inputs, row_of = [reading.inputs for reading in readings.values()], [wanted.row for wanted in readings]
        states = self._packing(inputs, self._rows, row_of, _room(readings) if self.by_room else None)
        encoded = {}
        for wanted, given, layers in zip(readings, inputs, states, strict=True):
            pooling = routed_parameters(self.model.encoder.pooling, self._rows, wanted.row)
            encoded[wanted] = self.model.encoder.encoding(layers, given["attention_mask"], pooling)
        return encoded

    def _cleared_rows(self, count: int) -> TaskGradients:
        """At least so many rows."""
        if self._rows is None or len(self._rows.matrix) < count:
            self._rows = TaskGradients(self._layers, count, self._packing.tables if self._packing else (), self.processes)
        self._rows.clear()
        return self._rows


def _turn(batches: Mapping[str, Parts], number: int) -> dict[str, Batch]:
    """The parts of this number, of the tasks whose batch has so many."""
    return {task: parts[number] for task, parts in batches.items() if number < len(parts)}


def _wanted(batches: Mapping[str, Batch], row_of: Mapping[str, int]) -> dict[_Wanted, Reading]:
    """What is read for these batches, once for all tasks of a row that want it."""
    return {_Wanted(id(reading), row_of[task]): reading for task, batch in batches.items() for reading in batch.readings}


def _room(readings: Mapping[_Wanted, Reading]) -> int:
    """For the tokens of those among them that the encoder reads as it is trained."""
    return room_for(sum(reading.tokens for reading in readings.values() if not reading.pretrained))


def _packing(encoder: Encoder, padding_free: bool) -> Packing:
    return Packing(encoder.backbone, all_layers=encoder.reads_layers, padding_free=padding_free)


def _sharing(batches: Mapping[str, Parts], names: Sequence[str]) -> list[list[str]]:
    """The tasks, those together of which a reading is the same one."""
    groups: list[tuple[list[str], set[int]]] = []
    for task in names:
        read = {id(reading) for part in batches[task] for reading in part.readings}
        together = [group for group in groups if group[1] & read]
        groups = [group for group in groups if group not in together]
        groups.append(([*(n for of, _ in together for n in of), task], read.union(*(of for _, of in together))))
    return [of for of, _ in groups]


def _sizes(batches: Mapping[str, Parts]) -> dict[str, int]:
    return {task: sum(part.counted for part in parts) for task, parts in batches.items()}


def _tensors(module: nn.Module) -> dict[str, Tensor]:
    return {**dict(module.named_parameters()), **dict(module.named_buffers())}


def _finite(losses: Tensor, norm: Tensor) -> Tensor:
    return losses.isfinite().all() & norm.isfinite()


def _slopes(combiner: LossCombiner, losses: Tensor, step: Step) -> Tensor:
    """The gradient of the combiner's scalar by the losses [T]; its own parameters receive theirs on the way."""
    losses = losses.clone().requires_grad_()
    scalar = call(combiner, "scalarize", losses=losses, step=step)
    tensor(combiner, "scalarize", scalar, (), losses.device)
    if not scalar.requires_grad:
        raise broken(combiner, "scalarize", "its scalarize does not depend on the losses")
    scalar.backward()
    if losses.grad is None:
        raise broken(combiner, "scalarize", "its scalarize does not depend on the losses")
    return losses.grad
