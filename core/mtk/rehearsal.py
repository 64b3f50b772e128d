"""One small step before a run leaves anything behind, so that a plugin that breaks its promise does it here."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from mtk.combiner import Combiner
from mtk.data.tokens import TokenizedSplit
from mtk.gradients import Engine
from mtk.model import Model
from mtk.promise import broken, calling

EXAMPLES = 2  # a head that normalises over the batch cannot do with one


def rehearse(model: Model, combiner: Combiner, train: Mapping[str, TokenizedSplit]) -> None:
    """Let every head and the combiner do what a step asks of them, on two examples of each task. The model stays as it was,
    and so does everything random; the combiner does not, so give it one that is used for nothing else.

    Raises UsageError, naming the part, if one fails, or gives a wrong shape or what is not finite.
    """
    with calling(combiner, "turns"):
        turns = combiner.turns()
        if not (turns and all(turn and set(turn) <= train.keys() for turn in turns)):
            raise broken(combiner, "turns", f"its turns are {turns}, and the tasks {', '.join(train)}")
    engine = Engine(model, combiner)
    buffers = [(buffer, buffer.clone()) for buffer in model.buffers()]
    model.train()
    with torch.random.fork_rng([model.device] if model.device.type == "cuda" else []):
        for turn in turns:
            examples = {task: range(min(EXAMPLES, len(train[task]))) for task in turn}
            outcome = engine.backward({task: [train[task].batch(numbers)] for task, numbers in examples.items()})
            engine.check([outcome])
            engine.release()
    for buffer, before in buffers:
        buffer.copy_(before)
