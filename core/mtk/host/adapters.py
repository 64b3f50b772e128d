"""An adapter as it is asked for: `lora:r=8,target_modules=query/value`."""

from __future__ import annotations

from mtk.adapter import ADAPTERS, Adapter
from mtk.errors import UsageError, nearest
from mtk.host.options import options, read_options
from mtk.host.spec import Spec


def read_adapter(text: str) -> Adapter | None:
    """The adapter that a text describes, with its options checked; None for an empty one. Raises UsageError."""
    if not text:
        return None
    spec = Spec.parse(text)
    if spec.name not in ADAPTERS:
        raise UsageError(f"--adapter: there is no adapter '{spec.name}'. {nearest(spec.name, ADAPTERS)}")
    kind = ADAPTERS[spec.name]
    return kind(**read_options(options(kind), spec))
