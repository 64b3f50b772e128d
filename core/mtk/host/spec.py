"""How a component is named: `NAME`, `NAME:key=value,key=value`, or `package/NAME` where two packages offer one name."""

from __future__ import annotations

import msgspec

from mtk.errors import UsageError


class Spec(msgspec.Struct, frozen=True):
    """A component's name and its options, as written and not yet checked."""

    name: str
    options: dict[str, str] = {}

    @classmethod
    def parse(cls, text: str) -> Spec:
        """Read `NAME:key=value,key=value`. Raises UsageError where an option has no value or comes twice."""
        name, colon, rest = text.partition(":")
        if not name.strip():
            raise UsageError(f"'{text}' names no component. Write NAME or NAME:key=value,key=value.")
        options: dict[str, str] = {}
        for item in rest.split(",") if colon else ():
            key, equals, value = item.partition("=")
            if not (key and equals and value):
                raise UsageError(f"'{item}' in '{text}' is not an option. Write NAME:key=value,key=value.")
            if key in options:
                raise UsageError(f"Option '{key}' comes twice in '{text}'.")
            options[key] = value
        return cls(name.strip(), options)

    def __str__(self) -> str:
        return self.name + (":" + ",".join(f"{k}={v}" for k, v in self.options.items()) if self.options else "")
