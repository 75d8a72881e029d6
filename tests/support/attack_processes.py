"""`tm` in processes of its own, to be limited, signalled and killed, and what they leave."""

import hashlib
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]
VARIES = ("manifest.jsonl", "metrics.jsonl", "results.jsonl", "environment.json", "command.txt",
          "state.json", "timestamp.txt")  # fmt: skip


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


def results(out: Path) -> dict[str, str]:
    """Digests of the lasting files, but for those that hold times."""
    return {
        path.relative_to(out).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(out.rglob("*"))
        if path.is_file()
        and not path.name.startswith((".", "events.", *VARIES))
        and "tensorboard" not in path.parts
    }


def left_over(out: Path) -> list[str]:
    """Temporary files that no finished run leaves."""
    return [p.name for p in out.rglob("*") if p.name.endswith((".partial", ".journal", ".old"))]
