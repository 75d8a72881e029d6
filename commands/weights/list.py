"""`tm weights list`."""

from pathlib import Path
from typing import Any

from commands._console import emit_json, emit_table, out
from commands._options import AsJson
from commands.weights._format import COMMERCIAL, format_origin, format_size

HELP = "List all known weights: here or not, size, licence, commercial use, who needs them."
EXAMPLE = "tm weights list --json"

LOCATIONS = {
    "converted": "here (safetensors)",
    "here": "here",
    "package": "installed (package)",
    "partial": "in part",
    "absent": "-",
}


def run(as_json: AsJson = False) -> None:
    from engine.app.weights import list_weights

    listed = list_weights()
    if as_json:
        known = [
            {
                **status.weight.model_dump(mode="json"),
                "here": status.here,
                "location": status.location,
                "path": status.path,
            }
            for status in listed.known
        ]
        imported = [
            {**_file(path.stem, path), "from": listed.origin(path)} for path in listed.imported
        ]
        shipped = [{**_file(one.name, one.path), "card": one.card} for one in listed.shipped]
        emit_json({"folder": listed.folder, "weights": known, "own": imported, "shipped": shipped})
        return
    emit_table(
        ("weights", "here", "size", "from", "commercial", "licence", "needed by"),
        [
            (
                status.weight.name,
                LOCATIONS[status.location],
                format_size(status.weight.size, exact=status.weight.bytes is not None),
                format_origin(status.weight),
                COMMERCIAL[status.weight.commercial],
                status.weight.licence,
                ", ".join(status.weight.needed_by) or "-",
            )
            for status in listed.known
            if status.weight.npm is None
        ],
    )
    out.print()
    emit_table(
        ("by npm", "here", "size", "from", "commercial", "licence", "trained on"),
        [
            (
                status.weight.name,
                LOCATIONS[status.location],
                format_size(status.weight.size, exact=False),
                format_origin(status.weight),
                COMMERCIAL[status.weight.commercial],
                status.weight.licence,
                status.weight.data,
            )
            for status in listed.known
            if status.weight.npm is not None
        ],
    )
    if listed.shipped:
        out.print()
        emit_table(
            ("in the package", "size", "what"),
            [
                (one.name, format_size(one.path.stat().st_size), one.card["what"])
                for one in listed.shipped
            ],
        )
    if listed.imported:
        out.print()
        emit_table(
            ("imported", "size", "from"),
            [
                (path.stem, format_size(path.stat().st_size), listed.origin(path))
                for path in listed.imported
            ],
        )


def _file(name: str, path: Path) -> dict[str, Any]:
    return {"name": name, "path": path, "bytes": path.stat().st_size}
