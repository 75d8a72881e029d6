"""Fill the caption cache of a folder of faces; an interrupted run resumes."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch

from engine.core.digest import settings_digest
from engine.core.errors import UsageError
from engine.core.jsontext import from_json, to_json
from engine.core.lock import locked
from engine.core.progress import Progress, reported
from engine.data.captions import (
    EMBEDDINGS,
    Caption,
    Captions,
    Maker,
    joined,
    read_captions,
    read_maker,
)
from engine.experts.captioning import Captioner
from engine.relabel.faces import FaceReading, LoadedFace, digest_of, load_chunks
from engine.relabel.source import Job
from engine.weights.tensors import read_safetensors, write_safetensors

PARTS = ".parts"
"""Beside the cache while it is written: one file for each chunk."""
CAPTIONS = "captions"


@dataclass(frozen=True, slots=True)
class CaptionPlan:
    """Which faces are captioned into which folder, and how."""

    folder: Path
    jobs: tuple[Job, ...]
    captioner: Captioner
    reading: FaceReading
    aligned: bool
    batch: int
    workers: int

    @property
    def maker(self) -> Maker:
        """The captioner, and how faces are cut out for it."""
        maker = self.captioner.maker
        reading = None if self.aligned else self.reading.dump()
        settings = {"processor": maker.preprocessing, "aligned": self.aligned, "reading": reading}
        return replace(maker, preprocessing=settings_digest(settings))

    def require_same_maker(self) -> None:
        """UsageError where the folder holds captions by another model."""
        if (self.folder / EMBEDDINGS).exists():
            _require_same(self.maker, read_maker(self.folder), self.folder)


@dataclass(frozen=True, slots=True)
class CaptionReport:
    """Pictures with a caption, those of them that are new, and why others have none."""

    folder: Path
    captioned: int
    added: int
    left_out: Mapping[str, str]


def caption(plan: CaptionPlan, progress: Progress) -> CaptionReport:
    """Caption every face that the cache does not hold, by the content of its file.

    Captions of other pictures stay. UsageError, before any work, for captions by another model.
    """
    with locked(plan.folder):
        store = CaptionStore(plan.folder, plan.maker)
        cached, digests = set(store.known), _digests(plan.jobs, progress)
        names = {digest: name for name, digest in reversed(digests.items())}  # the first of equals
        missing = {
            job.name
            for job in plan.jobs
            if job.name not in digests
            or (digests[job.name] not in cached and names[digests[job.name]] == job.name)
        }
        chunks = [plan.jobs[at : at + plan.batch] for at in range(0, len(plan.jobs), plan.batch)]
        pending = [new for chunk in chunks if (new := [j for j in chunk if j.name in missing])]
        left_out: dict[str, str] = {}
        with reported(progress, "Captioning", sum(map(len, pending))):
            for faces in load_chunks(
                pending,
                aligned=plan.aligned,
                reading=plan.reading,
                bodies=False,
                workers=plan.workers,
            ):
                store.add(_caption_chunk(faces, plan))
                left_out |= {one.job.name: str(one.reason) for one in faces if one.face is None}
                for one in faces:
                    progress.advance(one.job.name)
        store.fold(names)
        captioned = [digest for digest in names if digest in store.known]
        return CaptionReport(
            plan.folder, len(captioned), sum(digest not in cached for digest in captioned), left_out
        )


class CaptionStore:
    """A cache that is being written: its two files, and the parts of interrupted runs."""

    def __init__(self, folder: Path, maker: Maker) -> None:
        self.folder, self.maker = folder, maker
        self.part_files = sorted((folder / PARTS).glob("*.safetensors"))
        self.parts = [_read_part(path) for path in self.part_files]
        self.finished = self._finished() if (folder / EMBEDDINGS).exists() else None
        if self.finished is not None:
            self.parts.insert(0, self.finished)
        for part in self.parts:
            _require_same(maker, part.maker, folder)
        self.known = {digest for part in self.parts for digest in part.rows}

    def _finished(self) -> Captions | None:
        """The two files; None for a pair torn by a killed run, whose content is in the parts."""
        try:
            return read_captions(self.folder)
        except UsageError:
            if not self.parts:
                raise
            return None

    def add(self, part: Captions) -> None:
        """Write the captions of a chunk to the disk."""
        if not len(part):
            return
        number = int(self.part_files[-1].stem) + 1 if self.part_files else 0
        path = self.folder / PARTS / f"{number:06d}.safetensors"
        rows = to_json([asdict(one) for one in part.captions])
        header = {key: str(value) for key, value in part.maker.facts().items()}
        write_safetensors(
            path, {"image": part.image, "text": part.text}, {**header, CAPTIONS: rows}
        )
        self.part_files.append(path)
        self.parts.append(part)
        self.known |= set(part.rows)

    def fold(self, names: Mapping[str, str]) -> None:
        """Write all parts as one cache, the pictures under their present names, by digest."""
        whole = joined(
            [replace(part, captions=_renamed(part.captions, names)) for part in self.parts],
            self.maker,
        )
        if self.finished is None or whole.captions != self.finished.captions:
            if self.finished is not None:
                self.add(self.finished)  # a kill between the two files loses nothing
            whole.save(self.folder)
        for path in self.part_files:
            path.unlink()
        if (self.folder / PARTS).is_dir():
            (self.folder / PARTS).rmdir()


def _caption_chunk(chunk: Sequence[LoadedFace], plan: CaptionPlan) -> Captions:
    faces = [(one, one.face) for one in chunk if one.face is not None and one.sha256 is not None]
    if not faces:
        return joined([], plan.maker)
    new = plan.captioner.caption([face for _, face in faces])
    rows = zip(faces, new.captions, new.ages, strict=True)
    return Captions(
        plan.maker,
        tuple(Caption(one.job.name, str(one.sha256), text, age) for (one, _), text, age in rows),
        new.image.to(torch.float16),
        new.text.to(torch.float16),
    )


def _require_same(maker: Maker, other: Maker, folder: Path) -> None:
    if difference := maker.differs(other):
        raise UsageError(
            f"`{folder}` holds captions by another model: {difference}",
            hint="choose another folder for the captions of this one",
        )


def _read_part(path: Path) -> Captions:
    header, tensors = read_safetensors(path)
    rows = tuple(Caption(**row) for row in from_json(header[CAPTIONS]))
    return Captions(Maker.of(header), rows, tensors["image"], tensors["text"])


def _renamed(captions: Sequence[Caption], names: Mapping[str, str]) -> tuple[Caption, ...]:
    return tuple(replace(one, image_id=names.get(one.sha256, one.image_id)) for one in captions)


def _digests(jobs: Sequence[Job], progress: Progress) -> dict[str, str]:
    """Digests of the files that can be read, by name."""
    digests: dict[str, str] = {}
    with reported(progress, "Hashing the pictures", len(jobs)):
        for job in jobs:
            if (digest := digest_of(job.path)) is not None:
                digests[job.name] = digest
            progress.advance(job.name)
    return digests
