"""All files of the weights folder against their published digests and the record."""

import os
from pathlib import Path

from engine.core.progress import Progress, Silence, reported
from engine.weights.folder import files_in
from engine.weights.inspection import Finding, examine
from engine.weights.lockfile import Lock
from engine.weights.manifest import known_weights


def check_folder(
    folder: Path, *, full: bool = False, write: bool = True, progress: Progress | None = None
) -> list[Finding]:
    """Judge every file of the folder; then tell which files of the record are gone.

    Files seen for the first time are put on record if `write` and the folder may be written.
    `full` reads every file again; otherwise one whose size and time of change stand is taken to
    be what it was.
    """
    manifest, lock, told = known_weights(folder), Lock(folder), progress or Silence()
    paths = list(files_in(folder))
    findings: list[Finding] = []
    with reported(told, "Checking", len(paths)):
        for path in paths:
            published = manifest.of_file(path.name) if path.parent == folder else None
            findings.append(examine(path, published, lock, full=full))
            told.advance(path.name)
    present = {lock.key(path) for path in paths}
    findings += [
        Finding(folder / key, "gone", seen.sha256, "was here once")
        for key, seen in lock.files.items()
        if key not in present
    ]
    if write and os.access(folder, os.W_OK):
        lock.save()
    return findings
