"""Output names: the name of the source picture, in its subfolder, each used once."""

from collections.abc import Iterable
from pathlib import Path

from engine.core.errors import InputError, UsageError
from engine.images.reading import find_pictures


def output_stems(source: Path, out: Path, *, verb: str) -> dict[Path, Path]:
    """The pictures of a source (a file or a folder) and their outputs in `out`, without suffix.

    Pictures below `out` are not inputs. UsageError if the source does not exist; InputError, with
    the verb in its message, if it holds no picture.
    """
    if not source.exists():
        raise UsageError(f"`{source}` does not exist")
    own, listing = out.resolve(), find_pictures(source)
    pictures = [path for path in listing.pictures if own not in path.resolve().parents]
    if not pictures:
        raise InputError(f"nothing to {verb} in `{source}`: {listing.explanation}")
    return {picture: out / stem for picture, stem in stems(pictures, source).items()}


def stems(pictures: Iterable[Path], source: Path) -> dict[Path, Path]:
    """For each picture below `source` its path without suffix, relative to it.

    Two pictures may differ by their suffix, or by upper and lower case, alone: the later one then
    keeps its suffix in its name.
    """
    named: dict[Path, Path] = {}
    taken: set[str] = set()
    for picture in pictures:
        whole = picture.relative_to(source) if picture != source else Path(picture.name)
        stem = whole.with_suffix("")
        if stem.as_posix().casefold() in taken:
            stem = stem.with_name(f"{stem.name}-{whole.suffix.lstrip('.')}")
        taken.add(stem.as_posix().casefold())
        named[picture] = stem
    return named
