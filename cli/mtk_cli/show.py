"""`mtk show`: one component's options, its description with the paper, and its origin."""

from __future__ import annotations

import inspect
import re
from typing import TYPE_CHECKING, Any

import click

from mtk import UsageError
from mtk.errors import nearest
from mtk.files import is_directory
from mtk_cli import foreign
from mtk_cli.completion import any_part
from mtk_cli.json_output import json_option, print_json

if TYPE_CHECKING:
    from mtk.host.component import Component
    from mtk.host.registry import Registry
    from mtk_cli.output import Listing


@click.command("show")
@click.argument("name", shell_complete=any_part)
@json_option("Print a JSON list.")
def command(name: str, as_json: bool) -> None:
    """Show a component's options and paper.

    NAME is of any kind that `mtk list` shows; write package/NAME where two packages offer one name. It may be the directory
    of an encoder too.
    """
    from mtk.host.options import written
    from mtk.host.registry import Registry
    from mtk_cli.output import stdout, table

    registry = Registry()
    is_encoder = is_directory(name) and not any(name in (c.name, c.qualified) for c in registry.components)
    cards = [directory_card(name)] if is_encoder else [describe(component) for component in named(registry, name)]
    if as_json:
        print_json(cards)
        return
    console = stdout()
    for card in cards:
        console.say(f"{card['kind']} {card['name']}: {card['summary']}", "bold")
        if card["plugin"]:
            origin = f"from plugin {card['plugin']} of {card['package']} {card['version']}\n"
            console.say(f"{card['target']}, {origin}" if card["target"] else origin)
        if card["description"]:
            prose = card["kind"] not in ("tasks", "encoder") and console.is_terminal
            console.say((reflowed(card["description"]) if prose else card["description"]) + "\n")
        if card["options"]:
            options = table("option", "type", "default")
            for option in card["options"]:
                default = "must be given" if option["required"] else written(option["default"])
                options.add_row(option["name"], option["type"], default)
            console.print(options)
        elif card["kind"] in CONFIGURABLE:
            console.print("It has no options.\n")
        if card["properties"]:
            console.print(properties_table(card["properties"]))


def reflowed(text: str) -> str:
    """Prose with its paragraphs on one line each, to be broken where the screen wants it."""
    return re.sub(r"(?<=\S)\n(?=[^\s*\-\d])", " ", text)


def properties_table(properties: dict[str, Any]) -> Listing:
    """A line for each that is known."""
    from mtk_cli.output import Listing

    grid = Listing()
    for name, value in properties.items():
        if value is not None:
            grid.add_row(name, f"{value:,}" if isinstance(value, int) else value)
    return grid


def named(registry: Registry, name: str) -> list[Component]:
    """The components of any kind that `name` or `package/name` may mean; at least one, or UsageError."""
    found = [c for c in registry.components if name in (c.name, c.qualified)]
    if not found:
        hint = " A broken plugin may have brought it; `mtk list` shows them." if registry.broken else ""
        known = {c.name for c in registry.components}
        raise UsageError(f"Nothing is called '{name}'. {nearest(name, known)}{hint}")
    return found


def describe(component: Component) -> dict[str, Any]:
    """All there is to know of a component. Imports its code, or looks into its folder: raises UsageError where it is broken,
    DataError where its `tasks.toml` is."""
    options, description = _DESCRIBERS.get(component.kind, _describe_class)(component)
    place = component.place() if component.kind == "encoder" else None
    return {
        "kind": component.kind,
        "name": component.name,
        "summary": component.summary,
        "package": component.package,
        "version": component.version,
        "plugin": component.plugin,
        "target": component.target,
        "options": options,
        "description": description,
        "properties": encoder_properties(component.name, str(place)) if place else {},
    }


def directory_card(path: str) -> dict[str, Any]:
    """The same for an encoder in a directory, which no plugin brings. Raises UsageError where there is none."""
    unknown = dict.fromkeys(("package", "version", "plugin", "target"), "")
    properties = encoder_properties(path, path)
    of = {"kind": "encoder", "name": path, "summary": properties["architecture"]}
    return {**of, **unknown, "options": [], "description": "", "properties": properties}


def encoder_properties(name: str, source: str) -> dict[str, Any]:
    """What an encoder is like, which it is loaded for. Raises UsageError where it cannot be."""
    from mtk.engine.packing import why_plain
    from mtk.model.encoder import load_encoder

    encoder = load_encoder(name, "mean", source=source)
    config: Any = encoder.backbone.config
    names = [name for name in encoder.tokenizer.model_input_names if name != "attention_mask"]
    reason = why_plain(encoder.backbone, names)
    return {
        "architecture": type(encoder.backbone).__name__,
        "layers": getattr(config, "num_hidden_layers", None),
        "width": encoder.width,
        "vocabulary": len(encoder.tokenizer),
        "positions": getattr(config, "max_position_embeddings", None),
        "parameters": sum(parameter.numel() for parameter in encoder.parameters()),
        "tasks": "all at once" if reason is None else f"one after the other: {reason}",
    }


def _describe_class(component: Component) -> tuple[list[dict[str, Any]], str]:
    from mtk.host.contracts import framework_options, own_options

    cls = component.load()
    described = [
        {
            "name": option.name,
            "type": option.type,
            "default": None if option.default is inspect.Parameter.empty else option.default,
            "required": option.default is inspect.Parameter.empty,
        }
        for option in own_options(component.kind, cls).values()
    ]
    for option in framework_options(component.kind).values():  # which stand beside the constructor's; the class has defaults
        default = getattr(cls, option.name, option.default)
        described.append({"name": option.name, "type": option.type, "default": default, "required": False})
    description = inspect.cleandoc(cls.__doc__ or "")
    if component.kind == "optimizer":  # torch's are written for Sphinx after the first sentences
        description = description.partition("\n\n")[0]
    return described, description


def _describe_tasks(component: Component) -> tuple[list[dict[str, Any]], str]:
    from mtk.data.tasks_toml import read_layout
    from mtk.host.kinds import Kinds

    folder = component.folder()
    found = [source.task for source in read_layout(folder, Kinds(Registry())).values()]
    tasks = (f"{task.name}: {task.kind}, {'pairs' if task.pair else 'single texts'}" for task in found)
    return [], "\n".join([*tasks, f"In {folder}"])


def _describe_encoder(component: Component) -> tuple[list[dict[str, Any]], str]:
    place = component.place()
    return [], f"In {place}" if place else f"Taken from the hub: {component.hub_id or 'it has no id there'}"


def _describe_command(component: Component) -> tuple[list[dict[str, Any]], str]:
    command = foreign.load(component)
    return [], f"{inspect.cleandoc(command.help or '')}\n\n`mtk {component.name} --help` shows its options.".strip()


_DESCRIBERS = {"tasks": _describe_tasks, "encoder": _describe_encoder, "command": _describe_command}
CONFIGURABLE = {"head", "combiner", "augmenter", "kind", "sampler", "optimizer", "schedule", "listener"}
