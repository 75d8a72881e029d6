"""What a command computes on, in one line."""

from engine.faces.files import POINTS_68, installed_dlib_file
from engine.runtime.device import Device, Precision, choose


def describe_compute(
    device: Device = "auto", precision: Precision = "auto", *, faces: bool = False
) -> str:
    """Device, number format and operators; faces: also what detects faces and fits their points.

    UsageError for a device that is not here.
    """
    text = str(choose(device, precision))
    if not faces:
        return text
    points = "dlib's 68 points" if installed_dlib_file(POINTS_68) is not None else "the face mesh"
    return f"{text}; faces by dlib's HOG and {points}"
