"""What turns the gradient into a step of the weights: torch's own optimizers, by name.

Those of its optimizers are left out that need a closure (L-BFGS) or gradients of another form (SparseAdam, and Muon, which
takes matrices alone).
"""

from __future__ import annotations

import mtk

_SUMMARIES = {
    "AdamW": "Adam with a decay apart from the gradient",
    "Adam": "the gradient by running means of it and of its square",
    "NAdam": "Adam with Nesterov's momentum",
    "RAdam": "Adam that waits until its variance is known",
    "Adamax": "Adam by the largest gradient",
    "Adagrad": "the gradient by the sum of its squares",
    "Adadelta": "steps in the units of the weights",
    "Adafactor": "Adam with a factorised second moment, which needs less memory",
    "RMSprop": "the gradient by a running mean of its square",
    "SGD": "the gradient itself, with momentum if it is asked for",
    "ASGD": "SGD with an average of the weights",
}


@mtk.hookimpl
def mtk_register(registry: mtk.Registration) -> None:
    for name, summary in _SUMMARIES.items():
        registry.optimizer(name.lower(), f"torch.optim:{name}", summary=summary)
