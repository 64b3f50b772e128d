"""Who hears of one run: the plugins that implement run hooks, the listeners asked for by name, and the caller's own."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
import pluggy

from mtk import hookspecs
from mtk.calling.failures import failures
from mtk.calling.source import line_of
from mtk.errors import in_words
from mtk.events import Stop
from mtk.host.part import Part
from mtk.host.registry import Registry, unmarked_hooks

logger = logging.getLogger("mtk")


class Listeners:
    """Calls the run hooks of everyone who listens, the last one to come first.

    A plugin's listener that fails is heard of in a warning, and no more in the run. What `join` brought is the caller's own
    code: there an exception goes through.
    """

    def __init__(self, registry: Registry, parts: Iterable[Part], *, deaf: bool = False) -> None:
        """Plugins' modules, and the listeners that were asked for; or nobody, whoever joins, if `deaf`: of several processes
        that make one run the first is heard. Raises UsageError for one that cannot be built or implements no run hook."""
        self._deaf = deaf
        self._manager = pluggy.PluginManager("mtk")
        self._manager.add_hookspecs(hookspecs)
        self._of_plugins: set[str] = set()  # the plugins' listeners, as a message names them
        for plugin in () if deaf else registry.plugins:
            self._register(plugin.module, f"The plugin '{plugin.name}' ({plugin.package} {plugin.version})")
        self._asked: dict[str, Any] = {}
        for part in () if deaf else parts:
            listener, component = part.build(), part.component
            self._asked[part.recorded] = listener
            origin = f"of plugin '{component.plugin}' ({component.package} {component.version})"
            try:
                self._register(listener, f"The listener '{part.text}' {origin}")
                self._manager.check_pending()
            except failures() as error:
                raise component.broken(in_words(error)) from error
            unmarked = unmarked_hooks(listener)
            if unmarked and self._manager.get_hookcallers(listener):
                raise component.broken(f"its {unmarked[0]} is not marked with @mtk.hookimpl")
            if not self._manager.get_hookcallers(listener):
                raise component.broken("it implements no run hook: mark its methods with @mtk.hookimpl")

    def states(self) -> dict[str, Any]:
        """What each listener that was asked for wants to know when a run is resumed: what its `state_dict` gives, in plain
        values, by how it was asked for."""
        return {name: listener.state_dict() for name, listener in self._asked.items() if hasattr(listener, "state_dict")}

    def restore(self, states: Mapping[str, Any]) -> None:
        """Give it back to the `load_state_dict` of those that are there again."""
        for name, state in states.items():
            if name in self._asked and hasattr(self._asked[name], "load_state_dict"):
                self._asked[name].load_state_dict(state)

    def join(self, listener: object) -> None:
        """Let one more object hear of the run."""
        if not self._deaf:
            self._manager.register(listener)

    def tell(self, hook: str, **record: msgspec.Struct) -> list[str]:
        """Call a run hook with its record. The reasons of those who answer that the run shall stop, and who they are."""
        reasons = []
        for heard in reversed(getattr(self._manager.hook, hook).get_hookimpls()):
            try:
                answer = heard.function(*(record[name] for name in heard.argnames))
            except failures() as error:
                if heard.plugin_name not in self._of_plugins:
                    raise
                line = line_of(error, heard.function.__module__)
                logger.warning(
                    "%s failed in %s and hears no more of this run: %s%s", heard.plugin_name, hook, in_words(error), line
                )
                self._manager.unregister(heard.plugin)
                continue
            if hook == "mtk_evaluated" and isinstance(answer, Stop):
                reasons.append(answer.reason)
            elif answer is not None and heard.plugin_name in self._of_plugins:
                logger.warning(
                    "%s answers %s with %r, which says nothing: only mtk_evaluated may answer, with an mtk.Stop",
                    *(heard.plugin_name, hook, answer),
                )
        return reasons

    def _register(self, listener: object, name: str) -> None:
        self._manager.register(listener, name)
        self._of_plugins.add(name)
