"""Browsers and their folders: each sees its own pictures, and nothing outside its folder."""

import re
import secrets
import shutil
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from engine.core.atomic import require_room
from engine.core.errors import InputError, UsageError
from engine.core.held import within

MOST_SESSIONS = 64
IDLE = 900.0
"""Seconds after which a browser's place may be given to another."""
MOST_KEPT = 6
"""Photographs that a session keeps; the oldest goes, with what was made of it. Landscapes, too."""
ROOM = 1 << 30
"""Bytes that stay free on the disk."""
PHOTOS, MADE = "photos", "made"
NOT_KEPT = ("person/photos", "person/aligned", "person/cache")
"""What `--keep` does not keep of a person beside the uploads: the run and its report stay."""
UNSAFE = re.compile(r"[^\w. ()+-]|^\.+")
LONGEST = 50


class BusyError(Exception):
    """More browsers than the page serves at once."""


@dataclass(slots=True)
class Session:
    """One browser: the secret in its cookie, and its folder, whose name says nothing of that."""

    secret: str
    folder: Path
    used: float = field(default_factory=time.monotonic)
    running: dict[str, threading.Event] = field(default_factory=dict[str, threading.Event])
    """What ends the long work of each page that the browser has open."""

    def new_upload(self, name: str) -> Path:
        """A place for an upload, in a folder of its own; DiskError where the disk is full."""
        return self._new_folder(PHOTOS) / safe_name(name)

    def new_landscape(self) -> Path:
        """A place for a landscape; DiskError where the disk is full."""
        return self._new_folder("landscapes") / "landscape.png"

    def _new_folder(self, kind: str) -> Path:
        """A new folder among those of a kind, of which the oldest goes where there are many."""
        require_room(self.folder, ROOM)
        parent = self.folder / kind
        parent.mkdir(exist_ok=True)
        folders = sorted(parent.iterdir(), key=lambda path: path.stat().st_mtime_ns)
        for old in folders[: max(len(folders) - MOST_KEPT + 1, 0)]:
            shutil.rmtree(old)
        place = parent / secrets.token_hex(8)
        place.mkdir()
        return place

    def file(self, path: str) -> Path:
        """A file that the browser names, by its absolute path or its path in the folder.

        UsageError for one outside the session's folder, InputError for one that is gone.
        """
        inside = path.removeprefix(f"{self.folder.as_posix()}/")
        place = within(self.folder, inside)
        if place.is_symlink() or not place.is_file():
            raise InputError("this picture is gone: drop it again")
        return place

    def new_results(self, upload: Path) -> Path:
        """A new folder for what is made of an upload."""
        out = upload.parent / f"{MADE}-{secrets.token_hex(4)}"
        out.mkdir()
        return out


class Sessions:
    """All browsers; `root` is private to this user."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._by_secret: dict[str, Session] = {}
        self._lock = threading.Lock()

    def get(self, secret: str | None) -> Session | None:
        """The session of a cookie."""
        session = self._by_secret.get(secret) if secret else None
        if session is not None:
            session.used = time.monotonic()
        return session

    def require(self, secret: str | None) -> Session:
        """The session of a cookie; UsageError for none."""
        session = self.get(secret)
        if session is None:
            raise UsageError("this page is no longer known here: load it anew")
        return session

    def open(self) -> Session:
        """A new session; BusyError where there are too many that are in use."""
        with self._lock:
            if len(self._by_secret) >= MOST_SESSIONS:
                self._close_idle()
            if len(self._by_secret) >= MOST_SESSIONS:
                raise BusyError
            folder = self.root / secrets.token_hex(8)
            folder.mkdir()
            session = Session(secrets.token_urlsafe(24), folder)
            self._by_secret[session.secret] = session
            return session

    def _close_idle(self) -> None:
        waiting = [session for session in self._by_secret.values() if not session.running]
        oldest = min(waiting, key=lambda session: session.used, default=None)
        if oldest is not None and time.monotonic() - oldest.used > IDLE:
            del self._by_secret[oldest.secret]
            shutil.rmtree(oldest.folder)

    def close(self, *, keep: bool) -> None:
        """Remove everything; with keep only the uploads, and what nothing was made of."""
        if not keep:
            shutil.rmtree(self.root)
            return
        for upload in self.root.glob(f"*/{PHOTOS}/*/*"):
            if upload.is_file():
                upload.unlink()
        for folder in (found for name in NOT_KEPT for found in self.root.glob(f"*/{name}")):
            shutil.rmtree(folder)
        deepest_first = sorted(self.root.rglob("*"), key=lambda path: -len(path.parts))
        for folder in (*deepest_first, self.root):
            if folder.is_dir() and not folder.is_symlink() and not any(folder.iterdir()):
                folder.rmdir()


def safe_name(name: str) -> str:
    r"""The last part of a name that a browser sent, with nothing in it that means something.

    >>> safe_name("../../a<b>.JPG"), safe_name(".."), safe_name("C:\\photos\\me.png")
    ('a_b_.JPG', 'photo', 'me.png')
    """
    last = UNSAFE.sub("_", re.split(r"[/\\]", name)[-1].strip(". "))
    stem, dot, suffix = last.rpartition(".")
    if not stem.strip("_ "):
        return "photo"
    return f"{stem[:LONGEST]}{dot}{suffix[:8]}"
