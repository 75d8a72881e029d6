"""What a command computes on, in one line."""

from collections.abc import Sequence

from engine.config.load import load_recipe
from engine.core.licences import licensed
from engine.faces.files import POINTS_68, installed_dlib_file
from engine.runtime.device import Device, Precision, choose

SAID = ("detection", "licences", "precision")
"""Keys of a recipe that change the line."""


def describe_compute(
    device: Device = "auto",
    precision: Precision = "auto",
    *,
    faces: bool = False,
    landmarks: str | None = None,
) -> str:
    """Device, number format and operators; faces: also what detects faces and fits their points.

    landmarks: `mesh`, `dlib`, or a file. UsageError for a device that is not here.
    """
    text = str(choose(device, precision))
    if not faces:
        return text
    points = "dlib's 68 points" if installed_dlib_file(POINTS_68) is not None else "the face mesh"
    if landmarks not in (None, "dlib"):
        points = "the face mesh" if landmarks == "mesh" else f"`{landmarks}`"
    return f"{text}; faces by dlib's HOG and {points}"


def describe_recipe_compute(
    recipe: str,
    settings: Sequence[str] = (),
    device: Device = "auto",
    *,
    faces: bool = True,
    landmarks: str | None = None,
) -> str:
    """The same by a recipe's precision, detection and licences; `landmarks` goes before them."""
    chosen = [one for one in settings if one.partition("=")[0].partition(".")[0].strip() in SAID]
    loaded = load_recipe(recipe, chosen)
    precision: Precision = getattr(loaded, "precision", "auto")
    detection = getattr(loaded, "detection", None)
    points = getattr(detection, "landmarks", None) if landmarks is None else landmarks
    with licensed(loaded.licences):
        return describe_compute(device, precision, faces=faces, landmarks=points)
