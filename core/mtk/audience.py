"""Who hears of one run: the plugins that implement run hooks, the listeners asked for by name, and the caller's own."""

from __future__ import annotations

import logging
from collections.abc import Iterable

import msgspec
import pluggy

from mtk import hookspecs
from mtk.errors import in_words
from mtk.places import line_of
from mtk.registry import FAILURES, Registry
from mtk.spec import Spec

logger = logging.getLogger("mtk")


class Audience:
    """Calls the run hooks of everyone who listens, the last one to come first.

    A plugin's listener that fails is heard of in a warning, and no more in the run. What `join` brought is the caller's own
    code: there an exception goes through.
    """

    def __init__(self, registry: Registry, names: Iterable[str]) -> None:
        """Plugins' modules, and the listeners that `names` ask for, as NAME:key=value. Raises UsageError for one that cannot
        be built or implements no run hook."""
        self._listeners = pluggy.PluginManager("mtk")
        self._listeners.add_hookspecs(hookspecs)
        self._guests: set[str] = set()  # the plugins' listeners, as a message names them
        for plugin in registry.plugins:
            self._invite(plugin.module, f"The plugin '{plugin.name}' ({plugin.package} {plugin.version})")
        for name in dict.fromkeys(names):
            spec = Spec.parse(name)
            component = registry.find("listener", spec.name)
            listener = registry.build("listener", spec)
            origin = f"of plugin '{component.plugin}' ({component.package} {component.version})"
            try:
                self._invite(listener, f"The listener '{spec}' {origin}")
                self._listeners.check_pending()
            except FAILURES as error:
                raise component.broken(in_words(error)) from error
            if not self._listeners.get_hookcallers(listener):
                raise component.broken("it implements no run hook: mark its methods with @mtk.hookimpl")

    def join(self, listener: object) -> None:
        """Let one more object hear of the run."""
        self._listeners.register(listener)

    def tell(self, hook: str, **record: msgspec.Struct) -> None:
        """Call a run hook with its record."""
        for heard in reversed(getattr(self._listeners.hook, hook).get_hookimpls()):
            try:
                heard.function(*(record[name] for name in heard.argnames))
            except FAILURES as error:
                if heard.plugin_name not in self._guests:
                    raise
                line = line_of(error, heard.function.__module__)
                logger.warning(
                    "%s failed in %s and hears no more of this run: %s%s", heard.plugin_name, hook, in_words(error), line
                )
                self._listeners.unregister(heard.plugin)

    def _invite(self, listener: object, name: str) -> None:
        self._listeners.register(listener, name)
        self._guests.add(name)
