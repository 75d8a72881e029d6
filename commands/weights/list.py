"""What weights there are."""

from pathlib import Path

from commands._console import emit_json, emit_table, out
from commands._options import AsJson
from commands.weights._told import COMMERCIAL, told_size

HELP = "List all known weights: here or not, size, licence, commercial use, who needs them."
EXAMPLE = "tm weights list --json"

PLACES = {
    "converted": "here (safetensors)",
    "here": "here",
    "package": "installed",
    "partial": "in part",
    "absent": "-",
}


def run(as_json: AsJson = False) -> None:
    from engine.core.places import weights_folder
    from engine.weights.find import shipped_weights
    from engine.weights.folder import others, standing
    from engine.weights.manifest import known_weights
    from engine.weights.native import read_card

    folder = weights_folder()
    known = [standing(weight, folder) for weight in known_weights(folder).weights]
    own = others(folder)
    shipped = {name: (path, read_card(path)["card"]) for name, path in shipped_weights().items()}
    if as_json:
        rows = [
            {
                **one.weight.model_dump(mode="json"),
                "here": one.here,
                "place": one.place,
                "path": _text(one.path),
            }
            for one in known
        ]
        added = [
            {"name": path.stem, "path": str(path), "bytes": path.stat().st_size} for path in own
        ]
        inside = [
            {"name": name, "path": str(path), "bytes": path.stat().st_size, "card": card}
            for name, (path, card) in shipped.items()
        ]
        emit_json({"folder": str(folder), "weights": rows, "own": added, "shipped": inside})
        return
    emit_table(
        ("weights", "here", "size", "commercial", "licence", "needed by"),
        [
            (
                one.weight.name,
                PLACES[one.place],
                told_size(one.weight.size, exact=one.weight.bytes is not None),
                COMMERCIAL[one.weight.commercial],
                one.weight.licence,
                ", ".join(one.weight.needed_by) or "-",
            )
            for one in known
        ],
    )
    if shipped:
        out.print()
        emit_table(
            ("in the package", "size", "what"),
            [
                (name, told_size(path.stat().st_size), card["what"])
                for name, (path, card) in shipped.items()
            ],
        )
    if own:
        out.print()
        emit_table(
            ("imported", "size"), [(path.stem, told_size(path.stat().st_size)) for path in own]
        )


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)
