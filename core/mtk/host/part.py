"""A part: a component as a run uses it, its class imported and its options read. What a run is planned of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from mtk.calling.arguments import named
from mtk.calling.failures import failures
from mtk.errors import MtkError, UsageError
from mtk.host.component import Component
from mtk.host.contracts import framework_options, own_options, uncalled, unmade
from mtk.host.options import read_options
from mtk.host.spec import Spec


class Part(msgspec.Struct, frozen=True):
    """What was asked for by one `NAME:key=value,…`."""

    component: Component
    cls: type
    spec: Spec  # its name as short as it may be, and its options as text that can be read from anywhere
    options: dict[str, Any]  # of its constructor
    framework: dict[str, Any]  # those that the framework adds to every part of the kind, such as an augmenter's `copies`

    @classmethod
    def read(cls, component: Component, spec: Spec, defaults: Mapping[str, str]) -> Part:
        """Raises UsageError if the class cannot be had, or an option does not fit."""
        loaded = component.load()
        own, added = own_options(component.kind, loaded), framework_options(component.kind, loaded)
        spec = Spec(spec.name, {**spec.options, **{k: v for k, v in defaults.items() if k in own.keys() - spec.options}})
        known = {**own, **added}
        values = read_options(known, spec)
        spec = Spec(spec.name, {name: known[name].recorded(text) for name, text in spec.options.items()})
        framework = {name: values.get(name, option.default) for name, option in added.items()}
        return cls(component, loaded, spec, {k: v for k, v in values.items() if k in own}, framework)

    @property
    def text(self) -> str:
        """As a user would write it."""
        return str(self.spec)

    @property
    def recorded(self) -> str:
        """The same with the package's name, so that it means this one whoever else is installed."""
        return str(Spec(self.component.qualified, self.spec.options))

    def build(self, **offered: Any) -> Any:
        """An instance, given those of the `offered` arguments that its constructor names, and its options. Raises
        UsageError."""
        try:
            built = self.cls(**named(self.cls.__init__, offered), **self.options)  # type: ignore[misc]
        except MtkError:
            raise
        except ValueError as error:
            raise UsageError(f"'{self.text}' cannot be built: {error}") from error
        except failures() as error:
            reason = "its constructor failed"
            if "Module.__init__() call" in str(error):  # torch's words for a module that is filled before it is one
                reason = uncalled(self.component.kind)
            raise self.component.broken(f"{reason}: {self.component.describe(error)}") from error
        if undone := unmade(self.component.kind, built):
            raise self.component.broken(undone)
        object.__setattr__(built, "_component", self.component)  # for messages to name; a frozen part gets it too
        return built
