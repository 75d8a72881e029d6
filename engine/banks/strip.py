"""The impostors most similar to a face, as a list and as one picture."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from engine.banks.bank import Bank
from engine.banks.faces import SIDE, portrait_of
from engine.banks.search import Engine, nearest
from engine.core.errors import InputError, PictureError
from engine.core.numbers import Span
from engine.faces.choose import FaceChoice
from engine.faces.crop import crop_face
from engine.faces.detect import Detection, FaceFinder
from engine.faces.rotation import Pixels
from engine.geometry.ffhq import quad_of
from engine.images.reading import read_picture
from engine.images.saving import save_png
from engine.images.sheet import contact_sheet
from engine.nets.protocols import IdentityNetwork

COLUMNS = 11
ABSENT = np.full((SIDE, SIDE, 3), 96, np.uint8)


@dataclass(frozen=True, slots=True)
class Impostor:
    """A face of a bank: cosine, age in years, and path of the picture, None if unknown."""

    similarity: float
    age: float
    source: str | None


def aligned_face(photo: Path, *, aligned: bool) -> Pixels:
    """The aligned face of a photo, uint8 (s, s, 3); InputError if there is none."""
    try:
        pixels = read_picture(photo).pixels
    except PictureError as error:
        raise InputError(f"`{photo}` {error.reason}") from error
    if aligned:
        return pixels
    try:
        detections = FaceFinder(Detection()).search(pixels, every=False)
        face = FaceChoice().among(detections, pixels)[0]
    except PictureError as error:
        raise InputError(
            f"`{photo}`: {error.reason}", hint="an aligned face needs `--aligned`"
        ) from error
    return crop_face(pixels, quad_of(face.landmarks), SIDE)


@torch.inference_mode()
def impostors_of(
    bank: Bank,
    face: Pixels,
    identity_net: IdentityNetwork,
    *,
    k: int,
    ages: Span | None,
    device: torch.device,
    engine: Engine = "torch",
) -> list[Impostor]:
    """The bank's faces most similar to an aligned one; WeightsError if another network built it."""
    bank.require(identity_net)
    try:
        portrait = portrait_of(face)
    except PictureError as error:
        raise InputError(f"the face {error.reason}") from error
    query = identity_net.embed(portrait.to(device)).cpu()
    result = nearest(bank, query, k, ages=ages, engine=engine)
    return [
        Impostor(
            round(float(similarity), 4),
            float(bank.ages[row]),
            bank.sources[row] if bank.sources else None,
        )
        for similarity, row in zip(result.similarity[0], result.rows[0].tolist(), strict=True)
    ]


def draw_strip(
    path: Path, face: Pixels, impostors: list[Impostor], *, folder: Path, name: str
) -> int:
    """Draw the face and its impostors side by side; returns the number of missing pictures.

    folder: what the sources are relative to. A missing picture leaves a grey tile.
    """
    tiles, captions, absent = [face], [f"{name}\nthe photo"], 0
    for one in impostors:
        try:
            if one.source is None:
                raise PictureError("the bank has no paths of its pictures")
            tiles.append(read_picture(folder / one.source).pixels)
            caption = "/".join(Path(one.source).parts[-2:])  # a folder is often a person
        except PictureError:
            tiles.append(ABSENT)
            caption = "no picture here"
            absent += 1
        captions.append(f"{one.similarity:.2f}, {one.age:.0f} years\n{caption}")
    sheet = contact_sheet(tiles, captions, columns=min(COLUMNS, len(tiles)))
    save_png(path, sheet, {"made": "nearest faces of a bank"})
    return absent
