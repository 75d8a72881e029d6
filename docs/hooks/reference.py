"""Pages of the site that are written by the code itself: commands, recipe keys, stored reports.

Run by mkdocs (`hooks` in mkdocs.yml); every page is virtual, nothing is written into `docs`.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import typer
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from pydantic.fields import FieldInfo

from engine.app.recipe import every_recipe
from engine.config.base import RECIPES
from engine.core.table import Table
from tm.cli import build

REPORTS = Path(__file__).parents[1] / "reports"


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the generated pages."""
    pages = {"commands": commands(), "recipes": recipes(), "benchmarks": benchmarks(REPORTS)}
    for name, text in pages.items():
        files.append(File.generated(config, f"reference/{name}.md", content=text))
    return files


def commands() -> str:
    """Every command with its arguments, options and example."""
    root = typer.main.get_command(build())
    return "\n".join(["# Commands", *_command(root, "tm")])


def _command(command: Any, name: str) -> Iterator[str]:
    # Typer brings a Click of its own, so these are told apart by what they have.
    if hasattr(command, "commands"):
        for part in command.commands:
            yield from _command(command.commands[part], f"{name} {part}")
        return
    yield from (f"\n## `{name}`\n", _prose(command.help), "\n| | |", "| --- | --- |")
    for parameter in command.params:
        option = parameter.param_type_name == "option"
        shown = " ".join(parameter.opts) if option else str(parameter.metavar or parameter.name)
        if about := getattr(parameter, "help", None):
            yield f"| `{_cell(shown)}` | {_cell(about)} |"
    if command.epilog:
        yield f"\n{command.epilog}"


def recipes() -> str:
    """The shipped recipes, and the keys of every kind with type, default and meaning."""
    lines = ["# Keys of recipes", "\n## Shipped recipes\n", "| recipe | kind | about |"]
    lines.append("| --- | --- | --- |")
    for name, recipe in every_recipe().items():
        lines.append(f"| `{name}` | [`{recipe.kind}`](#{recipe.kind}) | {_cell(recipe.about)} |")
    inside = {kind: _inner_tables(RECIPES[kind]) for kind in RECIPES}
    uses = Counter(table for tables in inside.values() for table in tables)
    for kind, tables in inside.items():
        lines += [f"\n## {kind}\n", _about(RECIPES[kind]), *_keys(RECIPES[kind])]
        for table, place in tables.items():
            if uses[table] == 1:
                lines += [f"\n**`{place}`**{_kind(table)}: {_about(table)}", *_keys(table)]
    lines.append("\n## Tables of several kinds")
    shared = {table: place for tables in inside.values() for table, place in tables.items()}
    for table, place in sorted(shared.items(), key=lambda one: (one[1], one[0].__name__)):
        if uses[table] > 1:
            lines += [f"\n**`{place}`**{_kind(table)}: {_about(table)}", *_keys(table)]
    return "\n".join(lines)


def _inner_tables(root: type[Table]) -> dict[type[Table], str]:
    """Every table below a root with the first place where it stands, nearest first."""
    waiting, places = [(root, "")], dict[type[Table], str]()
    while waiting:
        table, place = waiting.pop(0)
        for name, field in table.model_fields.items():
            here = f"{place}.{name}" if place else name
            for inner in _tables(field.annotation):
                if inner not in places:
                    places[inner] = here
                    waiting.append((inner, here))
    return places


def _tables(annotation: Any) -> list[type[Table]]:
    """The tables inside an annotation; where one is chosen by `kind`, those that may be."""
    if isinstance(annotation, type) and issubclass(annotation, Table):
        chosen = [one for sub in annotation.__subclasses__() for one in _tables(sub)]
        return [annotation, *chosen] if annotation.model_fields else chosen
    return [one for part in get_args(annotation) for one in _tables(part)]


def _keys(table: type[Table]) -> Iterator[str]:
    yield from ("\n| key | type | default | is |", "| --- | --- | --- | --- |")
    for name, field in table.model_fields.items():
        about = _cell(field.description or "")
        yield f"| `{name}` | {_type(field)} | {_default(field)} | {about} |"


def _kind(table: type[Table]) -> str:
    kind = table.model_fields.get("kind")
    return f" of kind `{kind.default}`" if kind and isinstance(kind.default, str) else ""


def _about(table: type[Table]) -> str:
    """The prose of a docstring, without its examples."""
    return _prose((table.__doc__ or "").split(">>>")[0])


def _type(field: FieldInfo) -> str:
    shown = _spelt(field.annotation)
    limits = [str(one) for one in field.metadata if re.match(r"^(Ge|Gt|Le|Lt)\(", str(one))]
    signs = {"Ge": "≥", "Gt": ">", "Le": "≤", "Lt": "<"}
    bounds = [f"{signs[one[:2]]} {one[one.index('=') + 1 : -1]}" for one in limits]
    return _cell(" ".join([f"`{shown}`", ", ".join(bounds)]).strip())


def _spelt(annotation: Any) -> str:
    """An annotation as a reader of recipes would say it."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _spelt(inner[0])
    if origin is Literal:
        return " or ".join(json.dumps(one) for one in inner)
    if origin in (Union, UnionType):
        return " or ".join(_spelt(one) for one in inner if one is not type(None))
    if origin in (tuple, list):
        return (
            f"list of {' or '.join(dict.fromkeys(_spelt(one) for one in inner if one is not ...))}"
        )
    if origin is not None:
        return " to ".join(_spelt(one) for one in inner)
    if isinstance(annotation, type) and issubclass(annotation, Table):
        return "table"
    words = {str: "text", int: "whole number", float: "number", bool: "true or false", Path: "path"}
    return words.get(annotation, getattr(annotation, "__name__", str(annotation)))


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    if value is None:
        return ""
    if isinstance(value, Table) or (isinstance(value, tuple) and value):
        return "below" if _tables(field.annotation) else _cell(f"`{value}`")
    return _cell(f"`{json.dumps(value, default=str)}`")


def benchmarks(folder: Path) -> str:
    """The stored reports, figure by figure."""
    lines = [
        "# Benchmarks",
        "\nWhat `benchmarks/` measured and stored under `docs/reports/`. Three numbers in brackets"
        " are a mean with its 95 % interval over people. The guides say on whom, and what stands"
        " beside each figure.",
    ]
    for path in sorted(folder.glob("*.json")):
        report = json.loads(path.read_text(encoding="utf-8"))
        lines += [f"\n## {path.stem}\n", "| figure | value |", "| --- | --- |"]
        lines += [f"| {_cell(key)} | {_cell(value)} |" for key, value in _figures(report)]
    return "\n".join(lines)


def _figures(value: Any, place: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _figures(inner, f"{place}, {key}" if place else str(key))
    elif isinstance(value, list) and any(isinstance(one, dict | list) for one in value):
        for number, inner in enumerate(value):
            yield from _figures(inner, f"{place} {number + 1}")
    elif isinstance(value, list) and len(value) == 3:
        yield place, f"{value[0]} ({value[1]} to {value[2]})"
    else:
        yield place, str(value)


def _prose(text: str | None) -> str:
    return " ".join(str(text or "").split())


def _cell(text: str) -> str:
    return _prose(text).replace("|", "\\|")
