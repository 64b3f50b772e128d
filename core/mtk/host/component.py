"""What a plugin offers by name, before any of it is imported, and its class when it is."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import msgspec

from mtk.calling.failures import failures
from mtk.calling.source import file_of, folder_of, line_of, may_define, module_file
from mtk.errors import BrokenPartError, MtkError, in_words
from mtk.host.containment import contained
from mtk.host.contracts import PartKind, why_not

NOUNS = {"tasks": "task set"}  # in messages, where it is not the kind itself


class Component(msgspec.Struct, frozen=True):
    """What can be asked for by name: code that is imported when it is used, or a folder of data."""

    kind: PartKind
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
        return NOUNS.get(self.kind, self.kind)

    @property
    def is_data(self) -> bool:
        return self.kind in ("tasks", "encoder")

    def load(self) -> Any:
        """The class or the command itself. Raises BrokenPartError, naming plugin and package, if it cannot be had or
        breaks the contract."""
        module, _, attribute = self.target.partition(":")
        try:
            with contained():
                loaded = getattr(import_module(module), attribute)
        except MtkError:  # which explains itself, such as that an extra is missing
            raise
        except failures() as error:
            raise self.broken(f"importing {self.target} failed: {self.describe(error)}") from error
        if self.kind == "command":
            return loaded  # whose contract is the command line's
        try:
            reason = why_not(self.kind, loaded)
        except failures() as error:
            raise self.broken(f"its options cannot be read: {self.describe(error)}") from error
        if reason:
            raise self.broken(f"{self.target} {reason}")
        return loaded

    def folder(self) -> Path:
        """The directory of a task set. Raises BrokenPartError, naming plugin and package, if it is not there."""
        found = folder_of(self.target)
        if found is None:
            package, _, folder = self.target.partition(":")
            raise self.broken(f"there is no folder '{folder}' in an installed package '{package}'")
        return found

    def place(self) -> Path | None:
        """The file of its code, or the folder of its data; None where there is none. Imports nothing."""
        if self.is_data:
            return folder_of(self.target)
        return file_of(self.target.partition(":")[0])

    def missing(self) -> str | None:
        """Why its target is not there, as far as can be told without importing it; None if it seems to be."""
        module, _, attribute = self.target.partition(":")
        if self.is_data:
            there = self.hub_id or folder_of(self.target)
            return None if there else f"there is no folder '{attribute}' in an installed package '{module}'"
        file = module_file(module)
        if file is None:
            return f"there is no module {module}"
        if file.suffix == ".py" and not may_define(file.read_text("utf-8", "replace"), attribute):
            return f"{file} has no {attribute}"
        return None

    def describe(self, error: BaseException) -> str:
        """An exception in one line, with the last place in the component's own code where it was."""
        return in_words(error) + line_of(error, self.target.partition(":")[0])

    def broken(self, reason: str) -> BrokenPartError:
        """The error that says which plugin, of which package, failed its promise, and how."""
        return BrokenPartError(
            f"The {self.noun} '{self.name}' of plugin '{self.plugin}' ({self.package} {self.version}) is broken: {reason}"
        )
