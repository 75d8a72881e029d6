"""SHA-256 of the files in a weights folder: recorded when a file is new, compared ever after."""

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from engine.core.atomic import write_json
from engine.core.digest import file_sha256
from engine.core.errors import WeightsError
from engine.core.jsontext import from_json
from engine.core.regular import read_text

LOCK = "weights.lock.json"
SCHEMA = 1


@dataclass(frozen=True, slots=True)
class FileRecord:
    """One file as it was when its digest was taken."""

    sha256: str
    bytes: int
    mtime_ns: int
    source: str
    """An address, a file, or `found` for what lay in the folder already."""
    at: str

    def unchanged(self, path: Path) -> bool:
        """Whether size and time of change say that the file was not touched since."""
        now = path.stat()
        return (now.st_size, now.st_mtime_ns) == (self.bytes, self.mtime_ns)


class Lock:
    """The digests on record for one weights folder, under paths relative to it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / LOCK
        self.files = _read(self.path)
        self._fresh: dict[str, FileRecord] = {}

    def digest(self, path: Path, *, full: bool = False) -> str:
        """SHA-256 of a file; taken from the record if the file was not touched since.

        `full` reads the file in any case.
        """
        record = self.files.get(self.key(path))
        if record is not None and not full and record.unchanged(path):
            return record.sha256
        return file_sha256(path)

    def record(self, path: Path, digest: str, source: str) -> None:
        """Put a digest on record in place of what was there; `save` makes it last."""
        now = path.stat()
        at = datetime.now(UTC).isoformat(timespec="seconds")
        record = FileRecord(digest, now.st_size, now.st_mtime_ns, source, at)
        self.files[self.key(path)] = self._fresh[self.key(path)] = record

    def key(self, path: Path) -> str:
        """The name of a file in the record."""
        return path.relative_to(self.folder).as_posix()

    def save(self) -> None:
        """Add what is new to the record on the disk, which another process may have added to."""
        if self._fresh:
            merged = {**_read(self.path), **self._fresh}
            content = {key: asdict(record) for key, record in sorted(merged.items())}
            write_json(self.path, {"schema": SCHEMA, "files": content})
            self.files, self._fresh = merged, {}


def _read(path: Path) -> dict[str, FileRecord]:
    if not path.exists():
        return {}
    try:
        content = from_json(read_text(path))
        if content["schema"] != SCHEMA:
            raise ValueError(f"schema {content['schema']}")
        return {key: FileRecord(**record) for key, record in content["files"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise WeightsError(
            f"`{path}` cannot be read: {error}",
            hint="delete it; every digest is then recorded anew at first sight",
        ) from None
