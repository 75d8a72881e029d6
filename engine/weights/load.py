"""From a weights file to its networks: no code is run, the content decides, nothing is copied."""

import re
from argparse import Namespace
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from engine.core.errors import WeightsError
from engine.weights.checkpoint import Checkpoint
from engine.weights.folder import weights_file
from engine.weights.formats.base import FORMATS
from engine.weights.native import read_native
from engine.weights.signature import damage_in, form_of
from engine.weights.tensors import read_safetensors
from engine.weights.terms import require_terms
from engine.weights.unpickle import unpickled

STEP_IN_NAME = re.compile(r"(?:iteration_|step_|^)(\d{1,9})$")


def read_checkpoint(path: Path, *, ema: bool = True) -> Checkpoint:
    """Read a weights file of any known format, `.safetensors` or `.pt`.

    `ema` asks for the averaged weights where a file has both. Tensors are on the CPU in the dtype
    they were stored in. WeightsError in one sentence for whatever is wrong with the file.
    """
    require_sound(path)
    require_terms(path)
    if form_of(path) == "safetensors":
        native = read_native(path)
        if native is not None:
            return native
    try:
        checkpoint = read_content(read_tensors(path), ema=ema)
    except WeightsError as error:
        if str(path) in str(error):
            raise
        raise WeightsError(f"`{path}`: {error}", hint=error.hint) from None
    if checkpoint.step is not None:
        return checkpoint
    return replace(checkpoint, step=_step_in(path.stem))


def read_content(content: Any, *, ema: bool = True) -> Checkpoint:
    """Find the format of what torch or safetensors read, and split it into networks.

    ema: take averaged weights where there are both. WeightsError if no format fits.
    """
    table = vars(content) if isinstance(content, Namespace) else content
    if not isinstance(table, Mapping):
        raise _unknown(f"a {type(content).__name__}")
    table = {str(key): value for key, value in table.items()}
    for kind in sorted(FORMATS, key=lambda kind: FORMATS[kind].slow):
        if FORMATS[kind].detect(table):
            return FORMATS[kind].read(table, ema=ema)
    raise _unknown(f"keys such as {', '.join(f'`{key}`' for key in sorted(table)[:4]) or 'none'}")


def read_known(name: str, *, ema: bool = True) -> Checkpoint:
    """Read known or imported weights by name; WeightsError says where to get what is not here."""
    return read_checkpoint(weights_file(name), ema=ema)


def read_tensors(path: Path) -> Any:
    """What a `.pt`, `.pth` or safetensors file holds, unrecognised; code in it is never run."""
    require_sound(path)
    require_terms(path)
    try:
        return read_safetensors(path)[1] if form_of(path) == "safetensors" else unpickled(path)
    except OSError as error:
        raise WeightsError(f"`{path}` cannot be read: {error.strerror or error}") from None


def require_sound(path: Path) -> None:
    """WeightsError if the file is absent, empty, a web page or cut short."""
    try:
        fault = damage_in(path) if path.is_file() else None
    except OSError as error:
        raise WeightsError(f"`{path}` cannot be read: {error.strerror or error}") from None
    if fault is not None:
        raise WeightsError(f"`{path}` {fault}", hint="fetch it again")
    if path.is_dir():
        raise WeightsError(f"`{path}` is a folder, not a weights file")
    if path.exists() and not path.is_file():
        raise WeightsError(f"`{path}` is not a regular file")
    if not path.exists():
        raise WeightsError(f"there is no weights file at `{path}`", hint="check the path")


def _step_in(stem: str) -> int | None:
    """The step that trainers write into file names: `iteration_60000`, `600000`."""
    match = STEP_IN_NAME.search(stem)
    return int(match[1]) if match else None


def _unknown(holding: str) -> WeightsError:
    known = ", ".join(FORMATS[kind].label for kind in FORMATS)
    return WeightsError(
        f"holds {holding}: no checkpoint that is known here",
        hint=f"known are {known}, and files of our own",
    )
