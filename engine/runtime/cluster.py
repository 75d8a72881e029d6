"""The same work on many items, over the machines of a Ray cluster.

Every processor of the cluster gets one worker, which receives the work once, with its networks, and
holds them; items are handed out one by one. Pictures are read and written where they lie: all
machines see the same paths.
"""

import os
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

from engine.core.errors import DiskError, MemoryLimitError, TmError, UsageError
from engine.core.held import HeldFolder, held_folders, take_over
from engine.runtime.pool import Item, Outcome, Result, cores, elsewhere, share_machine

EXTRA = "pip install 'tm-toolkit[cluster]'"
TRIES = 3
"""Workers that an item may cost before it is given up."""
START, REACH = 300.0, 5.0
"""Seconds in which a first worker has to start, and in which an address has to answer."""
KEPT = ("TM_",)
"""Beginnings of the environment variables that workers take over."""
LACKING = ("ModuleNotFoundError", "ImportError")


@contextmanager
def on_cluster(address: str | None) -> Generator[None]:
    """Let `in_processes` use the Ray cluster at `HOST:PORT`, or with `auto` the one that is found.

    None: this machine alone. UsageError where Ray is missing here or no such cluster answers.
    """
    if address is None:
        yield
        return
    ray = _ray()
    if ray.is_initialized():
        with elsewhere(RayWorkers()):
            yield
        return
    with redirect_stdout(cast(TextIO, _WithoutRay(sys.stdout))):
        _connect(ray, address)
        try:
            with elsewhere(RayWorkers()):
                yield
        finally:
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


def _connect(ray: Any, address: str) -> None:
    import signal

    where = "no Ray cluster is found" if address == "auto" else f"no Ray cluster is at `{address}`"
    hint = "start one by `ray start --head`, and give its HOST:PORT, or `auto` on its machines"
    if address != "auto":
        host, _, port = address.rpartition(":")
        if not host or "/" in host or not port.isdecimal():
            raise UsageError(f"`{address}` is no address of a cluster", hint="write HOST:PORT")
        try:
            socket.create_connection((host, int(port)), timeout=REACH).close()
        except (OSError, OverflowError) as error:
            raise UsageError(f"{where}: {error}", hint=hint) from None
    ended = signal.getsignal(signal.SIGTERM)
    try:
        ray.init(address=address, logging_level="error", log_to_driver=False)
    except (OSError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
        ray.shutdown()
        raise refused(where, str(error), hint) from None
    finally:
        if ended is not None and signal.getsignal(signal.SIGTERM) is not ended:
            signal.signal(signal.SIGTERM, ended)  # Ray's own would skip the ledger


def refused(where: str, reason: str, hint: str) -> UsageError:
    """The error for a cluster that cannot be joined, from what Ray says."""
    text = " ".join(reason.split())
    if "ersion mismatch" in text:
        return UsageError(
            f"the cluster runs other versions: {text[:300]}",
            hint="install the same Python and the same `ray` on all machines",
        )
    return UsageError(f"{where}: {text[:300]}", hint=hint)


@dataclass(slots=True)
class _Job:
    item: Any
    tries: int = 0


@dataclass(slots=True)
class _Call:
    """What a worker does: its start, or an item, since when."""

    worker: Any
    job: _Job | None
    since: float = field(default_factory=time.monotonic)


class RayWorkers:
    """The workers of the cluster that this process is connected to."""

    def outcomes(
        self, work: Callable[[Item], Result], items: Iterable[Item], *, limit: float | None
    ) -> Iterator[Outcome[Item, Result]]:
        """Each item's outcome as it comes, as `in_processes` has it.

        An item whose worker or machine dies is tried again; the third time it has no result.
        UsageError where the workers cannot run tm, MemoryLimitError for a full object store.
        """
        ray = _ray()
        count = int(ray.cluster_resources().get("CPU", 1)) or 1
        if isinstance(items, Sized):
            count = min(count, len(items))
        if not count:
            return
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


def translated(error: Exception) -> Exception:
    """An error of ours for what Ray says of memory and disk; the error itself else."""
    name = type(getattr(error, "cause", None) or error).__name__
    if "ObjectStoreFullError" in name or "ObjectStoreFullError" in str(error):
        return MemoryLimitError(
            "the object store of the cluster is full",
            hint="start Ray with a larger `--object-store-memory`, or give it fewer processors",
        )
    if "OutOfDiskError" in name or "OutOfDiskError" in str(error):
        return DiskError(
            "a machine of the cluster has no disk left for what its object store holds",
            hint="free its temporary folder, or start Ray with a larger `--object-store-memory`",
        )
    return error


class _Run:
    """The workers of one batch."""

    def __init__(self, ray: Any, work: Any, count: int) -> None:
        self.ray, self.work, self.count = ray, work, count
        self.kind = ray.remote(num_cpus=1, max_restarts=0, max_task_retries=0)(Worker)
        self.calls: dict[Any, _Call] = {}
        self.idle: list[Any] = []
        self.workers: list[Any] = []
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
        self.calls[worker.describe.remote()] = _Call(worker, None)

    def outcomes(self, items: Iterator[Any], limit: float | None) -> Iterator[Outcome[Any, Any]]:
        again = deque[_Job]()
        exhausted = False
        for _ in range(self.count):
            self.start()
        while not exhausted or again or any(call.job is not None for call in self.calls.values()):
            done, _ = self.ray.wait(list(self.calls), timeout=1.0)
            for ref in done:
                call = self.calls.pop(ref)
                answer = self.answer(ref, call)
                if answer is not None:
                    self.idle.append(call.worker)
                if call.job is None:
                    if answer is not None:
                        self.require_same(answer)
                        self.ready = True
                elif answer is not None:
                    yield Outcome(call.job.item, _value(answer))
                elif call.job.tries < TRIES:
                    again.append(call.job)
                else:
                    yield Outcome(call.job.item, None)
            while self.idle and (again or not exhausted):
                job = again.popleft() if again else next(map(_Job, items), None)
                if job is None:
                    exhausted = True
                    break
                worker = self.idle.pop()
                self.calls[worker.run.remote(job.item)] = _Call(worker, job)
            yield from self.overdue(limit)
            if not self.ready and time.monotonic() - self.began > START:
                raise UsageError(
                    f"no processor of the cluster was free for {START:.0f} seconds",
                    hint="wait for other work on it, or start more machines: `ray status`",
                )

    def answer(self, ref: Any, call: _Call) -> Any:
        """What a worker says; None where it or its machine died, and another one is started."""
        try:
            return self.ray.get(ref)
        except self.ray.exceptions.RayTaskError as error:
            raise error.as_instanceof_cause() from None
        except self.ray.exceptions.RayError as error:
            if translated(error) is not error:
                raise
            if call.job is not None:
                call.job.tries += 1
            else:
                self.unstarted += 1
                if self.unstarted >= TRIES * self.count or any(n in str(error) for n in LACKING):
                    raise unusable(str(error)) from None
            self.start()
            return None

    def overdue(self, limit: float | None) -> Iterator[Outcome[Any, Any]]:
        """End the workers that hold one item for longer than `limit` seconds."""
        if limit is None:
            return
        now = time.monotonic()
        for ref, call in list(self.calls.items()):
            if call.job is not None and now - call.since > limit:
                del self.calls[ref]
                self.ray.kill(call.worker)
                self.start()
                yield Outcome(call.job.item, None)

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


def unusable(reason: str) -> TmError:
    """The error for workers that do not start."""
    lines = [line.strip() for line in reason.splitlines() if line.strip()]
    last = next((line for line in reversed(lines) if any(n in line for n in LACKING)), "")
    if last:
        return UsageError(
            f"a worker of the cluster cannot run tm: {last}", hint=f"on its machine, {EXTRA}"
        )
    return UsageError(
        f"the workers of the cluster do not start: {' '.join(lines)[:300]}",
        hint="`ray status`, and the logs of its machines, say more",
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

    def run(self, item: Any) -> tuple[bool, Any]:
        """Whether the work succeeded, and its result, or what it raised."""
        try:
            return True, self.work(item)
        except Exception as error:
            return False, error


def _value(answer: tuple[bool, Any]) -> Any:
    succeeded, value = answer
    if not succeeded:
        raise value
    return value
