"""Where a plugin's code and data lie, found without importing any of it, and the line in it where an error was."""

from __future__ import annotations

import ast
import re
from importlib.machinery import ModuleSpec, all_suffixes
from importlib.util import find_spec
from pathlib import Path
from traceback import walk_tb


def file_of(module: str) -> Path | None:
    """The file of "package.module"; None where there is none."""
    top, *below = module.split(".")
    spec = _find(top)
    if spec is None:
        return None
    for folder in spec.submodule_search_locations or () if below else ():
        place = Path(folder, *below)
        for file in (place.with_name(f"{place.name}.py"), place / "__init__.py"):
            if file.is_file():
                return file
    return Path(spec.origin) if spec.has_location and spec.origin else None


def module_file(module: str) -> Path | None:
    """The file that importing "package.module" would run, whatever its suffix; None where there is none. The packages above
    it are not imported, so one that makes up its modules as it is imported hides them."""
    top, *below = module.split(".")
    spec = _find(top)
    if spec is None or not below:
        return Path(spec.origin) if spec and spec.has_location and spec.origin else None
    for folder in spec.submodule_search_locations or ():
        place = Path(folder, *below)
        for file in (*(place.with_name(place.name + suffix) for suffix in all_suffixes()), place / "__init__.py"):
            if file.is_file():
                return file
    return None


def may_define(source: str, name: str) -> bool:
    """Whether a module of this source may have an attribute of this name once it is imported."""
    if re.search(rf"^(class|def) {re.escape(name)}\b", source, re.MULTILINE):  # as nearly always, and found at once
        return True
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):  # whose import says what is wrong with it
        return True
    return not _BEYOND_READING.isdisjoint(bound := _bound(tree)) or name in bound


# What makes names that cannot be read off the source, and what ends an import with a message of its own.
_BEYOND_READING = {"*", "__getattr__", "globals", "exec", "raise"}


def _bound(tree: ast.Module) -> set[str]:
    """The names that the source binds, wherever it does, and what of `_BEYOND_READING` is in it."""
    found = {"raise" for statement in tree.body if isinstance(statement, ast.Raise)}
    for node in ast.walk(tree):
        match node:
            case ast.ClassDef(name=name) | ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                found.add(name)
            case ast.alias(name=name, asname=other):
                found.add(other or name.partition(".")[0])
            case ast.Name(id=name, ctx=ast.Store()) | ast.Name(id="globals" | "exec" as name):
                found.add(name)
    return found


def folder_of(target: str) -> Path | None:
    """The directory "package:folder"; None where there is none."""
    package, _, folder = target.partition(":")
    spec = _find(package)
    places = [Path(place, folder) for place in (spec.submodule_search_locations or () if spec else ())]
    return next((place for place in places if place.is_dir()), None)


def line_of(error: BaseException, module: str) -> str:
    """ " (file:line)" of the last place in the code of "package.module" that an exception passed, or nothing."""
    frames = [(Path(frame.f_code.co_filename), line) for frame, line in walk_tb(error.__traceback__)]
    own = [f" ({file}:{line})" for file, line in frames if _holds(module, file)]
    return own[-1] if own else ""


def _holds(module: str, file: Path) -> bool:
    """Whether a file is of the module's package, or lies beside a module that is in none."""
    spec = _find(module.partition(".")[0])
    if spec is None:
        return False
    if spec.submodule_search_locations is not None:
        return any(file.is_relative_to(place) for place in spec.submodule_search_locations)
    return bool(spec.origin) and file.parent == Path(str(spec.origin)).parent


def _find(top: str) -> ModuleSpec | None:
    try:
        return find_spec(top)  # which imports what a name with a dot in it lies in, and nothing for one without
    except (ImportError, ValueError):  # a module that somebody put together by hand has no spec
        return None
