"""The picture of another folder that was made of a picture: same place, same name, any format."""

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from engine.images.reading import find_pictures

Key = tuple[str, ...]


class Counterparts:
    """The pictures of a folder by the end of their path, without its suffix."""

    def __init__(self, folder: Path) -> None:
        """UsageError if it is no folder."""
        self._pictures: dict[Key, list[Path]] = {}
        for path in find_pictures(folder).pictures:
            for key in _ends(path.relative_to(folder)):
                self._pictures.setdefault(key, []).append(path)

    def of(self, name: str | Path) -> Path | None:
        """The picture whose path ends most alike; None where there is none, or several are as like.

        `raw/caf/ann/01.jpg` belongs to `enhanced/ann/01.png`, though others have an `01.png` too.
        """
        for key in _ends(Path(name)):
            if (pictures := self._pictures.get(key)) is not None:
                return pictures[0] if len(pictures) == 1 else None
        return None


def _ends(path: Path) -> Iterator[Key]:
    """The ends of a path without its suffix, the longest first.

    >>> list(_ends(Path("caf/ann/01.jpg")))
    [('caf', 'ann', '01'), ('ann', '01'), ('01',)]
    """
    *folders, name = PurePosixPath(path.as_posix()).parts
    parts = (*folders, Path(name).stem)
    return (parts[start:] for start in range(len(parts)))
