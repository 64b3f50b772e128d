"""Who is installed: every component of every plugin, found by entry point, and every plugin that is broken and why.

A plugin that fails never takes the program down. It is kept as a `Broken` record, `mtk list` shows it, and asking for
one of its components gives the same reason.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterator
from importlib import import_module
from importlib.metadata import EntryPoint, distributions
from pathlib import Path
from traceback import walk_tb
from typing import Any, Literal

import msgspec
import pluggy

from mtk import hookspecs
from mtk.errors import MtkError, UsageError, nearest
from mtk.spec import Spec, options, read_options

Kind = Literal["head", "combiner", "augmenter"]
KINDS: tuple[Kind, ...] = ("head", "combiner", "augmenter")

FAILURES = (Exception, SystemExit)
"""What a plugin's code may do to the program that calls it. Not KeyboardInterrupt: that is the user."""

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
        except FAILURES as error:
            raise self.broken(f"importing {self.target} failed: {describe(error)}") from error
        contract = getattr(import_module("mtk"), _CONTRACTS[self.kind])
        if not (isinstance(loaded, type) and issubclass(loaded, contract)):
            raise self.broken(f"{self.target} is not a subclass of mtk.{contract.__name__}")
        try:
            options(loaded)
        except FAILURES as error:
            raise self.broken(f"its options cannot be read: {describe(error)}") from error
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
        if not all(isinstance(text, str) for text in (name, target, summary)):
            raise UsageError(f"a {kind}'s name, target and summary are text, not {name!r}, {target!r} and {summary!r}")
        if not name or set(name) & set(":=,/ \t\n"):
            raise UsageError(f"'{name}' cannot name a {kind}: it is empty or holds one of : = , / or a space")
        module, _, attribute = target.partition(":")
        if not (module and attribute):
            raise UsageError(f"the target of {kind} '{name}' is '{target}', not \"module:Class\"")
        if any(c.kind == kind and c.name == name for c in self.components):
            raise UsageError(f"it registers the {kind} '{name}' twice")
        self.components.append(Component(kind, name, target, summary, *self._origin))


class Registry:
    """All components of all plugins in the entry-point group `mtk`, less those that `MTK_DISABLE_PLUGINS` names.

    `hook` calls the run hooks of every plugin, and of every listener that a run adds.
    """

    def __init__(self) -> None:
        self.components: list[Component] = []
        self.broken: list[Broken] = []
        self.disabled: list[str] = []
        self._seen: set[str] = set()
        self._plugins = pluggy.PluginManager("mtk")
        self._plugins.add_hookspecs(hookspecs)
        unwanted = {name.strip() for name in os.environ.get("MTK_DISABLE_PLUGINS", "").split(",")}
        for entry_point in sorted(self._installed(), key=lambda e: e.name):
            if entry_point.name in unwanted:
                self.disabled.append(entry_point.name)
            else:
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
                raise UsageError(f"'{name}' is no {kind}: its kind is {other.kind}.")
        known = {c.qualified if "/" in name else c.name for c in self.components if c.kind == kind}
        raise UsageError(f"There is no {kind} '{name}'. {nearest(name, known)}{self.suspects()}")

    def suspects(self) -> str:
        """The end of a message about something missing: the plugins that are installed and may have brought it."""
        text = f" MTK_DISABLE_PLUGINS switches off {', '.join(self.disabled)}." if self.disabled else ""
        if self.broken:
            reasons = "; ".join(f"'{b.plugin}' ({b.package} {b.version}): {b.reason}" for b in self.broken)
            text += f" These plugins are broken and may have brought it: {reasons}"
        return text

    def build(self, kind: Kind, spec: Spec, *arguments: Any) -> Any:
        """An instance of the component that `spec` names, with `arguments` and the options of `spec`."""
        component = self.find(kind, spec.name)
        cls = component.load()
        arguments_by_name = read_options(cls, spec)
        try:
            return cls(*arguments, **arguments_by_name)
        except MtkError:
            raise
        except ValueError as error:
            raise UsageError(f"'{spec}' cannot be built: {error}") from error
        except FAILURES as error:
            raise component.broken(f"its constructor failed: {describe(error)}") from error

    def _installed(self) -> Iterator[EntryPoint]:
        """The entry points of every distribution on the path. One whose file cannot be read hides no other's."""
        for distribution in distributions():
            try:
                yield from distribution.entry_points.select(group="mtk")
            except Exception as error:
                place = distribution.locate_file("")
                reason = f"the entry points of a package in {place} cannot be read; install it again: {describe(error)}"
                self.broken.append(Broken("unknown plugin", "unknown package", "", reason))

    def _add(self, entry_point: EntryPoint) -> None:
        package, version = "unknown package", ""
        try:
            package, version = _origin(entry_point)
            name = f"{package}/{entry_point.name}"  # two packages may call a plugin alike
            if name in self._seen:
                return  # the same package again, further down the path: as for an import, the first one counts
            self._seen.add(name)
            registration = Registration(entry_point.name, package, version)
            self._register(entry_point.load(), name, registration)
        except FAILURES as error:
            self.broken.append(Broken(entry_point.name, package, version, describe(error)))
        else:
            self.components += registration.components

    def _register(self, plugin: Any, name: str, registration: Registration) -> None:
        """Let `plugin` fill in its registration. Raises, and forgets the plugin, if it breaks the contract."""
        if self._plugins.is_registered(plugin):
            raise UsageError(f"it is the same module as plugin '{self._plugins.get_name(plugin)}'")
        self._plugins.register(plugin, name)
        try:
            if not self._plugins.get_hookcallers(plugin):
                raise UsageError("it implements no hook of mtk: mark its mtk_register with @mtk.hookimpl")
            self._plugins.check_pending()
            others = [p for p in self._plugins.get_plugins() if p is not plugin]
            self._plugins.subset_hook_caller("mtk_register", others)(registry=registration)
            known = {(c.kind, c.qualified): c for c in self.components}
            for component in registration.components:
                if twin := known.get((component.kind, component.qualified)):
                    raise UsageError(
                        f"it registers the {component.kind} '{component.name}', and so does plugin '{twin.plugin}' of the "
                        f"same package: nothing could tell them apart"
                    )
        except FAILURES:
            self._plugins.unregister(plugin)
            raise


def _origin(entry_point: EntryPoint) -> tuple[str, str]:
    """The name and the version of its package. Raises UsageError if it has none: no run could record what it used."""
    try:
        assert entry_point.dist is not None
        package, version = entry_point.dist.name, entry_point.dist.version
    except Exception as error:
        raise UsageError(f"the metadata of its package cannot be read; install it again: {describe(error)}") from error
    if not (package and version):
        raise UsageError("the metadata of its package lacks a name or a version; install it again")
    return package, version


# The places that an exception passes through on its way from a plugin to its message.
_HOST = ("<frozen", *(str(Path(file).parent) for file in (__file__, importlib.__file__, pluggy.__file__)))


def describe(error: BaseException) -> str:
    """An exception in one line, with the last place in the plugin's own code where it was."""
    text = " ".join(str(error).split())
    if not isinstance(error, MtkError):  # whose message says it all
        text = f"{type(error).__name__}: {text}" if text else type(error).__name__
    places = [(Path(frame.f_code.co_filename), line) for frame, line in walk_tb(error.__traceback__)]
    places = [(file, line) for file, line in places if not str(file).startswith(_HOST)]
    if not places:
        return text
    file, line = [(file, line) for file, line in places if file.parent == places[0][0].parent][-1]
    return f"{text} ({file}:{line})"
