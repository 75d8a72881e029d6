"""The caption cache of a folder of faces, written so that a run which is killed goes on."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch

from engine.core.digest import settings_digest
from engine.core.errors import UsageError
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
from engine.relabel.reading import FaceReading, Seen, digest_of, seen_in_chunks
from engine.relabel.source import Job
from engine.weights.tensors import read_safetensors, write_safetensors

PARTS = ".parts"
"""Beside the cache while it is written: a file for each chunk, whole or absent."""
TOLD = "captions"


@dataclass(frozen=True, slots=True)
class CaptionPlan:
    """Which faces are captioned into which folder, by whom, so many at once."""

    folder: Path
    jobs: tuple[Job, ...]
    captioner: Captioner
    reading: FaceReading
    aligned: bool
    batch: int
    workers: int

    @property
    def maker(self) -> Maker:
        """The captioner, with how faces are cut out for it."""
        maker = self.captioner.maker
        reading = None if self.aligned else self.reading.dump()
        seen = {"processor": maker.preprocessing, "aligned": self.aligned, "reading": reading}
        return replace(maker, preprocessing=settings_digest(seen))

    def require_own(self) -> None:
        """UsageError, before anything takes its time, where the folder holds another model's."""
        if (self.folder / EMBEDDINGS).exists():
            _require_same(self.maker, read_maker(self.folder), self.folder)


@dataclass(frozen=True, slots=True)
class CaptionReport:
    """How many pictures have a caption, how many of them got it now, and why others have none."""

    folder: Path
    captioned: int
    added: int
    left_out: Mapping[str, str]


def caption(plan: CaptionPlan, progress: Progress) -> CaptionReport:
    """Caption every face that the cache does not hold, by the content of its file.

    What the cache holds of other pictures stays. UsageError, before any work, where it holds
    another model's.
    """
    with locked(plan.folder):
        store = CaptionStore(plan.folder, plan.maker)
        held, digests = set(store.known), _digests(plan.jobs, progress)
        names = {digest: name for name, digest in reversed(digests.items())}  # the first of equals
        wanted = {
            job.name
            for job in plan.jobs
            if job.name not in digests
            or (digests[job.name] not in held and names[digests[job.name]] == job.name)
        }
        chunks = [plan.jobs[at : at + plan.batch] for at in range(0, len(plan.jobs), plan.batch)]
        left = [some for chunk in chunks if (some := [j for j in chunk if j.name in wanted])]
        left_out: dict[str, str] = {}
        with reported(progress, "Captioning", sum(map(len, left))):
            for seen in seen_in_chunks(
                left, aligned=plan.aligned, reading=plan.reading, bodies=False, workers=plan.workers
            ):
                store.add(_captioned(seen, plan))
                left_out |= {one.job.name: str(one.reason) for one in seen if one.face is None}
                for one in seen:
                    progress.advance(one.job.name)
        store.fold(names)
        here = [digest for digest in names if digest in store.known]
        return CaptionReport(
            plan.folder, len(here), sum(digest not in held for digest in here), left_out
        )


class CaptionStore:
    """A cache under way: what stands in its two files, and in parts of a run that did not end."""

    def __init__(self, folder: Path, maker: Maker) -> None:
        self.folder, self.maker = folder, maker
        self.places = sorted((folder / PARTS).glob("*.safetensors"))
        self.parts = [_read_part(place) for place in self.places]
        self.finished = self._finished() if (folder / EMBEDDINGS).exists() else None
        if self.finished is not None:
            self.parts.insert(0, self.finished)
        for part in self.parts:
            _require_same(maker, part.maker, folder)
        self.known = {digest for part in self.parts for digest in part.rows}

    def _finished(self) -> Captions | None:
        """The two files; None for a pair torn by a killed run, which is in the parts as well."""
        try:
            return read_captions(self.folder)
        except UsageError:
            if not self.parts:
                raise
            return None

    def add(self, part: Captions) -> None:
        """Keep the captions of a chunk, at once and on the disk."""
        if not len(part):
            return
        number = int(self.places[-1].stem) + 1 if self.places else 0
        place = self.folder / PARTS / f"{number:06d}.safetensors"
        rows = json.dumps([asdict(one) for one in part.captions], ensure_ascii=False)
        header = {key: str(value) for key, value in part.maker.facts().items()}
        write_safetensors(place, {"image": part.image, "text": part.text}, {**header, TOLD: rows})
        self.places.append(place)
        self.parts.append(part)
        self.known |= set(part.rows)

    def fold(self, names: Mapping[str, str]) -> None:
        """Write all of it as one cache, its pictures under their names of now, by digest."""
        whole = joined(
            [replace(part, captions=_renamed(part.captions, names)) for part in self.parts],
            self.maker,
        )
        if self.finished is None or whole.captions != self.finished.captions:
            if self.finished is not None:
                self.add(self.finished)  # while one file of the two is new, it is nowhere else
            whole.save(self.folder)
        for place in self.places:
            place.unlink()
        if (self.folder / PARTS).is_dir():
            (self.folder / PARTS).rmdir()


def _captioned(seen: Sequence[Seen], plan: CaptionPlan) -> Captions:
    here = [(one, one.face) for one in seen if one.face is not None and one.sha256 is not None]
    if not here:
        return joined([], plan.maker)
    told = plan.captioner.caption([face for _, face in here])
    rows = zip(here, told.captions, told.ages, strict=True)
    return Captions(
        plan.maker,
        tuple(Caption(one.job.name, str(one.sha256), said, age) for (one, _), said, age in rows),
        told.image.to(torch.float16),
        told.text.to(torch.float16),
    )


def _require_same(maker: Maker, held: Maker, folder: Path) -> None:
    if told := maker.differs(held):
        raise UsageError(
            f"`{folder}` holds captions by another model: {told}",
            hint="choose another folder for the captions of this one",
        )


def _read_part(place: Path) -> Captions:
    header, tensors = read_safetensors(place)
    rows = tuple(Caption(**row) for row in json.loads(header[TOLD]))
    return Captions(Maker.of(header), rows, tensors["image"], tensors["text"])


def _renamed(captions: Sequence[Caption], names: Mapping[str, str]) -> tuple[Caption, ...]:
    return tuple(replace(one, image_id=names.get(one.sha256, one.image_id)) for one in captions)


def _digests(jobs: Sequence[Job], progress: Progress) -> dict[str, str]:
    """Of every file that can be read, by name."""
    found: dict[str, str] = {}
    with reported(progress, "Comparing with the captions", len(jobs)):
        for job in jobs:
            if (digest := digest_of(job.path)) is not None:
                found[job.name] = digest
            progress.advance(job.name)
    return found
