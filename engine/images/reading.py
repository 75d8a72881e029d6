"""Reading any picture a person may own: upright, sRGB, 8 bits, or one sentence why not."""

import datetime
import errno
import io
import os
import struct
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
from PIL import Image, ImageFile, UnidentifiedImageError

from engine.core.errors import PictureError, UsageError
from engine.core.regular import open_regular
from engine.images.srgb import Pixels, to_srgb

# Named, so that no picture ever starts Ghostscript or an exotic parser.
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP", "PPM", "JPEG2000", "AVIF")
HEIF_BRANDS = (b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1")
PLAIN_EXTENSIONS = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".tif", ".tiff", ".bmp", ".avif")
RARE_EXTENSIONS = (".jpe", ".jfif", ".mpo", ".apng", ".ppm", ".pgm", ".pbm", ".jp2")
RAW = (".dng", ".cr2", ".cr3", ".nef", ".arw", ".orf", ".rw2", ".raf", ".pef", ".srw")
FILMS = (".mov", ".mp4", ".m4v", ".avi", ".mkv", ".webm", ".3gp", ".mts")
UNREAD = {
    **dict.fromkeys(RAW, "is a raw photo, which is not read here: export it as JPEG or TIFF"),
    **dict.fromkeys(FILMS, "is a film, not a picture"),
    ".jxl": "is JPEG XL, which is not read here: export it as JPEG or PNG",
    ".psd": "is a Photoshop file, which is not read here: export it as PNG or TIFF",
}
"""Why photographs of other formats are left out, by suffix; some hold a small JPEG inside."""
EXTENSIONS = frozenset((*PLAIN_EXTENSIONS, *RARE_EXTENSIONS, ".heic", ".heif"))
# EXIF orientation -> quarter turns anticlockwise, after a left-right mirroring or not.
ROTATIONS = {2: (0, True), 3: (2, False), 4: (2, True), 5: (1, True), 6: (3, False), 7: (3, True),
         8: (1, False)}  # fmt: skip
ORIENTATION, EXIF_TABLE, ORIGINAL = 0x0112, 0x8769, 0x9003
MAX_MEGAPIXELS = 250.0
"""Larger pictures are refused before they are decoded: they may be decompression bombs."""
MAX_SCANNED = 10_000.0
"""Megapixels of a progressive JPEG times its scans: all are walked for each, even an empty one."""
CUT_SHORT = "is cut short"
CUT_ROWS, CUT_SHARE = 16, 0.02
"""Rows, and share of the rows, that a JPEG may lack at its bottom."""
EARLIEST = datetime.date(1826, 1, 1)
BROKEN_EXIF = (SyntaxError, ValueError, TypeError, KeyError, IndexError, OSError, struct.error)

# A format that no plugin has registered yet would be a KeyError in `Image.open`.
Image.init()

# `warnings` filters belong to the whole process: only one thread at a time may bend them.
_quiet_lock = threading.Lock()


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """A decoded picture: (h, w, 3) uint8 sRGB, upright, transparency over mid-grey."""

    pixels: Pixels
    gray: bool
    taken: datetime.date | None
    cut: bool = False
    """Whether the file lacks its last bytes, and a few rows at the bottom may be grey."""


def read_picture(path: Path, *, max_megapixels: float = MAX_MEGAPIXELS) -> Picture:
    """Decode the first frame at full resolution, or raise `PictureError` with the reason.

    Of a JPEG that lacks its last bytes the rest is taken, where only a few rows are lost.
    """
    try:
        return _read(path, max_megapixels, ends_early=False)
    except PictureError as error:
        if not error.reason.startswith(CUT_SHORT):
            raise
        return _read(path, max_megapixels, ends_early=True)


def _read(path: Path, max_megapixels: float, *, ends_early: bool) -> Picture:
    with opened(path) as image:
        require_size(image, max_megapixels)
        _load_cut(image) if ends_early else image.load()
        exif = exif_tags(image)
        was_gray = image.mode in ("1", "L", "LA", "La", "F") or image.mode.startswith("I")
        pixels = upright(to_srgb(image), exif.get(ORIENTATION, 1))
        if was_gray:
            pixels = np.repeat(pixels[..., 1:2], 3, axis=2)
        return Picture(pixels, was_gray or _is_gray(pixels), _taken(exif), ends_early)


def _load_cut(image: Image.Image) -> None:
    """Decode what there is of a JPEG; PictureError where it lacks more than a few rows."""
    if image.format not in ("JPEG", "MPO"):
        raise PictureError(f"{CUT_SHORT}: its end is missing")
    allowed, ImageFile.LOAD_TRUNCATED_IMAGES = ImageFile.LOAD_TRUNCATED_IMAGES, True
    try:
        image.load()
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = allowed
    rows = np.asarray(image.convert("L"))
    there = np.flatnonzero((rows != rows[-1, -1]).any(axis=1))
    cut = image.height - 1 - int(there[-1]) if len(there) else image.height
    if cut > max(CUT_ROWS, CUT_SHARE * image.height):
        raise PictureError(f"{CUT_SHORT}: {cut} of its {image.height} rows are missing")


@dataclass(frozen=True, slots=True)
class Listing:
    """The pictures of a folder in order, the number of other files, and unreadable folders."""

    pictures: tuple[Path, ...]
    others: int
    unreadable: tuple[Path, ...]
    unread: tuple[Path, ...] = ()
    """Photographs and films of formats that are not read."""

    @property
    def entries(self) -> tuple[Path, ...]:
        """Everything that a batch has to account for: opening what is no picture says why."""
        return tuple(sorted((*self.pictures, *self.unread, *self.unreadable)))

    @property
    def explanation(self) -> str:
        """Why a listing has no pictures, in one clause."""
        content = "the folder is empty"
        if self.others or self.unread:
            content = f"no pictures among {self.others + len(self.unread)} file(s)"
        if self.unreadable:
            content += f", {len(self.unreadable)} folder(s) unreadable"
        return f"{content}; looked for {' '.join(sorted(EXTENSIONS))}"


def find_pictures(folder: Path) -> Listing:
    """List pictures recursively by extension; each real folder counts once, hidden names never.

    A single file is its own listing, whatever its name.
    """
    if folder.is_file():
        return Listing((folder,), 0, ())
    if not folder.is_dir():
        raise UsageError(f"`{folder}` is not a folder", hint="check the path")
    pictures: list[Path] = []
    unread: list[Path] = []
    others = 0
    unreadable: list[Path] = []
    visited: set[tuple[int, int]] = set()
    # Links come after all real folders, so that a picture keeps its real path.
    waiting, links = [folder], []
    while waiting or links:
        place = waiting.pop() if waiting else links.pop(0)
        try:
            identity = os.stat(place)
            entries = sorted(os.scandir(place), key=lambda entry: entry.name)
        except OSError:
            unreadable.append(place)
            continue
        if (identity.st_dev, identity.st_ino) in visited:
            continue
        visited.add((identity.st_dev, identity.st_ino))
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if _is_folder(entry):
                (links if entry.is_symlink() else waiting).append(Path(entry))
            elif Path(entry).suffix.lower() in EXTENSIONS:
                pictures.append(Path(entry))
            elif Path(entry).suffix.lower() in UNREAD:
                unread.append(Path(entry))
            else:
                others += 1
    return Listing(tuple(sorted(pictures)), others, tuple(unreadable), tuple(sorted(unread)))


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself; opening it gives the reason
        return False


@contextmanager
def opened(path: Path) -> Iterator[Image.Image]:
    """Open a picture lazily; every fault of the file, met now or in the block, is a reason."""
    if (reason := UNREAD.get(Path(path).suffix.lower())) is not None:
        raise PictureError(reason)
    with _quiet_lock, warnings.catch_warnings(), _unlimited():
        warnings.simplefilter("ignore")
        try:
            with open_regular(path) as file, _open_any(file) as image:
                yield image
        except PictureError:
            raise
        except Exception as error:
            # Decoders raise anything on hostile bytes; a batch must outlive all of it.
            raise PictureError(_reason(error)) from error


@contextmanager
def _unlimited() -> Iterator[None]:
    """Lift Pillow's limit of 179 megapixels: some phones pass it, and ours is checked."""
    limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
    try:
        yield
    finally:
        Image.MAX_IMAGE_PIXELS = limit


def _open_any(file: io.BufferedReader) -> Image.Image:
    head = file.read(512)
    file.seek(0)
    if not head:
        raise PictureError("is empty (0 bytes)")
    if head[4:8] == b"ftyp" and head[8:12] in HEIF_BRANDS:
        return _open_heif(file)
    try:
        image = Image.open(file, formats=FORMATS)
    except UnidentifiedImageError as error:
        raise PictureError(_what_else(head)) from error
    if image.info.get("progressive"):
        _require_few_scans(image, file)
    return image


def _require_few_scans(image: Image.Image, file: io.BufferedReader) -> None:
    """PictureError for a progressive JPEG of so many scans that decoding it takes minutes."""
    place, scans, last = file.tell(), 0, b""
    file.seek(0)
    while block := file.read(1 << 20):
        scans += (last + block).count(b"\xff\xda")
        last = block[-1:]
    file.seek(place)
    if image.width * image.height / 1e6 * scans > MAX_SCANNED:
        raise PictureError(f"is stored in {scans:,} passes over its pixels, which is no photo's")


def _open_heif(file: io.BufferedReader) -> Image.Image:
    try:
        import pillow_heif
    except ModuleNotFoundError as error:
        raise PictureError(
            "is a HEIC picture; reading it needs `pip install 'tm-toolkit[heif]'`"
        ) from error
    # Not `register_heif_opener`: that would change Pillow for the whole process.
    return cast("Any", pillow_heif).HeifImageFile(file)


def _what_else(head: bytes) -> str:
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if start.startswith((b"<!doctype html", b"<html")):
        return "is a web page, not a picture"
    if start.startswith((b"<svg", b"<?xml")):
        return "is an XML or SVG drawing, not a photo"
    if b"\0" not in head and not any(byte < 9 for byte in head):
        return "is a text file, not a picture"
    return "is no picture of a known format, or its header is damaged"


def _reason(error: Exception) -> str:
    """Word a fault of opening or decoding for the ledger."""
    match error:
        case PermissionError():
            return "may not be read (permission denied)"
        case IsADirectoryError():
            return "is a folder"
        case FileNotFoundError():
            return "does not exist, or is a link to nothing"
        case MemoryError():
            return "needs more memory than there is"
    text = " ".join(str(error).split())
    if "truncated" in text.lower() or isinstance(error, EOFError):
        return f"{CUT_SHORT}: {text}"
    if "MAX_TEXT" in text or "text chunk" in text.lower():
        return f"carries a text chunk that unpacks to a bomb: {text}"
    if isinstance(error, OSError) and error.errno in (errno.EINVAL, errno.EILSEQ):
        return str(error.strerror)
    if isinstance(error, OSError) and error.strerror:
        return f"cannot be read: {error.strerror}"
    return f"cannot be decoded: {text} ({type(error).__name__})"


def require_size(image: Image.Image, max_megapixels: float) -> None:
    """PictureError for a picture with more pixels, before it is decoded."""
    if image.width * image.height / 1e6 > max_megapixels:
        raise PictureError(
            f"holds {image.width} x {image.height} pixels, over the limit of"
            f" {max_megapixels:g} megapixels"
        )


def exif_tags(image: Image.Image) -> dict[int, Any]:
    """Read the tags that are used here; a damaged block counts as none."""
    try:
        tags = image.getexif()
        # Thumbnails and maker notes are left alone: they are what is most often damaged.
        return {**tags.get_ifd(EXIF_TABLE), **tags}
    except BROKEN_EXIF:
        return {}


def _taken(exif: dict[int, Any]) -> datetime.date | None:
    """The day of the photograph: of a scan the other dates are the scanner's, or an editor's."""
    try:
        text = str(exif.get(ORIGINAL, "")).strip("\0 ")[:10]
        day = datetime.datetime.strptime(text, "%Y:%m:%d").date()
    except ValueError:
        return None
    return day if EARLIEST <= day <= datetime.date.today() else None


def upright(pixels: Pixels, orientation: object) -> Pixels:
    """Rotate and mirror a picture (h, w, ...) as its EXIF orientation demands."""
    quarter_turns, mirrored = (
        ROTATIONS.get(orientation, (0, False)) if isinstance(orientation, int) else (0, False)
    )
    if mirrored:
        pixels = np.flip(pixels, axis=1)
    return np.ascontiguousarray(np.rot90(pixels, quarter_turns))


def _is_gray(pixels: Pixels) -> bool:
    # A sparse sample settles colour photos, sparing two passes over millions of pixels.
    for sample in (pixels[::37, ::41], pixels):
        red, green, blue = sample[..., 0], sample[..., 1], sample[..., 2]
        if not (np.array_equal(red, green) and np.array_equal(red, blue)):
            return False
    return True
