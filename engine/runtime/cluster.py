"""The same work on many items, over the machines of a Ray cluster.

Every processor of the cluster gets one worker, which receives the work once, with its networks, and
holds them; items are handed out one by one. Pictures are read and written where they lie: all
machines see the same paths.
"""

import os
import pickle
import platform
import secrets
import socket
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sized
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any, TextIO, cast

from engine.core.errors import UsageError
from engine.core.held import HeldFolder, held_folders, take_over
from engine.runtime.cluster_faults import EXTRA, LACKING, STARTED, refused, translated, unusable
from engine.runtime.pool import Item, Outcome, Result, cores, elsewhere, share_machine

TRIES = 3
"""Workers that an item may cost before it is given up."""
START, REACH = 300.0, 5.0
"""Seconds in which a first worker has to start, and in which an address has to answer."""
AHEAD, QUICK = 2, 1.0
"""Items that lie with a worker at once, where one takes it less than so many seconds."""
KEPT = ("TM_",)
"""Beginnings of the environment variables that workers take over."""


@contextmanager
def on_cluster(address: str | None) -> Generator[None]:
    """Let `in_processes` use the Ray cluster at `HOST:PORT`, or with `auto` the one that is found.

    It is joined when there is work for it. None: this machine alone. UsageError where Ray is
    missing here or nothing answers there.
    """
    if address is None:
        yield
        return
    ray = _ray()
    if ray.is_initialized():
        with elsewhere(RayWorkers()):
            yield
        return
    workers = RayWorkers(_answering(address))
    with redirect_stdout(cast(TextIO, _WithoutRay(sys.stdout))):
        try:
            with elsewhere(workers):
                yield
        finally:
            if ray.is_initialized():
                ray.shutdown()


class _WithoutRay:
    """The standard output without what a thread of Ray prints there of dead workers."""

    def __init__(self, inner: TextIO) -> None:
        self._inner = inner

    def write(self, text: str) -> int:
        if threading.current_thread().name.startswith("ray_"):
            return len(text)
        return self._inner.write(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


def _ray() -> Any:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # else it warns of a change
    try:
        import ray
        import ray.exceptions
    except ImportError as error:
        raise UsageError(f"`--cluster` needs Ray: {error}", hint=EXTRA) from None
    return ray


def _answering(address: str) -> str:
    """`HOST:PORT` of a cluster where something answers; UsageError where nothing does."""
    if address == "auto":
        from ray._private.services import canonicalize_bootstrap_address_or_die

        try:
            address = canonicalize_bootstrap_address_or_die(address)
        except (OSError, ValueError) as error:
            raise UsageError("no Ray cluster is found on this machine", hint=STARTED) from error
    host, _, port = address.rpartition(":")
    if not host or "/" in host or not port.isdecimal():
        raise UsageError(f"`{address}` is no address of a cluster", hint="write HOST:PORT")
    try:
        socket.create_connection((host, int(port)), timeout=REACH).close()
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise refused(address, reason) from None
    return address


def _join(ray: Any, address: str) -> None:
    import signal

    ended = signal.getsignal(signal.SIGTERM)
    try:
        ray.init(address=address, logging_level="error", log_to_driver=False)
    except (OSError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
        ray.shutdown()
        raise refused(address, str(error)) from None
    finally:
        if ended is not None and signal.getsignal(signal.SIGTERM) is not ended:
            signal.signal(signal.SIGTERM, ended)  # Ray's own would skip the ledger


@dataclass(slots=True)
class _Job:
    item: Any
    tries: int = 0


@dataclass(slots=True, eq=False)
class _Hand:
    """A worker, and the calls that lie with it in their order: its start (no job), or items.

    since: when it began the first of them; quick: whether it took little for the last item.
    """

    worker: Any
    calls: deque[tuple[Any, _Job | None]] = field(default_factory=deque)
    since: float = field(default_factory=time.monotonic)
    quick: bool = False
    lives: bool = True

    def take_off(self) -> _Job | None:
        """The job of the first call, which has ended."""
        _, job = self.calls.popleft()
        now = time.monotonic()
        self.quick, self.since = job is not None and now - self.since < QUICK, now
        return job


class RayWorkers:
    """The workers of the cluster at `HOST:PORT`; None: of the one that this process is in."""

    def __init__(self, address: str | None = None) -> None:
        self.address = address

    def outcomes(
        self, work: Callable[[Item], Result], items: Iterable[Item], *, limit: float | None
    ) -> Iterator[Outcome[Item, Result]]:
        """Each item's outcome as it comes, as `in_processes` has it.

        An item whose worker or machine dies is tried again; the third time it has no result.
        UsageError where the workers cannot run tm, MemoryLimitError for a full object store.
        """
        if isinstance(items, Sized) and not len(items):
            return
        ray = _ray()
        if self.address is not None and not ray.is_initialized():
            _join(ray, self.address)
        count = int(ray.cluster_resources().get("CPU", 1)) or 1
        if isinstance(items, Sized):
            count = min(count, len(items))
        with _run(ray, work, count) as run:
            yield from run.outcomes(iter(items), limit)


@contextmanager
def _run(ray: Any, work: Callable[..., Any], count: int) -> "Generator[_Run]":
    run: _Run | None = None
    try:
        run = _Run(ray, ray.put(work), count)
        yield run
    except Exception as error:
        raise translated(error) from error
    finally:
        if run is not None:
            run.stop()


class _Run:
    """The workers of one batch."""

    def __init__(self, ray: Any, work: Any, count: int) -> None:
        self.ray, self.work, self.count = ray, work, count
        self.kind = ray.remote(
            num_cpus=1, max_restarts=0, max_task_retries=0, enable_task_events=False
        )(Worker)
        self.hands: dict[Any, _Hand] = {}
        """By the call that each is at."""
        self.idle: list[_Hand] = []
        self.workers: list[Any] = []
        self.again, self.exhausted, self.held = deque[_Job](), False, 0
        self.began, self.unstarted = time.monotonic(), 0
        self.ready = False

    def stop(self) -> None:
        for worker in self.workers:
            self.ray.kill(worker)

    def start(self) -> None:
        """One more worker; it waits where no processor is free."""
        environment = {k: v for k, v in os.environ.items() if k.startswith(KEPT)}
        apart = secrets.token_hex(4)
        worker = self.kind.remote(
            self.work, held_folders(apart), os.getcwd(), environment, self.count
        )
        self.workers.append(worker)
        self.call(_Hand(worker), worker.describe.remote(), None)

    def outcomes(self, items: Iterator[Any], limit: float | None) -> Iterator[Outcome[Any, Any]]:
        for _ in range(self.count):
            self.start()
        while not self.exhausted or self.again or self.held:
            done, _ = self.ray.wait(list(self.hands), timeout=1.0)
            for ref in done:
                hand = self.hands.pop(ref)
                job = hand.take_off()
                self.held -= job is not None
                answer = self.answer(ref, job)
                if answer is None:
                    self.replace(hand, job)
                elif job is None:
                    self.require_same(answer)
                    self.ready = True
                self.go_on(hand, items)  # before anybody looks at the result
                if job is not None and answer is not None:
                    yield Outcome(job.item, _value(answer))
                elif job is not None and job.tries >= TRIES:
                    yield Outcome(job.item, None)
            yield from self.overdue(limit, items)
            if not self.ready and time.monotonic() - self.began > START:
                raise UsageError(
                    f"no processor of the cluster was free for {START:.0f} seconds",
                    hint="wait for other work on it, or start more machines: `ray status`",
                )

    def call(self, hand: _Hand, ref: Any, job: _Job | None) -> None:
        hand.calls.append((ref, job))
        if len(hand.calls) == 1:
            hand.since = time.monotonic()
            self.hands[ref] = hand

    def replace(self, hand: _Hand, job: _Job | None) -> None:
        """Start a worker for one that died of a job; what lay with it unbegun is not to blame."""
        if job is not None and job.tries < TRIES:
            self.again.append(job)
        self.again.extend(unbegun for _, unbegun in hand.calls if unbegun is not None)
        self.held -= len(hand.calls)
        hand.calls.clear()
        hand.lives = False
        self.start()

    def go_on(self, hand: _Hand, items: Iterator[Any]) -> None:
        """Items for whoever is idle, and the next one for a worker that does not take long."""
        if hand.calls:
            self.hands[hand.calls[0][0]] = hand
        elif hand.lives:
            self.idle.append(hand)
        while self.idle and (job := self.next_job(items)) is not None:
            self.send(self.idle.pop(), job)
        while hand.quick and 0 < len(hand.calls) < AHEAD:
            if (job := self.next_job(items)) is None:
                return
            self.send(hand, job)

    def next_job(self, items: Iterator[Any]) -> _Job | None:
        if self.again:
            return self.again.popleft()
        job = next(map(_Job, items), None)
        self.exhausted = job is None
        return job

    def send(self, hand: _Hand, job: _Job) -> None:
        self.held += 1
        self.call(hand, hand.worker.run.remote(job.item), job)

    def answer(self, ref: Any, job: _Job | None) -> Any:
        """What a worker says; None where it or its machine died."""
        try:
            return self.ray.get(ref)
        except self.ray.exceptions.RayTaskError as error:
            raise error.as_instanceof_cause() from None
        except self.ray.exceptions.RayError as error:
            if translated(error) is not error:
                raise
            if job is not None:
                job.tries += 1
            else:
                self.unstarted += 1
                if self.unstarted >= TRIES * self.count or any(n in str(error) for n in LACKING):
                    raise unusable(str(error)) from None
            return None

    def overdue(self, limit: float | None, items: Iterator[Any]) -> Iterator[Outcome[Any, Any]]:
        """End the workers that hold one item for longer than `limit` seconds."""
        if limit is None:
            return
        now = time.monotonic()
        for ref, hand in list(self.hands.items()):
            _, job = hand.calls[0]
            if job is not None and now - hand.since > limit:
                del self.hands[ref]
                self.ray.kill(hand.worker)
                hand.take_off()
                self.held -= 1
                self.replace(hand, None)
                self.go_on(hand, items)
                yield Outcome(job.item, None)

    def require_same(self, facts: Mapping[str, str]) -> None:
        """UsageError for a worker of another version, or one that does not see this folder."""
        mine = describe()
        for name in ("tm", "python"):
            if facts[name] != mine[name]:
                raise UsageError(
                    f"a worker on {facts['node']} has {name} {facts[name]}, and here is"
                    f" {mine[name]}",
                    hint="install the same version on all machines",
                )
        if facts["lacks"]:
            raise UsageError(
                f"a worker on {facts['node']} does not see `{facts['lacks']}`",
                hint="work in a folder that all machines share under the same path",
            )


def describe() -> dict[str, str]:
    """Versions and host of this process."""
    return {
        "tm": version("tm-toolkit"),
        "python": platform.python_version(),
        "node": socket.gethostname(),
        "lacks": "",
    }


class Worker:
    """One process of the cluster: it holds the work, with its networks, and gets items."""

    def __init__(
        self,
        work: Callable[[Any], Any],
        folders: Iterable[HeldFolder],
        place: str,
        environment: Mapping[str, str],
        workers: int,
    ) -> None:
        os.environ.update(environment)
        held = list(folders)
        wanted = [Path(place), *(folder.root for folder in held)]
        self.lacks = next((str(path) for path in wanted if not path.is_dir()), "")
        if not self.lacks:
            os.chdir(place)
        take_over(held)
        share_machine(min(workers, cores()))
        if (torch := sys.modules.get("torch")) is not None:
            torch.set_num_threads(1)
        self.work = work

    def describe(self) -> dict[str, str]:
        """What must be as where the batch was started."""
        return {**describe(), "lacks": self.lacks}

    def run(self, item: Any) -> bytes:
        """Whether the work succeeded, and its result, or what it raised; pickled as the pool does,
        since Ray's own pickling takes longer.
        """
        try:
            return pickle.dumps((True, self.work(item)))
        except Exception as error:
            return pickle.dumps((False, error))


def _value(answer: bytes) -> Any:
    succeeded, value = pickle.loads(answer)  # from a worker of ours, as the pool's
    if not succeeded:
        raise value
    return value
