"""Outputs that are one file each: checked before any work."""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from engine.core.atomic import require_folder
from engine.core.errors import UsageError
from engine.core.held import may_overwrite
from engine.core.regular import open_regular

HEAD = 1 << 16
"""Bytes of a file in which its maker is looked for."""
MARKS = {
    ".png": (b"iTXttm\0",),
    ".safetensors": (b'"tm":', b'"tm_bank":'),
    ".json": (b'"tool": "tm ', b'"tool_version":', b'"made_by": "tm '),
    ".onnx": (b"tm-toolkit",),
    ".html": (b'<meta name="generator" content="tm',),
}
"""By suffix, what one of must stand at the beginning of a file that tm has made."""


def require_free(
    outputs: Sequence[Path], *, inputs: Iterable[Path] = (), known: Iterable[Path] = ()
) -> None:
    """UsageError for an output that is an input or a folder, that stands twice among them, that
    lies where no file can be written, or that is there already and neither `known` nor made by tm;
    that may be overwritten where wanted."""
    sources = {os.path.realpath(path) for path in inputs}
    ours, seen = set(known), set[str]()
    for path in outputs:
        place = os.path.realpath(path)
        if place in sources:
            raise UsageError(f"the output `{path}` is an input, too", hint="name another file")
        if place in seen:
            raise UsageError(f"two outputs are called `{path}`", hint="name another file")
        if path.is_dir():
            raise UsageError(f"`{path}` is a folder, and the output is a file")
        seen.add(place)
        require_folder(path.parent)
        if path in ours or may_overwrite():
            continue
        if os.path.lexists(path) and not made_by_tm(path):
            raise UsageError(
                f"`{path}` is there already, and tm did not make it",
                hint="name another file, or replace it with `--overwrite`",
            )


def made_by_tm(path: Path) -> bool:
    """Whether a file names tm as its maker; a link never does, since replacing it is no update."""
    if path.is_symlink():
        return False
    try:
        with open_regular(path) as file:
            head = file.read(HEAD)
    except OSError:
        return False
    return any(mark in head for mark in MARKS.get(path.suffix.lower(), ()))
