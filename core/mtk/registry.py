"""Who is installed: every component of every plugin, found by entry point, and every plugin that is broken and why.

A plugin that fails never takes the program down. It is kept as a `Broken` record, `mtk list` shows it, and asking for
one of its components gives the same reason.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Literal

import msgspec
import pluggy

from mtk import hookspecs
from mtk.errors import MtkError, UsageError, nearest
from mtk.spec import Spec, read_options

Kind = Literal["head", "combiner", "augmenter"]
KINDS: tuple[Kind, ...] = ("head", "combiner", "augmenter")

_CONTRACTS = {"head": "Head", "combiner": "Combiner", "augmenter": "Augmenter"}  # kind -> public base class


class Component(msgspec.Struct, frozen=True):
    """A head, combiner or augmenter that can be asked for by name."""

    kind: Kind
    name: str
    target: str  # "module:Class"
    summary: str
    plugin: str  # the entry point's name
    package: str  # the distribution it came with
    version: str

    @property
    def qualified(self) -> str:
        return f"{self.package}/{self.name}"

    def load(self) -> type:
        """The class itself. Raises UsageError, naming plugin and package, if it cannot be had or breaks the contract."""
        module, _, attribute = self.target.partition(":")
        try:
            loaded = getattr(import_module(module), attribute)
        except Exception as error:
            raise self.broken(f"importing {self.target} failed: {describe(error)}") from error
        contract = getattr(import_module("mtk"), _CONTRACTS[self.kind])
        if not (isinstance(loaded, type) and issubclass(loaded, contract)):
            raise self.broken(f"{self.target} is not a subclass of mtk.{contract.__name__}")
        return loaded

    def broken(self, reason: str) -> UsageError:
        """The error that says which plugin, of which package, failed its promise, and how."""
        return UsageError(
            f"The {self.kind} '{self.name}' of plugin '{self.plugin}' ({self.package} {self.version}) is broken: {reason}"
        )


class Broken(msgspec.Struct, frozen=True):
    """A plugin that could not be loaded or registered."""

    plugin: str
    package: str
    version: str
    reason: str


class Registration:
    """What `mtk_register` is handed: the plugin's own names, checked as they come."""

    def __init__(self, plugin: str, package: str, version: str) -> None:
        self._origin = (plugin, package, version)
        self.components: list[Component] = []

    def head(self, name: str, target: str, *, summary: str) -> None:
        """Offer the `mtk.Head` at "module:Class" under `name`."""
        self._add("head", name, target, summary)

    def combiner(self, name: str, target: str, *, summary: str) -> None:
        """Offer the `mtk.Combiner` at "module:Class" under `name`."""
        self._add("combiner", name, target, summary)

    def augmenter(self, name: str, target: str, *, summary: str) -> None:
        """Offer the `mtk.Augmenter` at "module:Class" under `name`."""
        self._add("augmenter", name, target, summary)

    def _add(self, kind: Kind, name: str, target: str, summary: str) -> None:
        if not name or set(name) & set(":=,/ \t\n"):
            raise ValueError(f"'{name}' cannot name a {kind}: it is empty or holds one of : = , / or a space")
        module, colon, attribute = target.partition(":")
        if not (module and colon and attribute):
            raise ValueError(f"the target of {kind} '{name}' is '{target}', not \"module:Class\"")
        if any(c.kind == kind and c.name == name for c in self.components):
            raise ValueError(f"it registers the {kind} '{name}' twice")
        self.components.append(Component(kind, name, target, summary, *self._origin))


class Registry:
    """All components of all plugins in the entry-point group `mtk`, less those that `MTK_DISABLE_PLUGINS` names.

    `hook` calls the run hooks of every plugin, and of every listener that a run adds.
    """

    def __init__(self, found: Sequence[EntryPoint] | None = None) -> None:
        self.components: list[Component] = []
        self.broken: list[Broken] = []
        self._plugins = pluggy.PluginManager("mtk")
        self._plugins.add_hookspecs(hookspecs)
        disabled = {name.strip() for name in os.environ.get("MTK_DISABLE_PLUGINS", "").split(",")}
        for entry_point in sorted(entry_points(group="mtk") if found is None else found, key=lambda e: e.name):
            if entry_point.name not in disabled:
                self._add(entry_point)

    @property
    def hook(self) -> Any:
        return self._plugins.hook

    def listen(self, listener: object) -> None:
        """Let `listener` receive the run hooks too."""
        self._plugins.register(listener)

    def find(self, kind: Kind, name: str) -> Component:
        """The component that `name` or `package/name` means. Raises UsageError if there is none, or more than one."""
        matches = [c for c in self.components if c.kind == kind and name in (c.name, c.qualified)]
        if len(matches) == 1:
            return matches[0]
        if matches:
            choices = " or ".join(c.qualified for c in matches)
            raise UsageError(f"The {kind} '{name}' is offered by {len(matches)} packages. Write {choices}.")
        for other in self.components:
            if name in (other.name, other.qualified):
                raise UsageError(f"'{name}' is no {kind} but the name of a {other.kind}.")
        message = f"There is no {kind} '{name}'. {nearest(name, {c.name for c in self.components if c.kind == kind})}"
        if self.broken:
            reasons = "; ".join(f"'{b.plugin}' ({b.package} {b.version}): {b.reason}" for b in self.broken)
            message += f" These plugins are broken and may have brought it: {reasons}"
        raise UsageError(message)

    def build(self, kind: Kind, spec: Spec, *arguments: Any) -> Any:
        """An instance of the component that `spec` names, with `arguments` and the options of `spec`."""
        component = self.find(kind, spec.name)
        cls = component.load()
        options = read_options(cls, spec)
        try:
            return cls(*arguments, **options)
        except MtkError:
            raise
        except ValueError as error:
            raise UsageError(f"'{spec}' cannot be built: {error}") from error
        except Exception as error:
            raise component.broken(f"its constructor failed: {describe(error)}") from error

    def _add(self, entry_point: EntryPoint) -> None:
        distribution = entry_point.dist
        package, version = (distribution.name, distribution.version) if distribution else ("unknown package", "")
        registration = Registration(entry_point.name, package, version)
        try:
            plugin = entry_point.load()
            self._plugins.register(plugin, entry_point.name)
            others = [p for p in self._plugins.get_plugins() if p is not plugin]
            self._plugins.subset_hook_caller("mtk_register", others)(registry=registration)
        except Exception as error:
            self._plugins.unregister(name=entry_point.name) if self._plugins.has_plugin(entry_point.name) else None
            self.broken.append(Broken(entry_point.name, package, version, describe(error)))
        else:
            self.components += registration.components


def describe(error: Exception) -> str:
    """An exception in one line, with the place in the plugin's own code that raised it."""
    text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None or trace.tb_frame.f_code.co_filename.startswith("<frozen"):
        return text
    return f"{text} ({trace.tb_frame.f_code.co_filename}:{trace.tb_lineno})"
