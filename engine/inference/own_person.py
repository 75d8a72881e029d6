"""What a model of one person knows of whom it ages: the ages it saw, and whether it is them."""

from dataclasses import dataclass

import numpy as np

from engine.core.progress import Progress
from engine.faces.descriptor import SAME_PERSON, describe_face
from engine.faces.detect import Face
from engine.inference.subject import Subject
from engine.photo.model import PhotoModel
from engine.photo.personal import PersonalModel

ANOTHER = "another_person"


@dataclass(frozen=True, slots=True)
class OwnPerson:
    """The person of a model; of the prior, which is of anybody, nothing is known."""

    model: PhotoModel
    progress: Progress

    def beyond(self, age: float) -> float | None:
        """Years from a target age to the nearest of the person's; None without a person."""
        if not isinstance(self.model, PersonalModel):
            return None
        low, high = self.model.ages
        return round(max(low - age, age - high, 0.0), 2)

    def flags(self, subject: Subject, face: Face) -> list[str]:
        """The flag of a photograph that shows somebody else, with a remark; else none."""
        model = self.model
        if not isinstance(model, PersonalModel) or not model.own.identity.any():
            return []
        described = subject.descriptor
        if described is None:
            described = describe_face(subject.photo, face)
        distance = float(np.linalg.norm(described - model.own.identity))
        if distance <= SAME_PERSON:
            return []
        self.progress.remark(
            f"`{subject.path.name}` seems to show somebody else than the person of these weights "
            f"(dlib distance {distance:.2f}, the same person up to {SAME_PERSON:g})"
        )
        return [ANOTHER]
