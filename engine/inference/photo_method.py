"""Photographs at other ages by the photo model: the whole picture, at its own resolution."""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from PIL import Image

from engine.core.errors import PictureError, UsageError
from engine.core.ledger import Row
from engine.core.progress import Progress
from engine.data.manifest import seen_from
from engine.evaluators.dlib import DLIB_NAME
from engine.evaluators.photo_impostors import photo_impostors
from engine.evaluators.traits import FaceTraits, TraitEstimator, sex_of
from engine.faces.boxes import Box, grown
from engine.faces.covering import is_covered
from engine.faces.descriptor import Descriptor, aligned_box, describe_face
from engine.faces.detect import Face
from engine.faces.fitting import cut, resized
from engine.faces.rotation import Pixels
from engine.geometry.ffhq import Quad
from engine.geometry.landmarks import eyes, yaw
from engine.images.plausible import require_plausible
from engine.images.ranges import to_tensor
from engine.images.saving import save_png
from engine.inference.kind import kind_of
from engine.inference.morph import interpolate, save_film
from engine.inference.outputs import provenance, save_strip
from engine.inference.own_person import OwnPerson
from engine.inference.plan import InferPlan
from engine.inference.source_age import AGE_BY, AgeEstimates, SourceAge, source_age
from engine.inference.subject import Subject
from engine.nets.loading import frozen
from engine.nets.photos.selfie import SIZE as MASK_SIZE
from engine.nets.photos.selfie import Selfie, load_selfie
from engine.photo.ageing import age_subject
from engine.photo.model import PhotoModel
from engine.photo.subject import PhotoSubject, prepare_subject

MODEL = "photo"
YOUNGEST, OLDEST = 18.0, 100.0
"""Target ages in years beyond which nothing in the portraits of the fit says how people look."""
WELL_KNOWN = (25.0, 90.0)
"""Target ages of which the portraits of the fit have people."""
EXTRAPOLATES = (
    f"the portraits behind the photo model have few people under {WELL_KNOWN[0]:g} or over "
    f"{WELL_KNOWN[1]:g}: there it extrapolates"
)
ADULT = 18.0
TURNED = 20.0
"""Degrees of yaw from which a row is flagged."""
SMALL_FACE = 20.0
"""Pixels between the eyes under which a row is flagged: the portraits of the fit have 50."""
AT_ONCE = 2
"""Ages at which a photograph is made, written and evaluated at the same time."""
LARGEST_EVALUATED = 512.0
"""Box width in px to which larger faces are shrunk before they are evaluated."""
STRIP_CELL = 256
TRAITS_SIZE = 256
"""Side in px of the aligned face by which the impostors of a person are chosen."""
MASK_MARGIN = 1.5
"""Box widths around a face that the person mask sees."""
NO_INVERSION = "the photo model changes the photograph itself: there is no inversion"


@dataclass(frozen=True, slots=True, eq=False)
class Sitter:
    """The person of one photo: face, age, how old they look, dlib's descriptor (128,) if evaluated,
    traits, flags.
    """

    face: Face
    source: SourceAge
    apparent_age: float
    reference: Descriptor | None
    traits: FaceTraits
    flags: list[str]


class PhotoMethod:
    """Ages photographs with the photo model, which is prepared once for all ages of a photo."""

    def __init__(
        self,
        model: PhotoModel,
        plan: InferPlan,
        progress: Progress,
        *,
        refuse_drawn: bool = False,
    ) -> None:
        """UsageError for target ages outside 18..100.

        refuse_drawn: refuse drawn portraits; False where they were sorted out before.
        """
        require_targets(plan.ages)
        self.model = model
        self.own = OwnPerson(model, progress)
        self.refuse_drawn = refuse_drawn
        self.faces = plan.faces
        self.ages = AgeEstimates()
        self.person = frozen(load_selfie())
        self.traits = TraitEstimator(torch.device("cpu"))
        # What takes long in it leaves Python free for others.
        self._workers = ThreadPoolExecutor(max_workers=AT_ONCE)
        if any(flags_of_target(age) for age in plan.ages):
            progress.remark(EXTRAPOLATES)
        if plan.paste:
            progress.remark(
                "`--paste` adds nothing to a photograph by the photo model: its output is the "
                "whole photograph already"
            )

    def rows(self, subject: Subject, stem: Path, plan: InferPlan) -> list[Row]:
        """Write a photograph at every age; PictureError for one that the model is not made for."""
        started = time.perf_counter()
        sitter = self.sitter(subject, plan)
        prepared = self.prepared(subject.photo, sitter.face)
        spent = time.perf_counter() - started
        jobs = [
            self._workers.submit(self._at_age, prepared, subject, stem, plan, age, sitter)
            for age in plan.ages
        ]
        try:
            made = [job.result() for job in jobs]
        except BaseException:
            for job in jobs:
                job.cancel()
            wait(jobs)  # nothing is written behind the back of who hears of the failure
            raise
        rows = [row for row, _ in made]
        rows[0]["seconds"] = round(rows[0]["seconds"] + spent, 3)
        if plan.strip:
            heads = [head for _, head in made if head is not None]
            save_strip(stem, subject, heads, plan, rows, {})
        if plan.film is not None:
            self._save_film(stem, subject, sitter.face, sitter.source, plan)
        return rows

    def _at_age(
        self,
        prepared: PhotoSubject,
        subject: Subject,
        stem: Path,
        plan: InferPlan,
        age: float,
        sitter: Sitter,
    ) -> tuple[Row, Pixels | None]:
        """Make, write and evaluate the picture at one age; its row, and its head for a strip."""
        started = time.perf_counter()
        source = sitter.source
        picture = age_subject(prepared, source.years, age, strength=plan.strength)
        require_plausible(picture, subject.photo, same=True)
        path = stem.with_name(f"{stem.name}_age{age:g}.png")
        self._save(path, picture, subject, plan, age, source)
        row: dict[str, Any] = {
            "output": seen_from(plan.out, path),
            "status": "done",
            "reason": None,
            "target_age": age,
            "source_age": round(source.years, 2),
            "age_source": source.source,
            "apparent_age": round(sitter.apparent_age, 2),
        }
        row |= self.evaluated(picture, sitter.face, sitter, age)
        row |= {
            "extrapolated_years": self.own.beyond(age),
            "sha256": subject.sha256,
            "quad": subject.quad.corners.round(3).tolist(),
            "model": MODEL,
            "flags": [*flags_of_target(age), *sitter.flags],
            "seconds": round(time.perf_counter() - started, 3),
        }
        head = replace(subject, photo=picture).face(STRIP_CELL) if plan.strip else None
        return row, head

    def sitter(self, subject: Subject, plan: InferPlan) -> Sitter:
        """Measure the person in a photo; PictureError for one that the model is not made for."""
        face = subject.detected if subject.detected is not None else _trusted(subject, plan)
        estimated = self.ages.years(subject.photo, face.landmarks, face.box)
        source = source_age(subject, plan, estimated)
        if not plan.force:
            self._require(subject, face, source, estimated)
        reference = self._reference(subject, face) if plan.evaluate else None
        flags = [*_flags(face), *self.own.flags(subject, face)]
        traits = self._traits_of(subject, face)
        return Sitter(face, source, estimated, reference, traits, flags)

    def prepared(self, photo: Pixels, face: Face) -> PhotoSubject:
        """A photo (h, w, 3) of a face, ready to be shown at any age."""
        person = person_mask(self.person, photo, face.box)
        return prepare_subject(photo, face.landmarks, self.model, person=person)

    def _require(self, subject: Subject, face: Face, source: SourceAge, estimated: float) -> None:
        """PictureError for a drawing, a profile, a mask, or somebody under 18."""
        if self.refuse_drawn and kind_of(subject) == "portraits":
            raise _refused("is a drawn portrait: age it with `--weights nano`")
        if face.profile:
            raise _refused(f"is a profile (yaw {face.yaw:.0f} degrees): the model knows frontal")
        if is_covered(subject.photo, face.landmarks):
            raise _refused(
                "has nose and mouth covered: the model would draw a face on a mask (`--force` does)"
            )
        if source.source != "estimated" and source.years < ADULT:
            where = {"given": "as you say", "name": "by its name"}.get(source.source, "as noted")
            raise _refused(
                f"shows somebody of {source.years:g} {where}: the model is made for adults "
                "(`--age` gives another age)"
            )
        if estimated < ADULT:
            raise _refused(
                f"shows somebody who looks {estimated:.0f}: the model is made for adults "
                "(`--force` ages an adult who looks younger)"
            )

    def _reference(self, subject: Subject, face: Face) -> Descriptor:
        """The descriptor of the photographed person."""
        described = subject.descriptor
        return describe_face(*_near(subject.photo, face)) if described is None else described

    def _traits_of(self, subject: Subject, face: Face) -> FaceTraits:
        """Sex and cheeks of the photographed person."""
        points = Quad.frame(TRAITS_SIZE, TRAITS_SIZE).source_points(
            subject.quad.unit_points(face.landmarks)
        )
        return self.traits.measure(subject.face(TRAITS_SIZE), points)

    def evaluated(
        self, picture: Pixels, face: Face, sitter: Sitter, target: float
    ) -> dict[str, Any]:
        """Age and identity, as in `results.jsonl`, of a sitter's picture (h, w, 3) at a target age,
        with its face there; nulls without a reference.
        """
        reference, traits = sitter.reference, sitter.traits
        row: dict[str, Any] = {"predicted_age": None, "age_by": None, "identity": None}
        row |= {"identity_reconstruction": None, "identity_by": None}
        if reference is None:
            return row | {"why_null": "evaluation was turned off"}
        impostors = photo_impostors(target, sex_of(traits.male), traits.lightness)
        near, face = _near(picture, face)
        points = self.faces.points(near, face.box, rotation=face.rotation).astype(np.float32)
        described = describe_face(near, replace(face, landmarks=points))
        distance = float(np.linalg.norm(described - reference))
        return row | {
            "predicted_age": round(self.ages.years(near, points, face.box), 2),
            "age_by": AGE_BY,
            "identity": round(1 - distance / impostors.distance, 4),
            "identity_by": DLIB_NAME,
            "identity_d0": impostors.distance,
            "identity_d0_of": impostors.cell,
            "why_null": NO_INVERSION,
        }

    def _save(
        self,
        path: Path,
        picture: Pixels,
        subject: Subject,
        plan: InferPlan,
        age: float,
        source: SourceAge,
    ) -> None:
        made = provenance(subject, plan, age, None)
        made |= {"source_age": round(source.years, 2), "age_source": source.source, "model": MODEL}
        picture = long_side(picture, plan.size)
        save_png(path, picture, made, photograph=True)
        if plan.coupled:
            before = long_side(subject.photo, plan.size)
            save_png(path.with_name(f"{path.stem}_coupled.png"), np.hstack([before, picture]), made)

    def _save_film(
        self, stem: Path, subject: Subject, face: Face, source: SourceAge, plan: InferPlan
    ) -> None:
        """Write the film across the ages, of the square about the head."""
        assert plan.film is not None
        side = int(min(plan.morphing.side, max(round(subject.quad.side), 64)))
        square = Quad.frame(side, side)
        points = square.source_points(subject.quad.unit_points(face.landmarks))
        prepared = prepare_subject(subject.face(side), points.astype(np.float32), self.model)
        years = interpolate(torch.tensor(plan.ages)[:, None], plan.morphing.frames)
        frames = [self._frame(prepared, source, float(age), plan) for age in years]
        save_film(stem.with_name(f"{stem.name}_morph.{plan.film}"), frames, plan.film)

    def _frame(
        self, prepared: PhotoSubject, source: SourceAge, age: float, plan: InferPlan
    ) -> Pixels:
        return age_subject(prepared, source.years, age, strength=plan.strength)


@torch.inference_mode()
def person_mask(net: Selfie, photo: Pixels, box: Box) -> np.ndarray:
    """Where the person is: (h, w) in 0..1, seen by the network in a square about the face's box."""
    patch, left, top = cut(photo, grown(box, MASK_MARGIN))
    small = cv2.resize(patch, (MASK_SIZE, MASK_SIZE), interpolation=cv2.INTER_AREA)
    share = net(to_tensor(np.asarray(small, np.uint8)))[0, 0].numpy()
    mask = np.zeros(photo.shape[:2], np.float32)
    inside = mask[top : top + patch.shape[0], left : left + patch.shape[1]]
    inside[:] = cv2.resize(share, (patch.shape[1], patch.shape[0]))
    return mask


def require_targets(ages: Sequence[float]) -> None:
    """UsageError for target ages that the photo model refuses."""
    for age in ages:
        if not YOUNGEST <= age <= OLDEST:
            raise UsageError(
                f"the target age {age:g} is outside {YOUNGEST:g}..{OLDEST:g}, the ages of the "
                "photo model",
                hint="a published checkpoint goes further: `tm weights list`",
            )


def flags_of_target(age: float) -> list[str]:
    """Flags of a target age of which the fit has few people."""
    low, high = WELL_KNOWN
    return [] if low <= age <= high else ["target_beyond_data"]


def long_side(picture: Pixels, size: int | None) -> Pixels:
    """A picture (h, w, 3) resized until its long side has `size` px; unchanged for None."""
    height, width = picture.shape[:2]
    if size is None or size == max(height, width):
        return picture
    scale = size / max(height, width)
    sides = max(round(width * scale), 1), max(round(height * scale), 1)
    return np.asarray(Image.fromarray(picture).resize(sides, Image.Resampling.LANCZOS))


def _flags(face: Face) -> list[str]:
    flags = ["turned_away"] if abs(face.yaw) >= TURNED else []
    return flags + (["small_face"] if eyes(face.landmarks).distance < SMALL_FACE else [])


def _near(picture: Pixels, face: Face) -> tuple[Pixels, Face]:
    """What is about a face, no larger than networks need it, and the face in it."""
    patch, left, top = cut(picture, grown(face.box, 1.0))
    scale = min(LARGEST_EVALUATED / max(face.box[2] - face.box[0], 1.0), 1.0)
    copy = resized(patch, scale)
    x, y = copy.shape[1] / patch.shape[1], copy.shape[0] / patch.shape[0]
    sides = (np.array(face.box) - [left, top, left, top]) * [x, y, x, y]
    points = (face.landmarks - [left, top] + 0.5) * [x, y] - 0.5
    box: Box = (float(sides[0]), float(sides[1]), float(sides[2]), float(sides[3]))
    return copy, replace(face, box=box, landmarks=points.astype(np.float32))


def _trusted(subject: Subject, plan: InferPlan) -> Face:
    """The face of an aligned picture, where FFHQ's square has it."""
    box = aligned_box(subject.photo.shape[0])
    points = plan.faces.points(subject.photo, box).astype(np.float32)
    angle = yaw(points)
    profile = abs(angle) >= plan.faces.detection.profile_yaw
    return Face(box, 0.0, points, "aligned", 0, profile, angle)


def _refused(reason: str) -> PictureError:
    return PictureError(reason, status="skipped")
