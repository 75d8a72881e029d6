"""Reading `.pt` and `.pth` without running code: tensors, plain containers, Namespaces, numbers."""

import argparse
import re
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, Literal

import numpy as np
import torch

from engine.core.errors import WeightsError
from engine.core.regular import open_regular
from engine.weights.signature import form_of

NUMBERS = "biuf"
# torch.load goes by this ending whatever the content is, unless it is given an open file.
MISLEADING = ".safetensors"
OPCODE = re.compile(r"(Unsupported operand )?\d*")
REASON = re.compile(r"WeightsUnpickler error: (.+?)(?: Please | Check |$)")
# torch keeps its allow-list per process; two threads must not widen or narrow it for each other.
_ALLOWING = threading.Lock()


class ScalarType:
    """Stands in for `numpy.dtype` in a pickle; nothing of numpy runs while reading."""

    def __init__(self, code: str, align: bool = False, copy: bool = False) -> None:
        self.code = code
        self.order: Literal["<", ">"] = "<"

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.order = ">" if state[1] == ">" else "<"


def scalar(kind: ScalarType, data: bytes) -> float | int | bool:
    """Stands in for numpy's scalar in a pickle; gives a plain number."""
    dtype = np.dtype(kind.code).newbyteorder(kind.order)
    if dtype.kind not in NUMBERS or not isinstance(data, bytes):
        raise UnpicklingError("a numpy scalar that is no number")
    return np.frombuffer(data, dtype, count=1)[0].item()


ALLOWED: list[Any] = [
    argparse.Namespace,
    (ScalarType, "numpy.dtype"),
    (scalar, "numpy.core.multiarray.scalar"),
    (scalar, "numpy._core.multiarray.scalar"),
]


def unpickled(path: Path) -> Any:
    """What a `.pt` or `.pth` holds, on the CPU, mapped from the disk where its form allows.

    Zip files are mapped (the tensors are read when they are used); the older form is read whole.
    WeightsError names what a file asks to run; nothing of it is run.
    """
    try:
        mapped = form_of(path) == "zip" and _stored(path)
        with _only(ALLOWED):
            if path.suffix != MISLEADING:
                return torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)
            with open_regular(path) as file:
                return torch.load(file, map_location="cpu", weights_only=True)
    except (MemoryError, OSError):
        raise
    except Exception as error:  # a damaged pickle raises anything, and all of it means the same
        if "not enough memory" in str(error) or "can't allocate memory" in str(error):
            raise MemoryError(f"reading `{path}`") from error
        raise _refusal(path, error) from error


@contextmanager
def _only(allowed: list[Any]) -> Iterator[None]:
    """Allow exactly these globals beside torch's own, whatever other code has allowed."""
    with _ALLOWING:
        before = torch.serialization.get_safe_globals()
        torch.serialization.clear_safe_globals()
        torch.serialization.add_safe_globals(allowed)
        try:
            yield
        finally:
            torch.serialization.clear_safe_globals()
            torch.serialization.add_safe_globals(before)


def _stored(path: Path) -> bool:
    """Whether a zip file keeps its tensors uncompressed, so that they can be mapped."""
    with zipfile.ZipFile(path) as archive:
        return all(entry.compress_type == zipfile.ZIP_STORED for entry in archive.infolist())


def _refusal(path: Path, error: Exception) -> WeightsError:
    text = " ".join(str(error).split())
    refused = re.search(r"GLOBAL ([\w.]+)", text) or re.search(
        r"unrecognized function (.+?)\.", text
    )
    if refused:
        return WeightsError(
            f"`{path}` asks to run `{refused[1]}`, which tensors do not need; nothing was run",
            hint="get the file from its authors, or ask them for a safetensors file",
        )
    if "TorchScript" in text:
        return WeightsError(
            f"`{path}` is a TorchScript program, not a file of weights",
            hint="get the state dict of the same network",
        )
    match = REASON.search(text)
    reason = match[1] if match else text[:120]
    # The reason may be the bare number of a pickle operation, which helps nobody.
    detail = "" if OPCODE.fullmatch(reason) else f" ({reason})"
    return WeightsError(
        f"`{path}` is no weights file, or a damaged one{detail}",
        hint="fetch it again",
    )
