"""Names for what is made of pictures: the source's own, in its subfolder, none twice."""

from collections.abc import Iterable
from pathlib import Path


def stems(pictures: Iterable[Path], source: Path) -> dict[Path, Path]:
    """For each picture below `source` its path without suffix, seen from there.

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
