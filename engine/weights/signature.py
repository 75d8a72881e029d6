"""The storage form of a file by its first bytes, and obvious damage."""

import struct
import zipfile
from pathlib import Path
from typing import Any, Literal

from engine.core.jsontext import from_json
from engine.core.regular import open_regular

Form = Literal["zip", "safetensors", "pickle", "other"]

HEAD = 512
ZIP, PICKLE = b"PK\x03\x04", b"\x80"
LFS = b"version https://git-lfs"
WEB_PAGES = (b"<!doctype", b"<html", b"<head", b"<?xml")
LONGEST_HEADER = 100_000_000


def web_page_in(head: bytes) -> str | None:
    """What the first bytes of a download are, when they are no file at all.

    >>> web_page_in(b"  <!DOCTYPE html><title>Quota exceeded"), web_page_in(b"PK")
    ('a web page', None)
    """
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if start.startswith(WEB_PAGES):
        return "a web page"
    if start.startswith(LFS):
        return "a Git LFS pointer"
    return None


def form_of(path: Path) -> Form:
    """How the file stores its content, by its first bytes."""
    with open_regular(path) as file:
        head = file.read(16)
    if head.startswith(ZIP):
        return "zip"
    if _header_length(head) is not None:
        return "safetensors"
    return "pickle" if head.startswith(PICKLE) else "other"


def damage_in(path: Path) -> str | None:
    """What is plainly wrong with a file (empty, a web page, cut short), or None."""
    size = path.stat().st_size
    if size == 0:
        return "is empty"
    with open_regular(path) as file:
        head = file.read(HEAD)
        page = web_page_in(head)
        if page is not None:
            return f"is {page}, not a weights file"
        if head.startswith(ZIP):
            return (
                None
                if zipfile.is_zipfile(file)
                else "is cut short: its table of contents is missing"
            )
    length = _header_length(head)
    if length is not None and not _tensors_fit(path, length, size):
        return "is cut short: it ends before its last tensor"
    return None


def _header_length(head: bytes) -> int | None:
    """Bytes of a safetensors header, if the first nine bytes begin one."""
    if len(head) < 9 or head[8:9] != b"{":
        return None
    (length,) = struct.unpack("<Q", head[:8])
    return length if length < LONGEST_HEADER else None


def _tensors_fit(path: Path, length: int, size: int) -> bool:
    with open_regular(path) as file:
        file.seek(8)
        text = file.read(length)
    try:
        entries = from_json(text)
    except ValueError:
        return False
    if not isinstance(entries, dict):
        return False
    ends = [_end_of(entry) for key, entry in entries.items() if key != "__metadata__"]
    return None not in ends and size == 8 + length + max((end or 0 for end in ends), default=0)


def _end_of(entry: Any) -> int | None:
    """Where a tensor ends behind the header; None for an entry that does not say it."""
    offsets = entry.get("data_offsets") if isinstance(entry, dict) else None
    if not isinstance(offsets, list) or [type(one) for one in offsets] != [int, int]:
        return None
    return offsets[1]
