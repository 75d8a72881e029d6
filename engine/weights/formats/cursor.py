"""Reading a foreign file front to back: every size is checked before anything is allocated."""

from collections.abc import Sequence
from math import prod
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from engine.core.errors import WeightsError
from engine.core.regular import open_regular

AGAIN = "the file is damaged or of another kind: install or fetch it again"


def malformed(name: str, what: str, *, hint: str = AGAIN) -> WeightsError:
    """The error for a file that is not what its format says, in one sentence.

    What the file itself has written into `what` reaches no terminal unless it can be printed.
    """
    text = f"`{name}` {what}"
    return WeightsError("".join(c if c.isprintable() else "?" for c in text), hint=hint)


def file_bytes(path: Path, largest: int) -> bytes:
    """The content of a regular file of at most `largest` bytes; WeightsError for anything else."""
    try:
        if not path.is_file():
            state = "is no regular file" if path.exists() else "does not exist"
            raise malformed(str(path), state, hint="check the path")
        with open_regular(path) as file:
            data = file.read(largest + 1)
    except OSError as error:
        raise WeightsError(
            f"`{path}` cannot be read: {error.strerror or error}", hint="check its permissions"
        ) from None
    if len(data) > largest:
        raise malformed(str(path), f"is larger than the {largest:,} bytes of any known file")
    return data


class Cursor:
    """A position in the bytes of one file that only moves forward."""

    def __init__(self, data: bytes, name: str) -> None:
        self.data = memoryview(data)
        self.name = name
        self.place = 0

    @property
    def left(self) -> int:
        """Bytes that are not read yet."""
        return len(self.data) - self.place

    def fault(self, what: str) -> WeightsError:
        """The error for this file."""
        return malformed(self.name, what)

    def take(self, count: int, what: str) -> memoryview:
        """The next `count` bytes; an error if there are fewer."""
        if not 0 <= count <= self.left:
            raise self.fault(f"ends {count - self.left:,} bytes before the end of {what}")
        self.place += count
        return self.data[self.place - count : self.place]

    def tensor(self, shape: Sequence[int], kind: str, what: str) -> Tensor:
        """The next numbers as a tensor of `shape`; the little-endian numpy `kind` becomes float32.

        `what` names the tensor in errors. Integers stay integers; floats must be finite.
        """
        dtype = np.dtype(kind).newbyteorder("<")
        raw = self.take(prod(shape) * dtype.itemsize, what)
        numbers = np.frombuffer(raw, dtype).reshape(tuple(shape))
        if dtype.kind == "f":
            numbers = numbers.astype(np.float32)
            if not np.isfinite(numbers).all():
                raise self.fault(f"holds numbers in {what} that are not finite")
        return torch.from_numpy(numbers.astype(numbers.dtype.newbyteorder("="), copy=True))

    def finish(self) -> None:
        """An error if bytes are left."""
        if self.left:
            raise self.fault(f"has {self.left:,} bytes after its last number")
