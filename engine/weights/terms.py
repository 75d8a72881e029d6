"""The terms of a weights file, as far as tm knows them."""

from pathlib import Path

from engine.core.digest import file_sha256
from engine.core.licences import only_permissive, require_permissive
from engine.weights.manifest import Weight, known_weights
from engine.weights.native import is_native, read_card

OURS, UNKNOWN = "that of tm", "not known to tm"
PERMISSIVE = (OURS, "MIT", "Apache-2.0", "BSD-3-Clause", "BSL-1.0", "CC0-1.0")
"""Licences of files in our own format that allow every use, with credit."""
IMPORTED = "tm weights import"
"""What the card of an imported file says of its maker."""


def known_weight(path: Path, name: str) -> Weight | None:
    """The entry of a file by what it is called, by its file name, or by its published digest."""
    known = known_weights()
    weight = known.by_name.get(name)
    if weight is None:
        weight = known.of_file(path.name)
    if weight is None:
        digest = file_sha256(path)
        weight = next((one for one in known.weights if one.sha256 == digest), None)
    return weight


def licence_of(path: Path, name: str) -> str:
    """The licence of a sound weights file."""
    if is_native(path):
        return read_card(path)["card"].get("licence", OURS)
    weight = known_weight(path, name)
    return UNKNOWN if weight is None else weight.licence


def require_terms(path: Path, name: str | None = None) -> None:
    """LicenceError for a sound file that is not permissive, where only such ones are accepted."""
    if only_permissive():
        called = path.stem if name is None else name
        require_permissive(called, _objection(path, called))


def _objection(path: Path, name: str) -> str | None:
    """Why a file is not permissive, None if it is.

    A file of our own has the terms of its card, and of the prior that it was trained on.
    """
    if not is_native(path):
        weight = known_weight(path, name)
        if weight is None:
            return UNKNOWN
        return None if weight.commercial == "yes" else weight.licence
    header = read_card(path)
    licence = str(header["card"].get("licence", OURS))
    imported = header["card"].get("made_by") == IMPORTED
    weight = known_weights().by_name.get(name) if imported else None
    if licence not in PERMISSIVE or (weight is not None and weight.commercial != "yes"):
        return licence
    prior = header["facts"].get("prior") or {}
    weight = known_weights().by_name.get(str(prior.get("name")))
    if weight is not None and weight.commercial != "yes":
        return f"built on `{weight.name}`: {weight.licence}"
    below = Path(str(prior.get("path", "")))
    if below.is_file() and below != path and (why := _objection(below, below.stem)) is not None:
        return f"built on `{below.name}`: {why}"
    return None
