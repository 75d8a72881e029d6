"""`tm` in processes of its own, to be limited, signalled and killed, and what they leave."""

import hashlib
import multiprocessing
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
VARIES = ("manifest.jsonl", "metrics.jsonl", "results.jsonl", "environment.json", "command.txt",
          "state.json", "timestamp.txt")  # fmt: skip

SECONDS = re.compile(rb'"seconds": [\d.e-]+|"created": "[^"]*"')


def started(
    argv: Sequence[object], out: Path, log: Path, limit: Callable[[], object] | None = None
) -> subprocess.Popen[bytes]:
    """`tm` as its own group of processes; OUT in the arguments is `out`."""
    command = [sys.executable, "-m", "tm", *(str(one).replace("OUT", str(out)) for one in argv)]
    with log.open("ab") as file:
        return subprocess.Popen(
            command,
            env={**os.environ, "PYTHONPATH": os.fspath(ROOT), "OMP_NUM_THREADS": "1"},
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=limit,
        )


def forked(argv: Sequence[object], out: Path, log: Path) -> ForkServerProcess:
    """The same without the seconds of imports: a fork of a server that has imported everything.

    The process is real, and the leader of a group of its own once it has begun.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["attack_preload"])
    with pytest.MonkeyPatch.context() as patch:  # read when the server begins
        patch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), str(Path(__file__).parent)]))
        patch.setenv("OMP_NUM_THREADS", "1")
        text = [str(one).replace("OUT", str(out)) for one in argv]
        process = context.Process(target=_run, args=(text, log, dict(os.environ)))
        process.start()
    return process


def _run(argv: Sequence[str], log: Path, environment: dict[str, str]) -> None:
    for ending in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ending, signal.SIG_DFL)
    os.environ.update(environment)
    with log.open("ab") as file:
        for stream in (sys.stdout, sys.stderr):
            os.dup2(file.fileno(), stream.fileno())
    sys.argv = ["tm", *argv]
    from tm.cli import main

    os.setsid()  # from here on it may be ended
    signal.signal(signal.SIGINT, signal.default_int_handler)
    code = 0
    try:
        main()
    except SystemExit as ending:
        code = ending.code if isinstance(ending.code, int) else 0
    sys.stderr.flush()
    os._exit(code)  # a signal at the end of this module's own work is none of the run


def has_begun(pid: int) -> bool:
    """Whether a forked process leads its group, or is gone already."""
    try:
        return os.getpgid(pid) == pid
    except ProcessLookupError:
        return True


def end_group(pid: int, number: int) -> None:
    """Send a signal to a process and to all that it has started."""
    with suppress(ProcessLookupError):  # it has ended meanwhile
        try:
            os.killpg(pid, number)
        except ProcessLookupError:  # it has not begun
            os.kill(pid, number)


def results(out: Path) -> dict[str, str]:
    """Digests of the lasting files, but for those that hold times, and for seconds in others."""
    return {
        path.relative_to(out).as_posix(): hashlib.sha256(_timeless(path)).hexdigest()
        for path in sorted(out.rglob("*"))
        if path.is_file()
        and not path.name.startswith((".", "events.", *VARIES))
        and "tensorboard" not in path.parts
    }


def _timeless(path: Path) -> bytes:
    content = path.read_bytes()
    return SECONDS.sub(b"", content) if path.suffix == ".json" else content


def left_over(out: Path) -> list[str]:
    """Temporary files that no finished run leaves."""
    return [p.name for p in out.rglob("*") if p.name.endswith((".partial", ".journal", ".old"))]
