"""Who is installed: every component of every plugin, found by entry point, and every plugin that is broken and why.

A plugin that fails never takes the program down. It is kept as a `Broken` record, `mtk list` shows it, and asking for
one of its components gives the same reason.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from importlib import import_module
from importlib.metadata import EntryPoint, PackageMetadata, distributions, version
from pathlib import Path
from typing import Any, Literal, get_args

import msgspec
import pluggy

from mtk import hookspecs
from mtk.errors import MtkError, UsageError, in_words, nearest
from mtk.places import file_of, folder_of, line_of
from mtk.spec import Spec, options, read_options

Kind = Literal["head", "combiner", "augmenter", "tasks", "encoder", "listener", "command"]
KINDS: tuple[Kind, ...] = get_args(Kind)

PACKAGE = "multitask-toolkit"
"""The distribution that this framework comes with."""

FAILURES = (Exception, SystemExit)
"""What a plugin's code may do to the program that calls it. Not KeyboardInterrupt: that is the user."""

_CONTRACTS = {"head": "Head", "combiner": "Combiner", "augmenter": "Augmenter"}  # kind -> public base class
_NOUNS = {"tasks": "task set"}  # in messages, where it is not the kind itself


class Component(msgspec.Struct, frozen=True):
    """What can be asked for by name: code that is imported when it is used, or a folder of data."""

    kind: Kind
    name: str
    target: str  # "module:Class", "module:command", or "package:folder" for task sets and encoders; may be empty there
    summary: str
    plugin: str  # the entry point's name
    package: str  # the distribution it came with
    version: str
    hub_id: str = ""  # of an encoder, where its folder is not installed

    @property
    def qualified(self) -> str:
        return f"{self.package}/{self.name}"

    @property
    def noun(self) -> str:
        return _NOUNS.get(self.kind, self.kind)

    def load(self) -> Any:
        """The class or the command itself. Raises UsageError, naming plugin and package, if it cannot be had or breaks the
        contract."""
        module, _, attribute = self.target.partition(":")
        try:
            loaded = getattr(import_module(module), attribute)
        except MtkError:  # which explains itself, such as that an extra is missing
            raise
        except FAILURES as error:
            raise self.broken(f"importing {self.target} failed: {self.describe(error)}") from error
        if self.kind == "command":
            return loaded  # whose contract is the command line's
        if self.kind in _CONTRACTS:
            contract = getattr(import_module("mtk"), _CONTRACTS[self.kind])
            if not (isinstance(loaded, type) and issubclass(loaded, contract)):
                raise self.broken(f"{self.target} is not a subclass of mtk.{contract.__name__}")
        elif not isinstance(loaded, type):
            raise self.broken(f"{self.target} is not a class")
        try:
            options(loaded)
        except FAILURES as error:
            raise self.broken(f"its options cannot be read: {self.describe(error)}") from error
        return loaded

    def folder(self) -> Path:
        """The directory of a task set. Raises UsageError, naming plugin and package, if it is not there."""
        found = folder_of(self.target)
        if found is None:
            package, _, folder = self.target.partition(":")
            raise self.broken(f"there is no folder '{folder}' in an installed package '{package}'")
        return found

    def place(self) -> Path | None:
        """The file of its code, or the folder of its data; None where there is none. Imports nothing."""
        if self.kind in ("tasks", "encoder"):
            return folder_of(self.target)
        return file_of(self.target.partition(":")[0])

    def describe(self, error: BaseException) -> str:
        """An exception in one line, with the last place in the component's own code where it was."""
        return in_words(error) + line_of(error, self.target.partition(":")[0])

    def broken(self, reason: str) -> UsageError:
        """The error that says which plugin, of which package, failed its promise, and how."""
        return UsageError(
            f"The {self.noun} '{self.name}' of plugin '{self.plugin}' ({self.package} {self.version}) is broken: {reason}"
        )


class Plugin(msgspec.Struct, frozen=True):
    """A plugin that registered. Its module may implement the run hooks too."""

    name: str
    package: str
    version: str
    module: Any


class Broken(msgspec.Struct, frozen=True):
    """A plugin that could not be loaded or registered."""

    plugin: str
    package: str
    version: str
    reason: str


class Registration:
    """What `mtk_register` is handed: the plugin's own names, checked as they come.

    A target is text, so that listing what is installed imports none of it. Code is "module:Name"; data is
    "package:folder", where the package is named without a dot and is never imported.
    """

    def __init__(self, plugin: str, package: str, version: str) -> None:
        self._origin = (plugin, package, version)
        self.components: list[Component] = []

    def head(self, name: str, target: str, *, summary: str) -> None:
        """Offer the `mtk.Head` at "module:Class" as `--head NAME`."""
        self._add("head", name, target, summary)

    def combiner(self, name: str, target: str, *, summary: str) -> None:
        """Offer the `mtk.Combiner` at "module:Class" as `--combiner NAME`."""
        self._add("combiner", name, target, summary)

    def augmenter(self, name: str, target: str, *, summary: str) -> None:
        """Offer the `mtk.Augmenter` at "module:Class" as `--augment NAME`."""
        self._add("augmenter", name, target, summary)

    def tasks(self, name: str, target: str, *, summary: str) -> None:
        """Offer the directory at "package:folder", which holds a `tasks.toml` and its files, as `--data NAME`."""
        self._add("tasks", name, target, summary)

    def encoder(self, name: str, target: str = "", *, hub_id: str = "", summary: str) -> None:
        """Offer an encoder as `--encoder NAME`: the directory at "package:folder", as transformers reads it, where that
        package is installed, and otherwise what the hub has under `hub_id`. One of the two may be left out."""
        self._add("encoder", name, target, summary, hub_id)

    def listener(self, name: str, target: str, *, summary: str) -> None:
        """Offer the class at "module:Class", whose methods implement run hooks, as `--listen NAME`. Its constructor takes
        the options that a user can set, and nothing else."""
        self._add("listener", name, target, summary)

    def command(self, name: str, target: str, *, summary: str) -> None:
        """Offer the click command at "module:command" as `mtk NAME`. mtk's own commands keep their names."""
        self._add("command", name, target, summary)

    def _add(self, kind: Kind, name: str, target: str, summary: str, hub_id: str = "") -> None:
        if not all(isinstance(text, str) for text in (name, target, summary, hub_id)):
            raise UsageError(f"a {kind}'s name, target and summary are text, not {name!r}, {target!r} and {summary!r}")
        component = Component(kind, name, target, summary, *self._origin, hub_id)
        if not name or set(name) & set(":=,/ \t\n"):
            raise UsageError(f"'{name}' cannot name a {component.noun}: it is empty or holds one of : = , / or a space")
        module, _, attribute = target.partition(":")
        is_data = kind in ("tasks", "encoder")
        if (target or not hub_id) and not (module and attribute and not (is_data and "." in module)):
            promised = '"package:folder", the package without a dot' if is_data else '"module:Class"'
            raise UsageError(f"the target of {component.noun} '{name}' is '{target}', not {promised}")
        if any(c.kind == kind and c.name == name for c in self.components):
            raise UsageError(f"it registers the {component.noun} '{name}' twice")
        self.components.append(component)


class Registry:
    """All components of all plugins in the entry-point group `mtk`, less those that `MTK_DISABLE_PLUGINS` names.

    Making one imports the module that each entry point names, calls its `mtk_register`, and does nothing else of it.
    """

    def __init__(self) -> None:
        self.components: list[Component] = []
        self.plugins: list[Plugin] = []
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

    def find(self, kind: Kind, name: str) -> Component:
        """The component that `name` or `package/name` means. Raises UsageError if there is none, or more than one."""
        noun = _NOUNS.get(kind, kind)
        matches = [c for c in self.components if c.kind == kind and name in (c.name, c.qualified)]
        if len(matches) == 1:
            return matches[0]
        if matches:
            choices = " or ".join(c.qualified for c in matches)
            raise UsageError(f"The {noun} '{name}' is offered by {len(matches)} packages. Write {choices}.")
        for other in self.components:
            if name in (other.name, other.qualified):
                raise UsageError(f"'{name}' is no {noun}: its kind is {other.noun}.")
        raise UsageError(f"There is no {noun} '{name}'. {self.nearest(kind, name)}{self.suspects()}")

    def offers(self, kind: Kind, name: str) -> bool:
        """Whether anything of this kind has the name `name` or `package/name`."""
        return any(c.kind == kind and name in (c.name, c.qualified) for c in self.components)

    def nearest(self, kind: Kind, name: str) -> str:
        """The end of a message about an unknown name: the nearest ones of this kind."""
        return nearest(name, {c.qualified if "/" in name else c.name for c in self.components if c.kind == kind})

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
            built = cls(*arguments, **arguments_by_name)
        except MtkError:
            raise
        except ValueError as error:
            raise UsageError(f"'{spec}' cannot be built: {error}") from error
        except FAILURES as error:
            raise component.broken(f"its constructor failed: {component.describe(error)}") from error
        object.__setattr__(built, "_component", component)  # for `promise` to name; a frozen part gets it too
        return built

    def _installed(self) -> Iterator[EntryPoint]:
        """The entry points of every distribution on the path. One whose file cannot be read hides no other's."""
        for distribution in distributions():
            try:
                yield from distribution.entry_points.select(group="mtk")
            except Exception as error:
                place = distribution.locate_file("")
                reason = f"the entry points of a package in {place} cannot be read; install it again: {in_words(error)}"
                self.broken.append(Broken("unknown plugin", "unknown package", "", reason))

    def _add(self, entry_point: EntryPoint) -> None:
        package, version = "unknown package", ""
        try:
            metadata = _metadata(entry_point)
            package, version = metadata["Name"], metadata["Version"]
            name = f"{package}/{entry_point.name}"  # two packages may call a plugin alike
            if name in self._seen:
                return  # the same package again, further down the path: as for an import, the first one counts
            self._seen.add(name)
            _check_compatible(metadata)
            registration = Registration(entry_point.name, package, version)
            module = entry_point.load()
            self._register(module, name, registration)
        except FAILURES as error:
            reason = in_words(error) + line_of(error, entry_point.value.partition(":")[0])
            self.broken.append(Broken(entry_point.name, package, version, reason))
        else:
            self.plugins.append(Plugin(entry_point.name, package, version, module))
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
                        f"it registers the {component.noun} '{component.name}', and so does plugin '{twin.plugin}' of the "
                        f"same package: nothing could tell them apart"
                    )
        except FAILURES:
            self._plugins.unregister(plugin)
            raise


def _metadata(entry_point: EntryPoint) -> PackageMetadata:
    """That of its package. Raises UsageError if it lacks a name or a version: no run could record what it used."""
    try:
        assert entry_point.dist is not None
        metadata = entry_point.dist.metadata
        named = metadata["Name"] and metadata["Version"]
    except Exception as error:
        raise UsageError(f"the metadata of its package cannot be read; install it again: {in_words(error)}") from error
    if not named:
        raise UsageError("the metadata of its package lacks a name or a version; install it again")
    return metadata


def _check_compatible(metadata: PackageMetadata) -> None:
    """Raises UsageError if a package requires another version of this framework than the one that is here."""
    if metadata["Name"] == PACKAGE:
        return
    for text in metadata.get_all("Requires-Dist") or ():
        if not re.match(r"multitask[-_.]toolkit(?![\w.-]).*[<=>~!]", text, re.IGNORECASE):
            continue  # another package, or any version
        from packaging.requirements import Requirement
        from packaging.version import Version

        requirement, installed = Requirement(text), version(PACKAGE)
        if requirement.marker and not requirement.marker.evaluate({"extra": ""}):
            continue
        # A development version of 0.3 comes before 0.3, and has what a plugin for 0.3 asks for.
        candidates = (installed, Version(installed).base_version)
        if not any(requirement.specifier.contains(candidate, prereleases=True) for candidate in candidates):
            raise UsageError(
                f"it was built for {PACKAGE} {requirement.specifier}, and {installed} is installed: install a release of "
                f"the one that fits the other"
            )
