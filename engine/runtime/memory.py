"""Work in batches that shrink when memory runs out."""

import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import torch

from engine.core.regular import read_text
from engine.runtime.pool import siblings

Item = TypeVar("Item")
Result = TypeVar("Result")


def in_batches(
    work: Callable[[Sequence[Item]], Sequence[Result]],
    items: Sequence[Item],
    *,
    batch: int,
    shrunk: Callable[[int], None] | None = None,
) -> Iterator[Result]:
    """Yield the results of all items in order, `batch` of them at a time.

    Out of memory halves the batch, from there on, and tries again; `shrunk` gets the new size.
    One item that does not fit raises MemoryError.
    """
    done = 0
    while done < len(items):
        try:
            results = work(items[done : done + batch])
        except (torch.OutOfMemoryError, MemoryError) as error:
            if batch == 1:
                raise MemoryError("a single picture does not fit into memory") from error
            batch = max(batch // 2, 1)
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
            if shrunk is not None:
                shrunk(batch)
            continue
        yield from results
        done += len(results)


def peak_memory(device: torch.device) -> int | None:
    """Most bytes held so far: on the GPU, else by this process; None where it is unknown."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    if sys.platform == "win32":
        return None
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def free_memory(device: torch.device) -> int | None:
    """Bytes that may still be taken, on the GPU or by this process of a batch; None if unknown."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    meminfo = Path("/proc/meminfo")
    if meminfo.is_file():
        for line in read_text(meminfo, "ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024 // siblings()
    return None


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an exception means that memory ran out, which on the CPU only its message shows."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    message = str(error)
    return isinstance(error, RuntimeError) and (
        "not enough memory" in message or "can't allocate memory" in message
    )
