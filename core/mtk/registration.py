"""What `mtk_register` is handed, and what it may say to it."""

from __future__ import annotations

from mtk.errors import UsageError
from mtk.host.component import Component
from mtk.host.contracts import PartKind


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

    def kind(self, name: str, target: str, *, summary: str) -> None:
        """Offer the `mtk.Kind` at "module:Class" as `kind = "NAME"` of a task in tasks.toml."""
        self._add("kind", name, target, summary)

    def sampler(self, name: str, target: str, *, summary: str) -> None:
        """Offer the `mtk.Sampler` at "module:Class" as `--sampler NAME`."""
        self._add("sampler", name, target, summary)

    def optimizer(self, name: str, target: str, *, summary: str) -> None:
        """Offer the `torch.optim.Optimizer` at "module:Class" as `--optimizer NAME`, as its package has it: the arguments
        of its constructor that have a default are the options that a user can set."""
        self._add("optimizer", name, target, summary)

    def schedule(self, name: str, target: str, *, summary: str) -> None:
        """Offer the `mtk.Schedule` at "module:Class" as `--schedule NAME`."""
        self._add("schedule", name, target, summary)

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

    def _add(self, kind: PartKind, name: str, target: str, summary: str, hub_id: str = "") -> None:
        if not all(isinstance(text, str) for text in (name, target, summary, hub_id)):
            raise UsageError(f"a {kind}'s name, target and summary are text, not {name!r}, {target!r} and {summary!r}")
        component = Component(kind, name, target, summary, *self._origin, hub_id)
        if not name or set(name) & set(":=,/ \t\n"):
            raise UsageError(f"'{name}' cannot name a {component.noun}: it is empty or holds one of : = , / or a space")
        module, _, attribute = target.partition(":")
        if (target or not hub_id) and not (module and attribute and not (component.is_data and "." in module)):
            promised = '"package:folder", the package without a dot' if component.is_data else '"module:Class"'
            raise UsageError(f"the target of {component.noun} '{name}' is '{target}', not {promised}")
        if any(c.kind == kind and c.name == name for c in self.components):
            raise UsageError(f"it registers the {component.noun} '{name}' twice")
        self.components.append(component)
