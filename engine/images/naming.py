"""Output names: the name of the source picture, in its subfolder, each used once."""

from collections.abc import Collection, Iterable
from pathlib import Path

from engine.core.errors import InputError, UsageError
from engine.core.regular import real
from engine.images.reading import find_pictures


def output_stems(
    source: Path, out: Path, *, verb: str, own: Collection[str] = ()
) -> dict[Path, Path]:
    """The pictures of a source (a file or a folder) and their outputs in `out`, without suffix.

    Among them are photographs of formats that are not read, and folders that are not: the batch
    records why.

    Pictures below an `out` inside the source are not inputs. Where `out` is the source itself or
    lies above it, only `own`, the outputs of earlier runs by their paths in `out`, are none.
    UsageError if the source does not exist; InputError, with the verb in its message, if it holds
    no picture.
    """
    if not source.exists():
        raise UsageError(f"`{source}` does not exist")
    listing = find_pictures(source)
    pictures = listing.entries
    if source.is_dir():
        left_out = _outputs(pictures, source, out, frozenset(own))
        pictures = [path for path in pictures if path not in left_out]
    if not pictures:
        reason = listing.explanation
        if listing.entries:
            reason = f"its {len(listing.entries)} pictures are results in `{out}`"
        raise InputError(f"nothing to {verb} in `{source}`: {reason}")
    return {picture: out / stem for picture, stem in stems(pictures, source).items()}


def stems(pictures: Iterable[Path], source: Path) -> dict[Path, Path]:
    """For each picture below `source` its path without suffix, relative to it.

    Two pictures may differ by their suffix, or by upper and lower case, alone: the later one then
    keeps its suffix in its name, and gets a number where that name is another picture's.
    """
    whole = {path: _relative(path, source) for path in pictures}
    plain = {_folded(path.with_suffix("")) for path in whole.values()}
    named: dict[Path, Path] = {}
    taken: set[str] = set()
    for picture, path in whole.items():
        stem = path.with_suffix("")
        if _folded(stem) in taken:
            kept = stem.with_name(f"{stem.name}-{path.suffix.lstrip('.')}")
            stem, number = kept, 2
            while _folded(stem) in taken | plain:
                stem, number = kept.with_name(f"{kept.name}-{number}"), number + 1
        taken.add(_folded(stem))
        named[picture] = stem
    return named


def _relative(picture: Path, source: Path) -> Path:
    return picture.relative_to(source) if picture != source else Path(picture.name)


def _folded(stem: Path) -> str:
    return stem.as_posix().casefold()


def _outputs(
    pictures: Iterable[Path], source: Path, out: Path, own: frozenset[str]
) -> frozenset[Path]:
    """The pictures of a folder that lie in `out` and are results, or may be."""
    root = real(out)
    is_part = real(source) in root.parents
    folders: dict[Path, Path] = {}
    results: list[Path] = []
    for picture in pictures:
        if picture.parent not in folders:
            folders[picture.parent] = real(picture.parent)
        place = folders[picture.parent] / picture.name
        if place.is_relative_to(root) and (is_part or place.relative_to(root).as_posix() in own):
            results.append(picture)
    return frozenset(results)
