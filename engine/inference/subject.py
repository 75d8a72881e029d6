"""The face that is to be aged, and its place in the photo."""

from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from engine.core.digest import file_sha256
from engine.core.errors import PictureError
from engine.data.faces import FaceSource
from engine.faces.choose import FaceChoice
from engine.faces.crop import crop_face
from engine.faces.descriptor import Descriptor, describe_face
from engine.faces.detect import Face
from engine.faces.rotation import Pixels
from engine.geometry.ffhq import Quad, is_aligned, quad_of
from engine.images.reading import Picture, read_picture

LEAST_FACE = 32


@dataclass(frozen=True, eq=False)
class Subject:
    """A photo (h, w, 3), the quad of its face, and the SHA-256 of its file.

    detected: the face that dlib found; None for an aligned picture that is taken on trust; taken:
    the date that the camera noted.
    """

    path: Path
    sha256: str
    photo: Pixels
    quad: Quad
    detected: Face | None = None
    taken: date | None = None

    @property
    def content(self) -> int:
        """The seed of the noise, from the photo's content."""
        return int(self.sha256[:15], 16)

    @cached_property
    def descriptor(self) -> Descriptor | None:
        """dlib's descriptor (128,) of the detected face, computed once; None without one."""
        return None if self.detected is None else describe_face(self.photo, self.detected)

    def face(self, size: int) -> Pixels:
        """The aligned face (size, size, 3)."""
        height, width = self.photo.shape[:2]
        if np.array_equal(self.quad.corners, Quad.frame(width, height).corners):
            picture = Image.fromarray(self.photo)
            return np.asarray(picture.resize((size, size), Image.Resampling.LANCZOS))
        return crop_face(self.photo, self.quad, size)

    def face_points(self, size: int) -> NDArray[np.float64] | None:
        """The landmarks (68, 2) in the pixels of `face(size)`."""
        if self.detected is None:
            return None
        points = self.quad.unit_points(self.detected.landmarks)
        return Quad.frame(size, size).source_points(points)

    def framed(self, other: Pixels) -> Pixels:
        """Another picture of this photograph, cropped like the face if it has its size."""
        if other.shape != self.photo.shape:
            return other
        return replace(self, photo=other).face(other.shape[0])


def find_subject(path: Path, choice: FaceChoice, source: FaceSource) -> Subject:
    """Find the chosen face of a photo; PictureError where there is none, or none is usable."""
    digest, picture = _read(path)
    photo = picture.pixels
    detections = source.search(path, photo, every=choice.needs_all_sizes)
    face = choice.among(detections, photo)[0]
    return Subject(path, digest, photo, quad_of(face.landmarks), face, picture.taken)


def aligned_subject(path: Path, source: FaceSource, *, trusted: bool) -> Subject:
    """Take a whole picture as an aligned face.

    Unless it is trusted, its alignment is checked: PictureError where the FFHQ square of the
    detected face is another one, or where no face is detected.
    """
    digest, picture = _read(path)
    photo, face = picture.pixels, None
    height, width = photo.shape[:2]
    if height != width:
        raise PictureError(f"is not aligned: {width} x {height} px is no square")
    if not trusted:
        faces = source.search(path, photo, every=False).faces
        if not faces:
            raise PictureError("no face found to check the alignment by", status="skipped")
        face = faces[0]
        if not is_aligned(face.landmarks, width):
            off = quad_of(face.landmarks).against(Quad.frame(width, height))
            raise PictureError(
                f"is not aligned as in FFHQ: its face is off by {off.centre:.0%} of the side, "
                f"{off.side:+.0%} in size, {off.angle:+.0f} degrees"
            )
    return Subject(path, digest, photo, Quad.frame(width, height), face, picture.taken)


def _read(path: Path) -> tuple[str, Picture]:
    picture = read_picture(path)
    photo = picture.pixels
    if min(photo.shape[:2]) < LEAST_FACE:
        raise PictureError(f"is {photo.shape[1]} x {photo.shape[0]} px: too small for a face")
    return file_sha256(path), picture
