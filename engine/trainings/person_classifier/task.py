"""Learn to tell one person from everybody else (`specs/mytm.md` 2.9), on a frozen identity_net."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from engine.banks.faces import Face, faces_in
from engine.banks.people import people_in
from engine.core.errors import InputError, PictureError
from engine.core.progress import Progress, reported
from engine.data.ages import AgeSource
from engine.data.splits import held_out
from engine.images.ranges import to_tensor
from engine.losses.face.views import resized_view
from engine.metrics.calibration import calibration_error
from engine.metrics.verification import auc
from engine.nets.identity.person_classifier import BACKBONE, PersonClassifier
from engine.training.photos import Sides, read_photos, square_picture
from engine.training.task import Batch, Best, Nets, StepContext, Task, Term
from engine.weights.checkpoint import Checkpoint

PART, HEAD = "person_classifier", "classifier"


@dataclass(frozen=True, slots=True)
class PersonClassifierAim:
    """How pictures are seen: side in px before they are shrunk, views, and the held-out share.

    smoothing: of the labels, so that the classifier never becomes so sure that it teaches nothing;
    most: strangers looked at, spread over the folder.
    """

    size: int = 256
    views: tuple[str, ...] = ("clean", "flip")
    held_out: float = 0.2
    smoothing: float = 0.0
    most: int = 2000


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """Embeddings (n, views, width) of pictures, the clean view first; is_person: bool (n,)."""

    embeddings: Tensor
    is_person: Tensor

    @property
    def weights(self) -> Tensor:
        """(n,) what each picture counts for, so that both classes count alike."""
        share = self.is_person.float().mean()
        return torch.where(self.is_person, 0.5 / share, 0.5 / (1 - share))


class PersonClassifierTask(Task):
    """A linear layer on unit embeddings, which are computed once; every batch is half the person.

    The held-out photos are those that a personal training holds out too.
    """

    def __init__(
        self, classifier: PersonClassifier, photos: Path, strangers: Path, aim: PersonClassifierAim
    ) -> None:
        self.size = classifier.size
        self.folders = photos, strangers
        self.aim = aim
        self.parts = {HEAD: classifier.classifier}
        self.frozen = {"backbone": classifier.feature_extractor}
        self.optimizer_steps = {"main": (HEAD,)}
        self.best = Best(metric="cross_entropy", goal="min")

    def prepare(self, progress: Progress) -> None:
        """Read the person's photos, and find the strangers' pictures."""
        photos, strangers = self.folders
        both = people_in(photos) & people_in(strangers)
        if both:
            raise InputError(f"`{strangers}` holds person {min(both)} of `{photos}`: no stranger")
        self.person: Sides = read_photos(photos, self.aim.size, progress)
        faces = faces_in(strangers, AgeSource())
        places = np.linspace(0, len(faces) - 1, min(self.aim.most, len(faces))).round().astype(int)
        self.strangers = {
            side: [faces[place] for place in places if _side(faces[place], self.aim) == side]
            for side in ("train", "test")
        }
        for side, found in self.strangers.items():
            if not found:
                raise InputError(
                    f"`{strangers}` has no picture on the {side} side",
                    hint="give more strangers, or another `held_out`",
                )

    def precompute(self, device: torch.device, progress: Progress) -> None:
        """Embed every view of every picture, once for all."""
        photos = {"train": self.person.train, "test": self.person.test}
        total = sum(map(len, [*photos.values(), *self.strangers.values()]))
        with reported(progress, "Embedding", total), torch.no_grad():
            self.seen = {
                side: self._seen(photos[side].pictures, self.strangers[side], device, progress)
                for side in photos
            }

    def _seen(
        self,
        own: Sequence[np.ndarray] | np.ndarray,
        others: Sequence[Face],
        device: torch.device,
        progress: Progress,
    ) -> Seen:
        rows: list[Tensor] = []
        for pixels in own:
            rows.append(self._embedded(pixels, device))
            progress.advance()
        count = len(rows)
        for face in others:
            try:
                rows.append(self._embedded(square_picture(face.path, self.aim.size), device))
            except PictureError as error:
                progress.remark(f"`{face.path.name}` {error.reason}: left out")
            progress.advance(face.path.name)
        is_person = torch.arange(len(rows), device=device) < count
        if bool(is_person.all()):
            raise InputError(f"no picture of `{self.folders[1]}` can be read")
        return Seen(torch.stack(rows), is_person)

    def _embedded(self, pixels: np.ndarray, device: torch.device) -> Tensor:
        """(views, width); shrunk as `identity_adversarial` shrinks what it shows."""
        picture = to_tensor(pixels).to(device)
        views = torch.cat([resized_view(picture, view, self.size) for view in self.aim.views])
        return self.frozen["backbone"](views).float()

    def batch(self, context: StepContext, batch: int) -> Batch:
        """Rows, views and classes: the person at every other place."""
        draws, is_person = context.draws, self.seen["train"].is_person.cpu()
        count = int(is_person.sum())
        rows = draws.shuffled(count, batch=batch)
        others = count + draws.shuffled(len(is_person) - count, batch=batch)
        person = torch.tensor(list(draws.positions)) % 2 == 0
        views = draws.integers("view", 0, len(self.aim.views))
        return {"row": torch.where(person, rows, others), "view": views, "is_person": person}

    def terms(self, optimizer_step: str, batch: Batch, context: StepContext) -> dict[str, Term]:
        """Cross entropy; `accuracy` is only told."""
        logits = self.parts[HEAD](self.seen["train"].embeddings[batch["row"], batch["view"]])
        labels = batch["is_person"].long()
        value = F.cross_entropy(logits, labels, label_smoothing=self.aim.smoothing)
        right = (logits.argmax(dim=1) == labels).float().mean()
        return {"cross_entropy": Term(value), "accuracy": Term(right, 0.0)}

    def validate(self, nets: Nets, device: torch.device) -> dict[str, float]:
        """Held-out pictures as they are: AUC, calibration and more, both classes counting alike."""
        seen = self.seen["test"]
        logits = nets[HEAD](seen.embeddings[:, 0])
        person, weights = logits.softmax(dim=1)[:, 1], seen.weights
        each = F.cross_entropy(logits, seen.is_person.long(), reduction="none")
        right = ((person > 0.5) == seen.is_person).float()
        own, others = person[seen.is_person].cpu(), person[~seen.is_person].cpu()
        return {
            "auc": auc(own.numpy(), others.numpy()),
            "cross_entropy": float((each * weights).mean()),
            "calibration_error": calibration_error(person, seen.is_person, weights),
            "accuracy": float((right * weights).mean()),
            "person": float(own.mean()),
            "strangers": float(others.mean()),
        }

    def checkpoint(self, nets: Nets) -> Checkpoint:
        """The whole classifier, backbone and all: it loads strictly and alone."""
        backbone = self.frozen["backbone"].state_dict()
        state = {f"{BACKBONE}{key}": value for key, value in backbone.items()}
        state |= {f"{HEAD}.{key}": value for key, value in nets[HEAD].state_dict().items()}
        return Checkpoint("native", {PART: state}, facts={"task": "person_classifier"})


def _side(face: Face, aim: PersonClassifierAim) -> str:
    """Held out by the person where one is named, so that nobody is on both sides."""
    who = face.person if face.person is not None else face.path.name
    return "test" if held_out(who, aim.held_out) else "train"
