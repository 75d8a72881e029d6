"""From a weights file to its networks: restricted, recognised by content, without a copy."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

from engine.core.errors import WeightsError
from engine.weights.checkpoint import Checkpoint
from engine.weights.containers import read_container
from engine.weights.folder import weights_file
from engine.weights.native import read_native
from engine.weights.signature import damage_in, form_of
from engine.weights.tensors import read_safetensors
from engine.weights.unpickle import unpickled

STEP_IN_NAME = re.compile(r"(?:iteration_|step_|^)(\d{1,9})$")


def read_checkpoint(path: Path, *, ema: bool = True) -> Checkpoint:
    """Read a weights file of any known container, `.safetensors` or `.pt`.

    `ema` asks for the averaged weights where a file has both. Tensors are on the CPU in the dtype
    they were stored in. WeightsError in one sentence for whatever is wrong with the file.
    """
    require_sound(path)
    if form_of(path) == "safetensors":
        native = read_native(path)
        if native is not None:
            return native
    try:
        found = read_container(read_tensors(path), ema=ema)
    except WeightsError as error:
        if str(path) in str(error):
            raise
        raise WeightsError(f"`{path}`: {error}", hint=error.hint) from None
    return found if found.step is not None else replace(found, step=_step_in(path.stem))


def read_known(name: str, *, ema: bool = True) -> Checkpoint:
    """Read known or imported weights by name; WeightsError says where to get what is not here."""
    return read_checkpoint(weights_file(name), ema=ema)


def read_tensors(path: Path) -> Any:
    """What a `.pt`, `.pth` or safetensors file holds, unrecognised; code in it is never run."""
    require_sound(path)
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
    if not path.exists():
        raise WeightsError(f"there is no weights file at `{path}`", hint="check the path")


def _step_in(stem: str) -> int | None:
    """The step that trainers write into file names: `iteration_60000`, `600000`."""
    found = STEP_IN_NAME.search(stem)
    return int(found[1]) if found else None
