"""The photographs of one person that a browser gives, and what is made of them."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from engine.core.atomic import require_room
from engine.core.errors import UsageError
from engine.page.sessions import ROOM, Session, safe_name

PERSON = "person"
MOST_PHOTOS = 120
MOST_BYTES = 1 << 30
"""Of all photographs of a session together."""


@dataclass(frozen=True, slots=True)
class Album:
    """Folders of a session: photographs as they came, aligned faces, and the run."""

    folder: Path

    @classmethod
    def of(cls, session: Session) -> "Album":
        """The album of a session."""
        return cls(session.folder / PERSON)

    @property
    def photos(self) -> Path:
        """What was uploaded, under its own names: these may say the ages."""
        return self.folder / "photos"

    @property
    def aligned(self) -> Path:
        """What `tm prep align` makes of them."""
        return self.folder / "aligned"

    @property
    def cache(self) -> Path:
        """What a training measures of them; it identifies the person, and goes with the rest."""
        return self.folder / "cache"

    @property
    def run(self) -> Path:
        """The run of the training."""
        return self.folder / "learned"

    @property
    def model(self) -> Path:
        """The model as one file, without a photograph or a path in it."""
        return self.folder / "person.safetensors"

    def uploaded(self) -> list[Path]:
        """The photographs that are here."""
        return sorted(self.photos.iterdir()) if self.photos.is_dir() else []

    def new_photo(self, name: str) -> Path:
        """A place for one more photograph, beside one of the same name if there is one.

        UsageError where there are too many, DiskError where the disk is full.
        """
        here = self.uploaded()
        if len(here) >= MOST_PHOTOS or sum(one.stat().st_size for one in here) > MOST_BYTES:
            raise UsageError(
                f"there are {len(here)} photographs: at most {MOST_PHOTOS}, of"
                f" {MOST_BYTES >> 30} GB together, are taken"
            )
        self.photos.mkdir(parents=True, exist_ok=True)
        require_room(self.photos, ROOM)
        place = self.photos / safe_name(name)
        names, number = {one.name for one in here}, 2
        while place.name in names:
            place = place.with_name(f"{Path(safe_name(name)).stem}-{number}{place.suffix}")
            number += 1
        return place

    def clear(self) -> None:
        """Forget the person, and all that was made."""
        if self.folder.exists():
            shutil.rmtree(self.folder)

    def forget_training(self) -> None:
        """Make room for another training of the same photographs."""
        self.model.unlink(missing_ok=True)
        if self.run.exists():
            shutil.rmtree(self.run)
