"""A photo, or a folder of them, to portraits: files, ledger, resumable."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from engine.core.digest import file_sha256
from engine.core.errors import InputError, PictureError, UsageError
from engine.core.ledger import Ledger
from engine.core.lock import locked
from engine.core.progress import Progress, reported
from engine.data.manifest import seen_from
from engine.evaluators.photographs import PhotoEvaluators
from engine.faces.turning import Pixels
from engine.images.naming import stems
from engine.images.ranges import to_pixels, to_tensor
from engine.images.reading import find_pictures
from engine.images.saving import save_png
from engine.inference.ager import AgedFace, Ager
from engine.inference.outputs import at_size, provenance, save_beside, save_morph, save_strip
from engine.inference.plan import InferPlan
from engine.inference.subject import Subject, aligned_subject, find_subject
from engine.inference.truth import read_truth

RESULTS = "results.jsonl"


@dataclass(frozen=True, slots=True)
class InferReport:
    """The rows of this run, and how many photos an earlier one had done already."""

    rows: tuple[dict[str, Any], ...]
    kept: int

    def count(self, status: str) -> int:
        """How many rows have a status."""
        return sum(row["status"] == status for row in self.rows)


def photos_of(plan: InferPlan) -> list[Path]:
    """The photos of the source, those it made itself left out; InputError explains an empty one."""
    if not plan.source.exists():
        raise UsageError(f"`{plan.source}` does not exist")
    found = find_pictures(plan.source)
    out = plan.out.resolve()
    photos = [path for path in found.pictures if out not in path.resolve().parents]
    if not photos:
        raise InputError(f"nothing to age in `{plan.source}`: {found.explanation}")
    return photos


def reage_photos(plan: InferPlan, ager: Ager, progress: Progress) -> InferReport:
    """Age every photo that the ledger does not hold yet under the same settings."""
    photos, digest = photos_of(plan), plan.digest
    truth = read_truth(plan.truth) if plan.truth is not None else {}
    judges = PhotoEvaluators(ager.compute.device, ager.known.domain) if plan.judge else None
    other = ager.mixed_in(lambda path: _reference(path, plan, ager))
    fresh: list[dict[str, Any]] = []
    with locked(plan.out), Ledger(plan.out / RESULTS, key=_key) as ledger:
        places = stems(photos, plan.source)
        left = [photo for photo in photos if not _stands(photo, plan, digest, ledger)]
        with reported(progress, "Ageing", len(left)):
            for photo in left:
                rows = _reage_one(photo, plan.out / places[photo], plan, ager, judges, other, truth)
                source = seen_from(plan.out, photo)
                ledger.drop([key for key, row in ledger.rows.items() if row["source"] == source])
                rows = [{"source": source, **row, "settings": digest} for row in rows]
                for row in rows:
                    ledger.add(row)
                fresh += rows
                progress.advance(photo.name)
    return InferReport(tuple(fresh), len(photos) - len(left))


def _reage_one(
    photo: Path,
    stem: Path,
    plan: InferPlan,
    ager: Ager,
    judges: PhotoEvaluators | None,
    other: Tensor | None,
    truth: Mapping[float, Pixels],
) -> list[dict[str, Any]]:
    try:
        subject = _subject(photo, plan)
        face = to_tensor(subject.face(ager.input_size))
        if not plan.force:
            ager.require(face)
    except PictureError as error:
        return [
            {"output": None, "status": error.status, "reason": error.reason, "target_age": None}
        ]
    started = time.perf_counter()
    truth = {age: subject.framed(pixels) for age, pixels in truth.items()}
    aged = ager.aged(face, plan.ages, subject.content, other)
    judged = Judged(judges, subject, aged, ager.size) if judges is not None else None
    quad = subject.quad.corners.round(3).tolist()
    rows: list[dict[str, Any]] = []
    shown: list[Pixels] = []
    for age, picture in zip(plan.ages, aged.pictures(), strict=True):
        pixels = at_size(to_pixels(picture), plan.size)
        beyond = ager.known.beyond(age)
        made = provenance(subject, plan, age, beyond)
        path = stem.with_name(f"{stem.name}_age{age:g}.png")
        save_png(path, pixels, made)
        save_beside(path, pixels, subject, plan, made)
        shown.append(pixels)
        row = {
            "output": seen_from(plan.out, path),
            "status": "done",
            "reason": None,
            "target_age": age,
        }
        row |= judged.row(picture, truth.get(age)) if judged is not None else NOT_JUDGED
        row |= {"extrapolated_years": beyond, "sha256": subject.sha256, "quad": quad}
        rows.append(row | {"seconds": round(time.perf_counter() - started, 3)})
        started = time.perf_counter()
    if plan.strip:
        save_strip(stem, subject, shown, plan, rows, truth)
    if plan.film is not None:
        save_morph(stem, aged, plan)
    return rows


NOT_JUDGED = {
    **dict.fromkeys(("predicted_age", "age_by", "identity", "identity_reconstruction")),
    "identity_by": None,
    "why_null": "judging was turned off",
}


class Judged:
    """The judges' view of one photo: its own face and its plain inversion, looked at once.

    Everything is looked at in the size of the model's pictures: finer pixels are no likeness.
    """

    def __init__(
        self, judges: PhotoEvaluators, subject: Subject, aged: AgedFace, size: int
    ) -> None:
        self.judges = judges
        self.own = judges.embedding(to_tensor(subject.face(size)))
        plain = aged.plain()
        self.reconstruction = (
            None
            if plain is None
            else judges.identity(judges.embedding(plain[None]), self.own).value
        )

    def row(self, picture: Tensor, truth: Pixels | None) -> dict[str, Any]:
        """The columns of `results.jsonl` that are estimates; identity is to the truth if known."""
        portrait = picture[None]
        reference = self.own
        if truth is not None:
            reference = self.judges.embedding(to_tensor(at_size(truth, picture.shape[-1])))
        identity = self.judges.identity(self.judges.embedding(portrait), reference)
        age = self.judges.age(portrait)
        row: dict[str, Any] = {
            "predicted_age": None if age is None else round(age, 2),
            "age_by": self.judges.age_by,
            "identity": round(identity.value, 4),
            "identity_reconstruction": _rounded(self.reconstruction),
            "identity_by": identity.evaluator,
        }
        if truth is not None:
            row["identity_to"] = "truth"
        if identity.impostor_distance is not None:
            row["identity_strangers"] = identity.impostor_distance
        missing = [self.judges.why_no_age] if self.judges.why_no_age is not None else []
        if self.reconstruction is None:
            missing.append("these weights draw no face as it is, only at an age")
        return row | ({"why_null": "; ".join(missing)} if missing else {})


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def _subject(photo: Path, plan: InferPlan) -> Subject:
    if plan.aligned:
        return aligned_subject(photo, plan.detection, trusted=plan.force)
    return find_subject(photo, plan.choice, plan.detection)


def _reference(path: Path, plan: InferPlan, ager: Ager) -> Tensor:
    """The face that mixing takes layers from."""
    try:
        reference = find_subject(path, plan.choice, plan.detection)
    except PictureError as error:
        raise InputError(f"the reference `{path}` {error.reason}") from error
    return to_tensor(reference.face(ager.input_size))


def _key(row: dict[str, Any]) -> str:
    return f"{row['source']} {row['target_age']}"


def _stands(photo: Path, plan: InferPlan, digest: str, ledger: Ledger) -> bool:
    source = seen_from(plan.out, photo)
    rows = [row for row in ledger.rows.values() if row["source"] == source]
    if not rows or any(row["settings"] != digest or row["status"] != "done" for row in rows):
        return False
    if {row["target_age"] for row in rows} != set(plan.ages):
        return False
    whole = all((plan.out / str(row["output"])).is_file() for row in rows)
    return whole and rows[0]["sha256"] == file_sha256(photo)
