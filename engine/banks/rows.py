"""The embeddings of a bank that is being built: one file of rows that is only appended to."""

import json
import os
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from engine.core.atomic import disk_error
from engine.core.dry_run import is_dry
from engine.core.jsontext import to_json
from engine.core.regular import open_regular

SUFFIX = ".ledger.f32"
MARK, HEADER = "tm_bank_rows", 128
"""The key of the header, and its length in bytes; float32 rows follow."""
NUMBER = 4


@dataclass(slots=True)
class EmbeddingRows:
    """Rows by number, on the disk: a row is written before the ledger names it.

    width: numbers in a row; count: whole rows that are there.
    """

    path: Path
    width: int
    count: int
    file: BinaryIO | None

    @classmethod
    @contextmanager
    def of(cls, path: Path, embedder: str, width: int) -> "Generator[EmbeddingRows]":
        """Open the rows of an embedder; those of another one are dropped, and a torn row is."""
        header = _header(path)
        same = header == {MARK: 1, "embedder": embedder, "width": width}
        count = max(path.stat().st_size - HEADER, 0) // (NUMBER * width) if same else 0
        if is_dry():
            yield cls(path, width, count, None)
            return
        flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
        try:
            handle = os.open(path, flags, 0o666)
        except OSError as error:
            raise disk_error(error, path) from error
        file = os.fdopen(handle, "r+b")
        try:
            with _on_disk(path):
                if not same:
                    file.truncate(0)
                    text = to_json({MARK: 1, "embedder": embedder, "width": width})
                    file.write(text.encode("utf-8").ljust(HEADER))
                file.truncate(HEADER + count * NUMBER * width)
                file.seek(0, os.SEEK_END)
            yield cls(path, width, count, file)
        finally:
            with _on_disk(path):  # it writes what a full disk has left in the buffer
                file.close()

    def append(self, row: NDArray[np.float32]) -> int:
        """Write a row (width,); returns its number. DiskError if that fails."""
        if self.file is None:
            raise ValueError("the rows are not open")
        with _on_disk(self.path):
            self.file.write(np.ascontiguousarray(row, "<f4").tobytes())
            self.file.flush()
        self.count += 1
        return self.count - 1

    def read(self, numbers: Sequence[int]) -> NDArray[np.float32]:
        """The rows of these numbers (n, width)."""
        if not numbers:
            return np.empty((0, self.width), np.float32)
        shape = (self.count, self.width)
        return np.memmap(self.path, "<f4", "r", offset=HEADER, shape=shape)[list(numbers)]


@contextmanager
def _on_disk(path: Path) -> Generator[None]:
    try:
        yield
    except OSError as error:
        raise disk_error(error, path) from error


def holds_rows(path: Path) -> bool:
    """Whether a file is one of `EmbeddingRows`."""
    return path.name.endswith(SUFFIX) and MARK in (_header(path) or {})


def _header(path: Path) -> dict[str, Any] | None:
    try:
        with open_regular(path) as file:
            content = json.loads(file.read(HEADER))
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None
