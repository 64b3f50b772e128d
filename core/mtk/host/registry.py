"""Who is installed: every component of every plugin, found by entry point, and every plugin that is broken and why.

A plugin that fails never takes the program down. It is kept as a `Broken` record, `mtk list` shows it, and asking for
one of its components gives the same reason.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator, Mapping
from importlib.metadata import EntryPoint, PackageMetadata, distributions, version
from typing import Any

import msgspec
import pluggy

from mtk import hookspecs
from mtk.calling.failures import failures
from mtk.calling.source import line_of
from mtk.errors import UsageError, in_words, nearest
from mtk.host.component import NOUNS, Component
from mtk.host.containment import contained
from mtk.host.contracts import PartKind
from mtk.host.part import Part
from mtk.host.spec import Spec
from mtk.registration import Registration

PACKAGE = "multitask-toolkit"
"""The distribution that this framework comes with."""

SLOW = 0.5
"""Seconds that no plugin should take to be listed: three times what all of mtk's own take together."""


class Plugin(msgspec.Struct, frozen=True):
    """A plugin that registered. Its module may implement the run hooks too."""

    name: str
    package: str
    version: str
    module: Any
    seconds: float  # that importing and registering it took


class Broken(msgspec.Struct, frozen=True):
    """A plugin that could not be loaded or registered."""

    plugin: str
    package: str
    version: str
    reason: str
    seconds: float = 0.0  # until it failed


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
            if entry_point.name not in unwanted:
                self._add(entry_point)
            elif entry_point.name not in self.disabled:
                self.disabled.append(entry_point.name)

    def find(self, kind: PartKind, name: str) -> Component:
        """The component that `name` or `package/name` means. The toolkit's own is meant by its name, whoever else offers
        that: another package's twin is asked for by its qualified name. Raises UsageError if there is none, or where two
        other packages offer it."""
        noun = NOUNS.get(kind, kind)
        matches = self._all(kind, name)
        own = [c for c in matches if c.package == PACKAGE]
        if len(matches) == 1 or own:
            return (own or matches)[0]
        if matches:
            choices = " or ".join(c.qualified for c in matches)
            raise UsageError(f"The {noun} '{name}' is offered by {len(matches)} packages. Write {choices}.")
        for other in self.components:
            if name in (other.name, other.qualified):
                raise UsageError(f"'{name}' is no {noun}: its kind is {other.noun}.")
        twins = [c.qualified for c in self._all(kind, name.rpartition("/")[2])] if "/" in name else []
        instead = f"There is {' and '.join(twins)}." if twins else self.nearest(kind, name)
        raise UsageError(f"There is no {noun} '{name}'. {instead}{self.suspects()}")

    def part(self, kind: PartKind, asked: str | Spec, defaults: Mapping[str, str] | None = None) -> Part:
        """The part that `NAME:key=value,…` asks for, its class imported and its options read. `defaults` are options that it
        gets where it has them and was given no others. Raises UsageError."""
        spec = Spec.parse(asked) if isinstance(asked, str) else asked
        component = self.find(kind, spec.name)
        return Part.read(component, Spec(self.shortest(component), spec.options), defaults or {})

    def shortest(self, component: Component) -> str:
        """What a user has to write to mean this component: its name alone, if no other is meant by that."""
        return component.name if self.find(component.kind, component.name) == component else component.qualified

    def twins(self, component: Component) -> list[Component]:
        """What other packages offer by the same name."""
        return [c for c in self._all(component.kind, component.name) if c != component]

    def slow(self) -> dict[tuple[str, str], str]:
        """(package, plugin) -> a sentence for each plugin that every command has to wait for."""
        found = [(p.name, p.package, p.version, p.seconds) for p in self.plugins]
        found += [(b.plugin, b.package, b.version, b.seconds) for b in self.broken]
        sentence = (
            "The plugin '{}' ({} {}) takes {:.1f} s to import, and every command waits for it. Import what is heavy in the "
            "modules that it names, which are imported when they are used."
        )
        return {(p[1], p[0]): sentence.format(*p) for p in found if p[3] >= SLOW}

    def _all(self, kind: PartKind, name: str) -> list[Component]:
        return [c for c in self.components if c.kind == kind and name in (c.name, c.qualified)]

    def offers(self, kind: PartKind, name: str) -> bool:
        """Whether anything of this kind has the name `name` or `package/name`."""
        return bool(self._all(kind, name))

    def nearest(self, kind: PartKind, name: str) -> str:
        """The end of a message about an unknown name: the nearest ones of this kind."""
        return nearest(name, {c.qualified if "/" in name else c.name for c in self.components if c.kind == kind})

    def suspects(self) -> str:
        """The end of a message about something missing: the plugins that are installed and may have brought it."""
        text = f" MTK_DISABLE_PLUGINS switches off {', '.join(self.disabled)}." if self.disabled else ""
        if self.broken:
            reasons = "; ".join(f"'{b.plugin}' ({b.package} {b.version}): {b.reason}" for b in self.broken)
            text += f" These plugins are broken and may have brought it: {reasons}"
        return text

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
        began = time.perf_counter()
        try:
            metadata = _metadata(entry_point)
            package, version = metadata["Name"], metadata["Version"]
            name = f"{package}/{entry_point.name}"  # two packages may call a plugin alike
            if name in self._seen:
                return  # the same package again, further down the path: as for an import, the first one counts
            self._seen.add(name)
            _check_compatible(metadata)
            registration = Registration(entry_point.name, package, version)
            with contained():
                module = entry_point.load()
                self._register(module, name, registration)
        except failures() as error:
            reason = in_words(error) + line_of(error, entry_point.value.partition(":")[0])
            self.broken.append(Broken(entry_point.name, package, version, reason, time.perf_counter() - began))
        else:
            self.plugins.append(Plugin(entry_point.name, package, version, module, time.perf_counter() - began))
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
            if unmarked := unmarked_hooks(plugin):
                raise UsageError(f"its {unmarked[0]} is not marked with @mtk.hookimpl")
            others = [p for p in self._plugins.get_plugins() if p is not plugin]
            self._plugins.subset_hook_caller("mtk_register", others)(registry=registration)
            package = name.rpartition("/")[0]
            known = {(c.kind, c.name): c for c in self.components if c.package == package}
            for component in registration.components:
                if twin := known.get((component.kind, component.name)):
                    raise UsageError(
                        f"it registers the {component.noun} '{component.name}', and so does plugin '{twin.plugin}' of the "
                        f"same package: nothing could tell them apart"
                    )
        except failures():
            self._plugins.unregister(plugin)
            raise


def unmarked_hooks(plugin: Any) -> list[str]:
    """The functions of a module, or the methods of a listener, that are called as a hook is and that nobody will call."""
    names = (name for name in dir(plugin) if hasattr(hookspecs, name) and name.startswith("mtk_"))
    return [name for name in names if not hasattr(getattr(plugin, name), "mtk_impl")]


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
