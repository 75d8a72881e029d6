"""Portraits of aligned faces by a model of codes or of anchors: their files and their rows."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from engine.core.errors import InputError, PictureError
from engine.core.ledger import Row
from engine.data.manifest import seen_from
from engine.evaluators.photographs import PhotoEvaluators
from engine.faces.rotation import Pixels
from engine.images.plausible import require_plausible
from engine.images.ranges import to_pixels, to_tensor
from engine.images.saving import save_png
from engine.inference.ager import AgedFace, Ager
from engine.inference.outputs import at_size, provenance, save_beside, save_morph, save_strip
from engine.inference.plan import InferPlan
from engine.inference.subject import Subject, find_subject
from engine.inference.truth import read_truth


class AlignedMethod:
    """Ages the aligned face of each photo with an `Ager`."""

    def __init__(self, ager: Ager, plan: InferPlan, *, model: str | None = None) -> None:
        """Raises InputError for a reference or a truth of the plan that cannot be used."""
        self.ager = ager
        self.model = model
        self.truth: Mapping[float, Pixels] = read_truth(plan.truth) if plan.truth else {}
        self.evaluators = (
            PhotoEvaluators(ager.compute.device, ager.training_domain.domain)
            if plan.evaluate
            else None
        )
        self.other = ager.mixing_codes(lambda path: _reference(path, plan, ager))

    def rows(self, subject: Subject, stem: Path, plan: InferPlan) -> list[Row]:
        """Write the portraits of one photo; PictureError for one out of domain."""
        ager = self.ager
        face = to_tensor(subject.face(ager.input_size))
        if not plan.force:
            ager.require(face)
        started = time.perf_counter()
        truth = {age: subject.framed(pixels) for age, pixels in self.truth.items()}
        aged = ager.aged(face, plan.ages, subject.content, self.other)
        evaluation = (
            Evaluation(self.evaluators, subject, aged, ager.size)
            if self.evaluators is not None
            else None
        )
        quad = subject.quad.corners.round(3).tolist()
        rows: list[Row] = []
        portraits: list[Pixels] = []
        for age, picture in zip(plan.ages, aged.pictures(), strict=True):
            pixels = at_size(to_pixels(picture), plan.size)
            require_plausible(pixels, subject.face(pixels.shape[0]))
            beyond = ager.training_domain.beyond(age)
            made = provenance(subject, plan, age, beyond)
            path = stem.with_name(f"{stem.name}_age{age:g}.png")
            save_png(path, pixels, made)
            save_beside(path, pixels, subject, plan, made)
            portraits.append(pixels)
            row = {
                "output": seen_from(plan.out, path),
                "status": "done",
                "reason": None,
                "target_age": age,
            }
            row |= (
                NOT_EVALUATED
                if evaluation is None
                else evaluation.row(picture, age, truth.get(age))
            )
            row |= {"extrapolated_years": beyond, "sha256": subject.sha256, "quad": quad}
            row |= {} if self.model is None else {"model": self.model}
            rows.append(row | {"seconds": round(time.perf_counter() - started, 3)})
            started = time.perf_counter()
        if plan.strip:
            save_strip(stem, subject, portraits, plan, rows, truth)
        if plan.film is not None:
            save_morph(stem, aged, plan)
        return rows


NOT_EVALUATED = {
    **dict.fromkeys(("predicted_age", "age_by", "apparent_age", "identity", "identity_by")),
    "identity_reconstruction": None,
    "why_null": "evaluation was turned off",
}


class Evaluation:
    """Age and identity of the portraits of one photo, by named evaluators.

    Photo, plain inversion and portraits are measured at the size of the model's pictures.
    """

    def __init__(
        self, evaluators: PhotoEvaluators, subject: Subject, aged: AgedFace, size: int
    ) -> None:
        self.evaluators = evaluators
        self.photo = to_tensor(subject.face(size))
        self.source = evaluators.embedding(self.photo)
        self.apparent_age = evaluators.age(self.photo)
        plain = aged.plain()
        self.reconstruction = (
            None
            if plain is None
            else evaluators.identity(evaluators.embedding(plain[None]), self.source).value
        )

    def row(self, picture: Tensor, target: float, truth: Pixels | None) -> dict[str, Any]:
        """The estimates of `results.jsonl` for a picture (3, s, s) at a target age in years;
        identity to the truth if known, else to the photo.
        """
        evaluators, portrait = self.evaluators, picture[None]
        reference = self.source
        if truth is not None:
            reference = evaluators.embedding(to_tensor(at_size(truth, picture.shape[-1])))
        impostors = evaluators.impostors(self.photo, target)
        identity = evaluators.identity(evaluators.embedding(portrait), reference, impostors)
        age = evaluators.age(portrait)
        row: dict[str, Any] = {
            "predicted_age": _rounded(age, 2),
            "age_by": evaluators.age_by,
            "apparent_age": _rounded(self.apparent_age, 2),
            "identity": round(identity.value, 4),
            "identity_reconstruction": _rounded(self.reconstruction),
            "identity_by": identity.evaluator,
        }
        if truth is not None:
            row["identity_to"] = "truth"
        if identity.impostors is not None:
            row |= {
                "identity_d0": identity.impostors.distance,
                "identity_d0_of": identity.impostors.cell,
            }
        missing = [evaluators.why_no_age] if evaluators.why_no_age is not None else []
        if self.reconstruction is None:
            missing.append("these weights have no plain inversion, only faces at an age")
        return row | ({"why_null": "; ".join(missing)} if missing else {})


def _rounded(value: float | None, digits: int = 4) -> float | None:
    return None if value is None else round(value, digits)


def _reference(path: Path, plan: InferPlan, ager: Ager) -> Tensor:
    """The face that mixing takes layers from."""
    try:
        reference = find_subject(path, plan.choice, plan.faces)
    except PictureError as error:
        raise InputError(f"the reference `{path}` {error.reason}") from error
    return to_tensor(reference.face(ager.input_size))
