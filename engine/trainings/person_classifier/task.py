"""Train a classifier of one person against everybody else on a frozen identity network.

Its probability is the loss `identity_adversarial` of a personal training.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from pydantic import Field, field_validator
from torch import Tensor

from engine.banks.faces import Face, faces_in
from engine.banks.people import people_in
from engine.core.errors import InputError, PictureError
from engine.core.progress import Progress, reported
from engine.core.table import Table
from engine.data.ages import AgeSource
from engine.data.splits import held_out as is_held_out
from engine.images.ranges import to_tensor
from engine.losses.face.views import check_view, resized_view
from engine.metrics.calibration import calibration_error
from engine.metrics.verification import auc
from engine.nets.identity.person_classifier import BACKBONE, PersonClassifier
from engine.training.photos import SplitPhotos, read_photos, square_picture
from engine.training.task import Batch, Best, Nets, StepContext, Task, Term
from engine.weights.checkpoint import Checkpoint

PART, HEAD = "person_classifier", "classifier"


class PersonClassifierSettings(Table):
    """How pictures are shown to the classifier, and which impostors are used."""

    size: int = Field(default=256, ge=16)
    """Side in px at which a personal training sees pictures, before the classifier's own size."""
    views: tuple[str, ...] = ("clean", "flip")
    """Augmented views of the training pictures; the validation uses the clean one."""
    held_out: float = Field(default=0.2, gt=0, lt=1)
    """Share of the impostors held out for the validation."""
    smoothing: float = Field(default=0.0, ge=0, lt=1)
    """Label smoothing: a classifier that is never certain keeps its gradient as a loss."""
    max_impostors: int = Field(default=2000, ge=2)
    """Number of impostors used, spread over their folder."""

    @field_validator("views")
    @classmethod
    def _known(cls, views: tuple[str, ...]) -> tuple[str, ...]:
        if not views or views[0] != "clean":
            raise ValueError("the first view is `clean`, which the validation uses")
        return tuple(check_view(view) for view in views)


@dataclass(frozen=True, slots=True, eq=False)
class Embedded:
    """Embeddings (n, views, width) of pictures, the clean view first; is_person: bool (n,)."""

    embeddings: Tensor
    is_person: Tensor

    @property
    def weights(self) -> Tensor:
        """(n,) weights of the pictures with which both classes have the same sum."""
        share = self.is_person.float().mean()
        return torch.where(self.is_person, 0.5 / share, 0.5 / (1 - share))


class PersonClassifierTask(Task):
    """A linear layer on unit embeddings, which are computed once; half of a batch is the person.

    The held-out photos are those that a personal training holds out too.
    """

    def __init__(
        self,
        classifier: PersonClassifier,
        photos: Path,
        impostors: Path,
        settings: PersonClassifierSettings,
    ) -> None:
        self.size = classifier.size
        self.folders = photos, impostors
        self.settings = settings
        self.parts, self.frozen = networks_of(classifier)
        self.optimizer_steps = {"main": (HEAD,)}
        self.best = Best(metric="cross_entropy", goal="min")

    def prepare(self, progress: Progress) -> None:
        """Read the person's photos, and list the impostors' pictures."""
        photos, impostors = self.folders
        both = people_in(photos) & people_in(impostors)
        if both:
            raise InputError(f"`{impostors}` holds person {min(both)} of `{photos}`: no impostor")
        settings = self.settings
        self.person: SplitPhotos = read_photos(photos, settings.size, progress)
        faces = faces_in(impostors, AgeSource())
        count = min(settings.max_impostors, len(faces))
        places = np.linspace(0, len(faces) - 1, count).round().astype(int)
        chosen = [faces[place] for place in places]
        self.impostors = {
            split: [face for face in chosen if _split(face, settings.held_out) == split]
            for split in ("train", "test")
        }
        for split, rows in self.impostors.items():
            if not rows:
                raise InputError(
                    f"`{impostors}` has no picture for the {split} split",
                    hint="give more impostors, or another `held_out`",
                )

    def precompute(self, device: torch.device, progress: Progress) -> None:
        """Embed every view of every picture."""
        photos = {"train": self.person.train, "test": self.person.test}
        total = sum(map(len, [*photos.values(), *self.impostors.values()]))
        with reported(progress, "Embedding", total), torch.no_grad():
            self.embedded = {
                split: self._embed_all(
                    photos[split].pictures, self.impostors[split], device, progress
                )
                for split in photos
            }

    def _embed_all(
        self,
        own: Sequence[np.ndarray] | np.ndarray,
        impostors: Sequence[Face],
        device: torch.device,
        progress: Progress,
    ) -> Embedded:
        rows: list[Tensor] = []
        for pixels in own:
            rows.append(self._embed(pixels, device))
            progress.advance()
        count = len(rows)
        for face in impostors:
            try:
                rows.append(self._embed(square_picture(face.path, self.settings.size), device))
            except PictureError as error:
                progress.remark(f"`{face.path.name}` {error.reason}: left out")
            progress.advance(face.path.name)
        is_person = torch.arange(len(rows), device=device) < count
        if bool(is_person.all()):
            raise InputError(f"no picture of `{self.folders[1]}` can be read")
        return Embedded(torch.stack(rows), is_person)

    def _embed(self, pixels: np.ndarray, device: torch.device) -> Tensor:
        """(views, width) of a picture, resized as the loss `identity_adversarial` does."""
        picture = to_tensor(pixels).to(device)
        views = torch.cat([resized_view(picture, view, self.size) for view in self.settings.views])
        return self.frozen["backbone"](views).float()

    def batch(self, context: StepContext, batch: int) -> Batch:
        """Rows, views and classes: the person at every other position."""
        draws, is_person = context.draws, self.embedded["train"].is_person.cpu()
        count = int(is_person.sum())
        rows = draws.shuffled(count, batch=batch)
        others = count + draws.shuffled(len(is_person) - count, batch=batch)
        person = torch.tensor(list(draws.positions)) % 2 == 0
        views = draws.integers("view", 0, len(self.settings.views))
        return {"row": torch.where(person, rows, others), "view": views, "is_person": person}

    def terms(self, optimizer_step: str, batch: Batch, context: StepContext) -> dict[str, Term]:
        """Cross entropy, and `accuracy` with weight 0."""
        logits = self.parts[HEAD](self.embedded["train"].embeddings[batch["row"], batch["view"]])
        labels = batch["is_person"].long()
        value = F.cross_entropy(logits, labels, label_smoothing=self.settings.smoothing)
        correct = (logits.argmax(dim=1) == labels).float().mean()
        return {"cross_entropy": Term(value), "accuracy": Term(correct, 0.0)}

    def validate(self, nets: Nets, device: torch.device) -> dict[str, float]:
        """AUC, calibration and more on held-out clean pictures, both classes weighted alike."""
        test = self.embedded["test"]
        logits = nets[HEAD](test.embeddings[:, 0])
        person, weights = logits.softmax(dim=1)[:, 1], test.weights
        each = F.cross_entropy(logits, test.is_person.long(), reduction="none")
        correct = ((person > 0.5) == test.is_person).float()
        own, others = person[test.is_person].cpu(), person[~test.is_person].cpu()
        return {
            "auc": auc(own.numpy(), others.numpy()),
            "cross_entropy": float((each * weights).mean()),
            "calibration_error": calibration_error(person, test.is_person, weights),
            "accuracy": float((correct * weights).mean()),
            "person": float(own.mean()),
            "impostors": float(others.mean()),
        }

    def checkpoint(self, nets: Nets) -> Checkpoint:
        """The whole classifier with its backbone: it loads strictly and alone."""
        backbone = self.frozen["backbone"].state_dict()
        state = {f"{BACKBONE}{key}": value for key, value in backbone.items()}
        state |= {f"{HEAD}.{key}": value for key, value in nets[HEAD].state_dict().items()}
        return Checkpoint("native", {PART: state}, facts={"task": "person_classifier"})


def networks_of(
    classifier: PersonClassifier,
) -> tuple[dict[str, torch.nn.Module], dict[str, torch.nn.Module]]:
    """The trained and the frozen part of a classifier."""
    return {HEAD: classifier.classifier}, {"backbone": classifier.feature_extractor}


def _split(face: Face, held_out: float) -> str:
    """The split by the person's digest where one is named: nobody is in both."""
    key = face.person if face.person is not None else face.path.name
    return "test" if is_held_out(key, held_out) else "train"
