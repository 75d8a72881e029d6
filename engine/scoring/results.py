"""Read the results of `tm infer`: portraits, and the photos they were made from."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from engine.core.digest import file_sha256
from engine.core.errors import InputError, PictureError
from engine.core.ledger import read_rows
from engine.data.ages import AgeSource
from engine.data.faces import FaceSource
from engine.data.manifest import MANIFEST, Row, adopt, read_manifest
from engine.faces.choose import FaceChoice
from engine.faces.rotation import Pixels
from engine.geometry.ffhq import Quad
from engine.images.reading import find_pictures, read_picture
from engine.inference.folder import RESULTS
from engine.inference.subject import Subject, find_subject
from engine.scoring.facts import KnownFacts
from engine.scoring.material import Method, PersonPhotos, Source, Task

WHOLE = "photo"
"""The model whose outputs are whole photographs."""
ESTIMATED = "estimated"
"""How `age_source` calls an age that a network estimated."""


def holds_results(folder: Path) -> bool:
    """Whether the folder has results of `tm infer`."""
    return (folder / RESULTS).is_file()


def read_results(
    folder: Path, name: str, known: KnownFacts | None = None
) -> tuple[Method, dict[str, Source]]:
    """The portraits of a folder as one method, and their photos; InputError without any.

    Of a whole photograph that was aged, the portrait is its face, framed as the photo's.
    """
    known = KnownFacts() if known is None else known
    portraits: dict[Task, Pixels] = {}
    files: dict[Task, str] = {}
    sources: dict[str, Source] = {}
    for row in read_rows(folder / RESULTS):
        if row["status"] != "done":
            continue
        task = Task(row["sha256"], float(row["target_age"]))
        if task.source not in sources:
            sources[task.source] = _source(folder, row, known)
        picture = _opened(folder / row["output"])
        if row.get("model") == WHOLE:
            picture = _face_of(picture, sources[task.source])
        portraits[task], files[task] = picture, row["output"]
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


def _rows(folder: Path) -> list[Row]:
    if (folder / MANIFEST).is_file():
        return read_manifest(folder)
    pictures = find_pictures(folder)
    if not pictures.pictures:
        raise InputError(f"`{folder}` holds no photos: {pictures.explanation}")
    return adopt(folder, AgeSource())


def _face_of(picture: Pixels, source: Source) -> Pixels:
    """The face of an aged photograph, which may have another size than the photo."""
    subject = source.subject
    scale = max(picture.shape[:2]) / max(subject.photo.shape[:2])
    aged = replace(subject, photo=picture, quad=subject.quad.scaled(scale))
    return aged.face(min(max(round(aged.quad.side), 1), source.side))


def _source(folder: Path, row: Mapping[str, Any], known: KnownFacts) -> Source:
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
    facts = known.of(path)
    age = facts.age
    if age is None and row.get("age_source") not in (None, ESTIMATED):
        age = float(row["source_age"])
    return Source(subject, age, facts.person, facts.sex)


def _opened(path: Path) -> Pixels:
    try:
        return read_picture(path).pixels
    except PictureError as error:
        raise InputError(f"`{path}` {error.reason}") from error
