"""Optimizer steps recorded once as CUDA graphs and then replayed, so that a GPU does not wait for Python between kernels.

At the batch sizes of fine-tuning, launching the thousands of kernels of a step takes longer than computing them. A graph
launches them all at once, but only for tensors of the shapes and at the addresses of its recording: so steps are padded to
few shapes (`mtk.engine.shapes`), and batches copied into the recording's own.
"""

from __future__ import annotations

import dataclasses
import gc
import logging
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from typing import Any, Literal, Protocol

import torch

from mtk.data.tokens import Batch, Reading
from mtk.engine.gradients import Outcome, Parts
from mtk.engine.shapes import MOST
from mtk.errors import UsageError

SEEN = 1000  # shapes that are remembered without a recording
SPARED = 0.1  # of a device's memory: where less is free, what was recorded goes before more is

logger = logging.getLogger("mtk")

Step = Callable[[Mapping[str, Parts]], Outcome]


class Recording(Protocol):
    """What a step did, to be done again."""

    def replay(self) -> Outcome:
        """Do it with what now stands in the batches it was recorded with."""

    def free(self) -> None:
        """Give back what it takes on the device. It is not replayed any more."""


class CudaGraph:
    """A step as a CUDA graph. All graphs compute in the same memory, as only one runs at a time; what each takes for itself
    is its list of kernels, with their arguments."""

    _pool: Any = None

    def __init__(self, work: Callable[[], Outcome]) -> None:
        if CudaGraph._pool is None:
            CudaGraph._pool = torch.cuda.graph_pool_handle()
        self._graph = torch.cuda.CUDAGraph()
        collecting = gc.isenabled()
        gc.disable()  # another graph that is collected meanwhile would be destroyed, which spoils what is being recorded
        try:
            with torch.cuda.graph(self._graph, pool=CudaGraph._pool, stream=torch.cuda.current_stream()):
                self._outcome = work()
        except BaseException:
            CudaGraph._pool = None  # which waits for the end of the recording, as the generator does
            _no_longer_recorded(torch.cuda.default_generators[torch.cuda.current_device()])
            raise
        finally:
            if collecting:
                gc.enable()

    def replay(self) -> Outcome:
        self._graph.replay()
        outcome = self._outcome  # which the next replay overwrites
        return Outcome(
            tasks=outcome.tasks,
            losses=outcome.losses.clone(),
            own_losses={name: value.clone() for name, value in outcome.own_losses.items()},
            gramian=None if outcome.gramian is None else outcome.gramian.clone(),
            decision=None if outcome.decision is None else outcome.decision.clone(),
            finite=outcome.finite.clone(),
            overflowed=None if outcome.overflowed is None else outcome.overflowed.clone(),
            largest=None if outcome.largest is None else outcome.largest.clone(),
            combined=None if outcome.combined is None else outcome.combined.clone(),
        )

    def free(self) -> None:
        torch.cuda.synchronize()  # it may be running
        self._graph.reset()


def _no_longer_recorded(generator: torch.Generator) -> None:
    """Let a device's generator, which a recording that failed has left waiting for its numbers, draw them itself again."""
    generator.graphsafe_set_state(generator.clone_state())


def has_room() -> bool:
    """Whether the current device has memory for more recordings; where there is none, what stands in for it has."""
    if not torch.cuda.is_available():
        return True
    free, total = torch.cuda.mem_get_info()
    return free + torch.cuda.memory_reserved() - torch.cuda.memory_allocated() > SPARED * total


class RecordedSteps:
    """Makes steps: as `step` does for batches of shapes it sees for the first time, which also warms up what they need; by a
    recording of it from the second time on.

    At most `most` recordings are kept, and none is added where there is no `room`: the one that was not replayed for longest
    makes way. `rooms` is what a recording depends on beside the batches' shapes. If a step cannot be recorded, a warning
    says so, and this and all further ones are made as they are.
    """

    def __init__(
        self,
        step: Step,
        record: Callable[[Callable[[], Outcome]], Recording] = CudaGraph,
        *,
        rooms: Callable[[Mapping[str, Parts]], tuple[int, ...]] = lambda batches: (),
        most: int = MOST,
        room: Callable[[], bool] = has_room,
    ) -> None:
        self.made = self.replayed = 0
        """Steps, and those of them that were replays, the first of a recording included."""
        self._step = step
        self._record = record
        self._rooms, self._most, self._room = rooms, most, room
        self._seen: OrderedDict[Hashable, None] = OrderedDict()  # both: the last used come last
        self._recordings: OrderedDict[Hashable, tuple[Recording, Mapping[str, Parts]]] = OrderedDict()
        self._possible = True
        self._stream = torch.cuda.Stream() if torch.cuda.is_available() else None

    def __call__(self, batches: Mapping[str, Parts]) -> Outcome:
        if self._stream is None:
            return self._make(batches)
        # Graphs cannot be recorded on the default stream, and autograd's own work must stay on the stream that records.
        caller = torch.cuda.current_stream()
        self._stream.wait_stream(caller)
        with torch.cuda.stream(self._stream):
            outcome = self._make(batches)
        caller.wait_stream(self._stream)
        return outcome

    def _make(self, batches: Mapping[str, Parts]) -> Outcome:
        shapes = self._rooms(batches), _shapes(batches)
        self.made += 1
        if shapes not in self._recordings:
            if shapes not in self._seen or not self._possible or not self._has_made_way():
                self._remember(shapes)
                return self._step(batches)
            copies = _copies(batches)
            try:
                self._recordings[shapes] = self._record(lambda: self._step(copies)), copies
            except Exception as error:  # whatever the step does that a graph cannot hold, the step itself can do it
                self._possible = False
                logger.warning("The step is not recorded as a CUDA graph, and will be slower: %s", error)
                return self._step(batches)
        self._recordings.move_to_end(shapes)
        self.replayed += 1
        recording, own = self._recordings[shapes]
        for task, parts in batches.items():
            for part, to in zip(parts, own[task], strict=True):
                for new, kept in zip(part.readings, to.readings, strict=True):
                    for name, values in new.inputs.items():
                        kept.inputs[name].copy_(values)
                to.labels.copy_(part.labels)
                if part.places is not None:
                    to.places.copy_(part.places)  # type: ignore[union-attr]
        return recording.replay()

    def _remember(self, shapes: Hashable) -> None:
        self._seen[shapes] = None
        self._seen.move_to_end(shapes)
        if len(self._seen) > SEEN:
            self._seen.popitem(last=False)

    def _has_made_way(self) -> bool:
        """Whether one more recording may be made, now that those that are over are freed."""
        while self._recordings and (len(self._recordings) >= self._most or not self._room()):
            _, (recording, _) = self._recordings.popitem(last=False)
            recording.free()
        return self._room()


def choose_recording(
    name: Literal["auto", "on", "off"],
    device: torch.device,
    combiner: str,
    *,
    uses_host: bool,
    unrecordable: str | None = None,
    recompute: bool = False,
    processes: int = 1,
) -> bool:
    """Whether steps are recorded as CUDA graphs: for `auto`, where they can be. `unrecordable` is the optimizer, where its
    step cannot be. Raises UsageError for `on` elsewhere."""
    reason = None
    if device.type != "cuda":
        reason = f"a step is recorded as a CUDA graph, and this run is on {device.type}"
    elif uses_host:
        reason = f"the combiner '{combiner}' computes on the host in every step, which no CUDA graph can hold"
    elif recompute:
        reason = "--recompute sets random generators back in every step, which no CUDA graph can hold"
    elif processes > 1:
        reason = "several processes tell one another on the host in every step what they have, which no CUDA graph can hold"
    elif unrecordable:
        reason = (
            f"the optimizer '{unrecordable}' has no form that a CUDA graph can hold: its constructor knows no `capturable`"
        )
    if name == "on" and reason:
        raise UsageError(f"--compile on: {reason}. Use --compile auto or off.")
    return name != "off" and reason is None


def _shapes(batches: Mapping[str, Parts]) -> Hashable:
    """What a recording depends on: all shapes, and which readings are the same one."""
    numbers: dict[int, int] = {}
    return tuple((task, *(_shape(part, numbers) for part in parts)) for task, parts in batches.items())


def _shape(batch: Batch, numbers: dict[int, int]) -> Hashable:
    readings = (
        (numbers.setdefault(id(r), len(numbers)), r.sequences, *((name, values.shape) for name, values in r.inputs.items()))
        for r in batch.readings
    )
    return batch.labels.shape, None if batch.places is None else batch.places.shape, *readings


def _copies(batches: Mapping[str, Parts]) -> dict[str, list[Batch]]:
    """Batches of the recording's own; readings that are the same one stay so."""
    own: dict[int, Reading] = {}
    return {task: [_copy(part, own) for part in parts] for task, parts in batches.items()}


def _copy(batch: Batch, own: dict[int, Reading]) -> Batch:
    for r in batch.readings:
        own.setdefault(id(r), dataclasses.replace(r, inputs={k: v.clone() for k, v in r.inputs.items()}))
    readings = tuple(own[id(r)] for r in batch.readings)
    places = None if batch.places is None else batch.places.clone()
    return dataclasses.replace(batch, readings=readings, labels=batch.labels.clone(), places=places)
