"""What Ray says of a cluster, its workers and its memory, as one sentence and a hint."""

from engine.core.errors import DiskError, MemoryLimitError, TmError, UsageError

EXTRA = "pip install 'tm-toolkit[cluster]'"
STARTED = "start one by `ray start --head`, and give its HOST:PORT, or `auto` on its machines"
LACKING = ("ModuleNotFoundError", "ImportError")


def refused(address: str, reason: str) -> UsageError:
    """The error for a cluster that cannot be joined, from what Ray or the network says."""
    text = " ".join(reason.split())
    if "ersion mismatch" in text:
        return UsageError(
            f"the cluster runs other versions: {text[:300]}",
            hint="install the same Python and the same `ray` on all machines",
        )
    return UsageError(f"no Ray cluster is at `{address}`: {text[:300]}", hint=STARTED)


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
