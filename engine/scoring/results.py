"""Read the results of `tm infer`: portraits, and the photos they were made from."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from engine.core.digest import file_sha256
from engine.core.errors import InputError, PictureError
from engine.core.ledger import read_rows
from engine.data.ages import AgeSource, age_in_name
from engine.data.faces import FaceSource
from engine.data.manifest import MANIFEST, Row, adopt, read_manifest
from engine.faces.choose import FaceChoice
from engine.faces.rotation import Pixels
from engine.geometry.ffhq import Quad
from engine.images.reading import find_pictures, read_picture
from engine.inference.folder import RESULTS
from engine.inference.subject import Subject, find_subject
from engine.scoring.material import Method, PersonPhotos, Source, Task

LEVELS = 3
"""Folders above a photo that are searched for its manifest."""


def holds_results(folder: Path) -> bool:
    """Whether the folder has results of `tm infer`."""
    return (folder / RESULTS).is_file()


def read_results(folder: Path, name: str) -> tuple[Method, dict[str, Source]]:
    """The portraits of a folder as one method, and their photos; InputError without any."""
    portraits: dict[Task, Pixels] = {}
    files: dict[Task, str] = {}
    sources: dict[str, Source] = {}
    for row in read_rows(folder / RESULTS):
        if row["status"] != "done":
            continue
        task = Task(row["sha256"], float(row["target_age"]))
        if task.source not in sources:
            sources[task.source] = _source(folder, row)
        portraits[task], files[task] = _opened(folder / row["output"]), row["output"]
    if not portraits:
        raise InputError(
            f"`{folder}` holds no portraits", hint="give a folder that photos were aged into"
        )
    return Method(name, portraits, files), sources


def read_photos_of_person(folder: Path) -> PersonPhotos:
    """A person's aligned photos with ages, by manifest or by names such as `30_11.png`."""
    rows = _rows(folder)
    aged = [row for row in rows if row.usable and row.output and row.age is not None]
    if not aged:
        raise InputError(
            f"`{folder}` has no usable photo with an age",
            hint="name them `30_11.png`, or prepare them with a list of ages",
        )
    aged.sort(key=lambda row: (row.age, row.output))
    split = {row.split for row in aged} >= {"train", "test"}
    return PersonPhotos(
        pictures=[_opened(folder / str(row.output)) for row in aged],
        ages=np.array([row.age for row in aged], np.float64),
        names=[str(row.output) for row in aged],
        digests=[file_sha256(folder / str(row.output)) for row in aged],
        train=np.array([not split or row.split == "train" for row in aged]),
    )


def read_impostors(folder: Path) -> list[Pixels]:
    """Aligned pictures of other people."""
    return [_opened(folder / str(row.output)) for row in _rows(folder) if row.usable and row.output]


def age_of(path: Path) -> float | None:
    """The age in a picture in years, by the manifest of a folder above it, else by its name."""
    for folder in path.resolve().parents[:LEVELS]:
        if (folder / MANIFEST).is_file():
            for row in read_manifest(folder):
                if row.output and (folder / row.output).resolve() == path.resolve():
                    return row.age
    return age_in_name(path.name)


def _rows(folder: Path) -> list[Row]:
    if (folder / MANIFEST).is_file():
        return read_manifest(folder)
    pictures = find_pictures(folder)
    if not pictures.pictures:
        raise InputError(f"`{folder}` holds no photos: {pictures.explanation}")
    return adopt(folder, AgeSource())


def _source(folder: Path, row: Mapping[str, Any]) -> Source:
    path = folder / row["source"]
    if not path.is_file() or file_sha256(path) != row["sha256"]:
        raise InputError(
            f"`{path}`, which `{folder}` was made from, is gone or has changed",
            hint="put the photo back, or age it again",
        )
    if "quad" in row:
        subject = Subject(path, row["sha256"], _opened(path), Quad.of(row["quad"]))
    else:
        subject = find_subject(path, FaceChoice(), FaceSource())
    return Source(subject, age_of(path))


def _opened(path: Path) -> Pixels:
    try:
        return read_picture(path).pixels
    except PictureError as error:
        raise InputError(f"`{path}` {error.reason}") from error
