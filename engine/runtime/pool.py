"""The same work on many items, over processes or over threads."""

import multiprocessing
import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import (
    FIRST_COMPLETED,
    Future,
    ProcessPoolExecutor,
    ThreadPoolExecutor,
    wait,
)
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from types import FrameType
from typing import Generic, Protocol, TypeVar

from engine.core.errors import UsageError
from engine.core.held import HeldFolder, held_folders, take_over
from engine.runtime.orphans import die_with_parent

Item = TypeVar("Item")
Result = TypeVar("Result")

PICTURE_LIMIT = 600.0
"""Seconds without a result after which a batch of pictures ends the processes that are busy."""
PROCESSES_A_CORE = 4
AHEAD = 4
"""Items handed out per worker before their results are taken: bounds what waits in memory."""


@dataclass(frozen=True, slots=True)
class Outcome(Generic[Item, Result]):
    """An item and what came of it; `result` is None when its process died over it, or was ended."""

    item: Item
    result: Result | None


def cores() -> int:
    """Processor cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def require_cores(processes: int, *, at_least: int = 0) -> None:
    """UsageError for more processes than the cores here can share; `at_least` are allowed."""
    if processes > max(PROCESSES_A_CORE * cores(), at_least):
        raise UsageError(f"there are {cores()} cores here, too few for {processes} processes")


def siblings() -> int:
    """How many processes share this machine's memory with this one, itself included."""
    return _Siblings.count


class _Siblings:
    count = 1


class Workers(Protocol):
    """Other workers than the processes of this machine."""

    def outcomes(
        self, work: Callable[[Item], Result], items: Iterable[Item], *, limit: float | None
    ) -> Iterator[Outcome[Item, Result]]:
        """As `in_processes`, on as many workers as there are."""
        ...


_elsewhere: list[Workers] = []


@contextmanager
def elsewhere(workers: Workers) -> Generator[None]:
    """Let `in_processes` hand its items to other workers."""
    _elsewhere.append(workers)
    try:
        yield
    finally:
        _elsewhere.remove(workers)


def is_elsewhere() -> bool:
    """Whether `elsewhere` is in effect: then work is worth handing out whatever its amount."""
    return bool(_elsewhere)


def in_processes(
    work: Callable[[Item], Result],
    items: Iterable[Item],
    *,
    workers: int,
    limit: float | None = None,
) -> Iterator[Outcome[Item, Result]]:
    """Yield each item's outcome as it comes, in no set order.

    One worker means this process. An exception of `work` ends the batch and is raised here; a
    process that dies (out of memory, a crash in native code) is replaced, and the items it held
    are tried again one at a time, so that the one that kills its process is known. The same holds
    where no worker answers for `limit` seconds: what alone takes longer has no result. In this
    process the limit is an alarm, which cannot break into native code, and needs the main thread.
    Within `elsewhere` the items go to its workers, however many `workers` says.
    """
    if _elsewhere:
        yield from _elsewhere[-1].outcomes(work, items, limit=limit)
        return
    if workers <= 1:
        for item in items:
            yield Outcome(item, _limited(work, item, limit))
        return
    left = iter(items)
    while True:
        unfinished: list[Item] = []
        yield from _until_broken(work, left, workers, unfinished, limit)
        if not unfinished:
            return
        for item in unfinished:
            yield _alone(work, item, limit)


def in_threads(
    work: Callable[[Item], Result],
    items: Iterable[Item],
    *,
    threads: int,
    ahead: int,
    prepare: Callable[[], object] | None = None,
) -> Iterator[Result]:
    """Yield what `work` makes of each item, in the order of the items.

    `ahead` items are handed out beyond the one that is waited for; every thread begins with
    `prepare`. An exception of `work` is raised here, in its item's turn.
    """
    with ThreadPoolExecutor(threads, initializer=prepare) as pool:
        waiting = deque[Future[Result]]()
        try:
            for item in items:
                waiting.append(pool.submit(work, item))
                if len(waiting) > ahead:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


class _TookTooLongError(BaseException):
    """Not an `Exception`: no code for faults of a picture may take it for one."""


def _limited(work: Callable[[Item], Result], item: Item, limit: float | None) -> Result | None:
    """What `work` makes of an item in this process; None if that takes longer than the limit."""
    timed = hasattr(signal, "setitimer")
    timed &= threading.current_thread() is threading.main_thread()
    # An alarm of the caller's own shares the timer, and stays.
    if limit is None or not timed or signal.getitimer(signal.ITIMER_REAL)[0] > 0:
        return work(item)
    before = signal.signal(signal.SIGALRM, _give_up)
    try:
        signal.setitimer(signal.ITIMER_REAL, limit)
        return work(item)
    except _TookTooLongError:
        return None
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _give_up(number: int, frame: FrameType | None) -> None:
    raise _TookTooLongError


def _until_broken(
    work: Callable[[Item], Result],
    left: Iterator[Item],
    workers: int,
    unfinished: list[Item],
    limit: float | None,
) -> Iterator[Outcome[Item, Result]]:
    """Work through `left`; if a process dies or all hang, what is not done is in `unfinished`."""
    pool, pending = _pool(workers), dict[Future[Result], Item]()

    def hand_out(count: int) -> None:
        for item in islice(left, count):
            unfinished.append(item)
            pending[pool.submit(work, item)] = item

    try:
        hand_out(workers * AHEAD)
        while pending:
            answered = wait(pending, timeout=limit, return_when=FIRST_COMPLETED).done
            if not answered:
                _stop(pool)
                return
            for future in answered:
                result, item = future.result(), pending.pop(future)
                unfinished.remove(item)
                yield Outcome(item, result)
                hand_out(1)
    except BrokenProcessPool:
        pool.shutdown(wait=False, cancel_futures=True)
    except BaseException:
        _stop(pool)
        raise
    else:
        pool.shutdown()


def _alone(
    work: Callable[[Item], Result], item: Item, limit: float | None
) -> Outcome[Item, Result]:
    with _pool(1) as pool:
        future = pool.submit(work, item)
        try:
            if wait([future], timeout=limit).done:
                return Outcome(item, future.result())
        except BrokenProcessPool:
            return Outcome(item, None)
        except BaseException:
            _stop(pool)
            raise
        _stop(pool)
        return Outcome(item, None)


def _pool(workers: int) -> ProcessPoolExecutor:
    # Not fork: the parent may hold threads (BLAS, torch), and a forked child would hang on them.
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(
        workers, mp_context=context, initializer=_prepare, initargs=(held_folders(), workers)
    )


def _prepare(folders: Iterable[HeldFolder], workers: int) -> None:
    """Make a fresh worker single-threaded; Ctrl-C is its parent's, and so are life and folders."""
    take_over(folders)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    die_with_parent()
    share_machine(workers)
    if (torch := sys.modules.get("torch")) is not None:  # it came with the caller's own module
        torch.set_num_threads(1)


def share_machine(workers: int) -> None:
    """Let this process, one of `workers` on this machine, run on one thread; before numpy."""
    _Siblings.count = workers
    # Every core has a worker of its own already.
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = "1"
    import cv2

    cv2.setNumThreads(1)


def _stop(pool: ProcessPoolExecutor) -> None:
    """End the workers now: an interrupt must not wait for a picture that takes a minute."""
    for child in multiprocessing.active_children():
        child.terminate()
    pool.shutdown(cancel_futures=True)
