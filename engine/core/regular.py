"""Files that are opened for reading: regular ones, whose names can be written down."""

import errno
import io
import os
import stat
from pathlib import Path


def open_regular(path: Path) -> io.BufferedReader:
    """Open a file's bytes; OSError for a pipe, a device, a link to itself, a name not in UTF-8.

    Opening never waits: a named pipe would, for ever.
    """
    if printable(str(path)) != str(path):
        raise OSError(errno.EILSEQ, "its name is not UTF-8, rename it", printable(str(path)))
    return open(path, "rb", opener=_opener)


def read_bytes(path: Path) -> bytes:
    """The content of a regular file; OSError as of `open_regular`."""
    with open_regular(path) as file:
        return file.read()


def read_text(path: Path, encoding: str = "utf-8", errors: str = "strict") -> str:
    """A regular file as text, its line ends as `\\n`; OSError as of `open_regular`."""
    with io.TextIOWrapper(open_regular(path), encoding=encoding, errors=errors) as file:
        return file.read()


def real(path: Path) -> Path:
    """The path with its links followed; `Path.resolve` raises for a link to itself."""
    return Path(os.path.realpath(path))


def printable(text: str) -> str:
    r"""A file name as it is recorded: bytes that are not UTF-8 are written as `\xe9`."""
    return os.fsencode(text).decode("utf-8", "backslashreplace") if _is_broken(text) else text


def _is_broken(text: str) -> bool:
    return any("\ud800" <= letter <= "\udfff" for letter in text) if not text.isascii() else False


def _opener(name: str, flags: int) -> int:
    descriptor = os.open(name, flags | getattr(os, "O_NONBLOCK", 0))
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "is not a regular file", name)
    return descriptor
