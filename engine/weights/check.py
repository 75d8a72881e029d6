"""All files of the weights folder against their published digests and the record."""

import os
from pathlib import Path

from engine.core.progress import Progress, Silence, reported
from engine.weights.folder import list_files
from engine.weights.inspection import FileCheck, check_file
from engine.weights.lockfile import Lock
from engine.weights.manifest import Manifest, Weight, known_weights
from engine.weights.npm import npm_member


def check_folder(
    folder: Path, *, full: bool = False, write: bool = True, progress: Progress | None = None
) -> list[FileCheck]:
    """Check every file of the folder, then list the files on record that are gone.

    write: put the digests of new files on record, where the folder may be written.
    full: read every file again, also those whose size and time of change are those on record.
    """
    manifest, lock = known_weights(folder), Lock(folder)
    progress = progress or Silence()
    paths = list(list_files(folder))
    checks: list[FileCheck] = []
    with reported(progress, "Checking", len(paths)):
        for path in paths:
            published = _published(path, folder, manifest)
            checks.append(check_file(path, published, lock, full=full))
            progress.advance(path.name)
    present = {lock.key(path) for path in paths}
    checks += [
        FileCheck(folder / key, "gone", record.sha256, "was here once")
        for key, record in lock.files.items()
        if key not in present
    ]
    if write and os.access(folder, os.W_OK):
        lock.save()
    return checks


def _published(path: Path, folder: Path, manifest: Manifest) -> Weight | None:
    """The entry of a file, with the digest of that very file; None for what was not published."""
    if path.parent == folder:
        return manifest.of_file(path.name)
    member = npm_member(path, folder)
    if member is None:
        return None
    weight = manifest[path.parent.name]
    return weight.model_copy(update={"bytes": member.bytes, "sha256": member.sha256})
