"""Check a folder of enhanced pictures against its manifest and sidecars."""

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch

from engine.core.digest import file_sha256
from engine.core.errors import InputError
from engine.core.jsontext import from_json
from engine.core.progress import Progress, reported
from engine.core.regular import read_text, real
from engine.data.manifest import MANIFEST, Row, read_manifest
from engine.enhance.one import Job, read_one, work_one, write_one
from engine.enhance.plan import EnhancePlan
from engine.images.reading import find_pictures

Kind = Literal[
    "missing source", "changed source", "missing output", "changed output", "missing sidecar",
    "changed sidecar", "contradiction", "orphan", "stale", "not reproduced",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Finding:
    """A difference between a folder and its manifest or sidecars."""

    file: str
    kind: Kind
    what: str


@dataclass(frozen=True, slots=True)
class Audit:
    """The number of pictures, the findings, and the picture that was made again (`repeated`)."""

    pictures: int
    findings: tuple[Finding, ...]
    repeated: str | None
    why_not_repeated: str | None = None


def audit_folder(plan: EnhancePlan, progress: Progress, *, repeat: bool = True) -> Audit:
    """Check all digests, look for orphans and stale results, and make one picture again.

    plan: that of the folder's own recipe, or of another to be compared with it; its `out` is the
    folder. InputError if the folder has no manifest.
    """
    folder = plan.out
    rows = [row for row in read_manifest(folder) if row.status == "done"]
    if not any("sidecar" in (row.model_extra or {}) for row in rows):
        raise InputError(
            f"`{folder / MANIFEST}` holds no enhanced picture", hint="audit the OUT of a run"
        )
    findings: list[Finding] = []
    sound: list[Row] = []
    with reported(progress, "Auditing", len(rows)):
        for row in rows:
            faults = _row(row, plan)
            findings += faults
            if not faults:
                sound.append(row)
            progress.advance(str(row.output))
    findings += _orphans(folder, rows)
    repeated, why = None, "no picture is intact"
    if not repeat:
        why = "not requested"
    elif sound:
        repeated, why = str(sound[0].output), None
        findings += _again(sound[0], plan)
    return Audit(len(rows), tuple(findings), repeated, why)


def _row(row: Row, plan: EnhancePlan) -> list[Finding]:
    folder, extra = plan.out, row.model_extra or {}
    output, sidecar = str(row.output), str(extra.get("sidecar"))
    findings: list[Finding] = []
    for name, digest, kind in (
        (str(row.source), row.sha256, "source"),
        (output, extra.get("output_sha256"), "output"),
        (sidecar, extra.get("sidecar_sha256"), "sidecar"),
    ):
        path = folder / name
        if not path.is_file():
            findings.append(Finding(name, _kind("missing", kind), "is missing"))
        elif file_sha256(path) != digest:
            findings.append(Finding(name, _kind("changed", kind), "has changed"))
    if (folder / sidecar).is_file():
        findings += _contradictions(row, folder / sidecar, sidecar)
    if row.settings != plan.settings:
        findings.append(Finding(output, "stale", "has other steps, settings or weights"))
    return findings


def _kind(what: str, of: str) -> Kind:
    return f"{what} {of}"  # pyright: ignore[reportReturnType] - every pair is one of them


def _contradictions(row: Row, path: Path, name: str) -> list[Finding]:
    """The finding where sidecar and manifest differ."""
    extra = row.model_extra or {}
    try:
        content: dict[str, Any] = from_json(read_text(path))
        same = (
            content["source"]["sha256"] == row.sha256
            and content["output"]["sha256"] == extra.get("output_sha256")
            and content["settings"] == row.settings
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        return [Finding(name, "contradiction", f"is no sidecar: {error}")]
    return [] if same else [Finding(name, "contradiction", "and the manifest differ")]


def _orphans(folder: Path, rows: list[Row]) -> list[Finding]:
    """Pictures and sidecars that are not in the manifest."""
    listed = {real(folder / str(row.output)) for row in rows}
    listed |= {real(folder / str((row.model_extra or {}).get("sidecar"))) for row in rows}
    files = [*find_pictures(folder).pictures]
    files += [path for path in sorted(folder.rglob("*.json")) if not path.name.startswith(".")]
    return [
        Finding(path.relative_to(folder).as_posix(), "orphan", "is in no row of the manifest")
        for path in files
        if real(path) not in listed
    ]


def _again(row: Row, plan: EnhancePlan) -> list[Finding]:
    """Make a picture again as it was made, with as many threads, and compare the files."""
    sidecar = plan.out / str((row.model_extra or {})["sidecar"])
    content = from_json(read_text(sidecar))
    threads = torch.get_num_threads()
    torch.set_num_threads(int(content["threads"]))
    try:
        with tempfile.TemporaryDirectory() as name:
            there = replace(plan, out=Path(name))
            job = Job(plan.out / str(row.source), there.out / "again")
            # The path of a picture decides nothing about its pixels.
            there = replace(there, source=job.photo)
            worked = work_one(read_one(job, there), there.chain(), there, content["steps"])
            fresh = write_one(job, worked, there)
    finally:
        torch.set_num_threads(threads)
    if fresh.get("output_sha256") == (row.model_extra or {}).get("output_sha256"):
        return []
    what = fresh["reason"] or "made again, it is another file"
    return [Finding(str(row.output), "not reproduced", str(what))]
