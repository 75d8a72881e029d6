"""Learn to tell one person from everybody else (`specs/mytm.md` 2.9), on a frozen recogniser."""

import hashlib
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
from engine.images.ranges import to_tensor
from engine.losses.face.views import shown
from engine.metrics.calibration import calibration_error
from engine.metrics.verification import auc
from engine.nets.identity.person_classifier import BACKBONE, ActorClassifier
from engine.training.photos import Sides, read_photos, square_picture
from engine.training.task import Batch, Best, Moment, Nets, Task, Term
from engine.weights.checkpoint import Checkpoint

PART, HEAD = "actor", "classifier"


@dataclass(frozen=True, slots=True)
class ActorAim:
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
    """Embeddings (n, views, width) of pictures, the clean view first; actor: bool (n,)."""

    embeddings: Tensor
    actor: Tensor

    @property
    def weights(self) -> Tensor:
        """(n,) what each picture counts for, so that both classes count alike."""
        share = self.actor.float().mean()
        return torch.where(self.actor, 0.5 / share, 0.5 / (1 - share))


class ActorTask(Task):
    """A linear layer on unit embeddings, which are computed once; every batch is half the person.

    The held-out photos are those that a personal training holds out too.
    """

    def __init__(
        self, classifier: ActorClassifier, photos: Path, strangers: Path, aim: ActorAim
    ) -> None:
        self.size = classifier.size
        self.folders = photos, strangers
        self.aim = aim
        self.parts = {HEAD: classifier.classifier}
        self.frozen = {"backbone": classifier.feature_extractor}
        self.turns = {"main": (HEAD,)}
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

    def settle(self, device: torch.device, progress: Progress) -> None:
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
        actor = torch.arange(len(rows), device=device) < count
        if bool(actor.all()):
            raise InputError(f"no picture of `{self.folders[1]}` can be read")
        return Seen(torch.stack(rows), actor)

    def _embedded(self, pixels: np.ndarray, device: torch.device) -> Tensor:
        """(views, width); shrunk as `identity_adversarial` shrinks what it shows."""
        picture = to_tensor(pixels).to(device)
        views = torch.cat([shown(picture, view, self.size) for view in self.aim.views])
        return self.frozen["backbone"](views).float()

    def batch(self, moment: Moment, batch: int) -> Batch:
        """Rows, views and classes: the person at every other place."""
        draws, actor = moment.draws, self.seen["train"].actor.cpu()
        count = int(actor.sum())
        rows = draws.shuffled(count, batch=batch)
        others = count + draws.shuffled(len(actor) - count, batch=batch)
        person = torch.tensor(list(draws.positions)) % 2 == 0
        views = draws.integers("view", 0, len(self.aim.views))
        return {"row": torch.where(person, rows, others), "view": views, "actor": person}

    def terms(self, turn: str, batch: Batch, moment: Moment) -> dict[str, Term]:
        """Cross entropy; `accuracy` is only told."""
        logits = self.parts[HEAD](self.seen["train"].embeddings[batch["row"], batch["view"]])
        labels = batch["actor"].long()
        value = F.cross_entropy(logits, labels, label_smoothing=self.aim.smoothing)
        right = (logits.argmax(dim=1) == labels).float().mean()
        return {"cross_entropy": Term(value), "accuracy": Term(right, 0.0)}

    def validate(self, nets: Nets, device: torch.device) -> dict[str, float]:
        """Held-out pictures as they are: AUC, calibration and more, both classes counting alike."""
        seen = self.seen["test"]
        logits = nets[HEAD](seen.embeddings[:, 0])
        person, weights = logits.softmax(dim=1)[:, 1], seen.weights
        each = F.cross_entropy(logits, seen.actor.long(), reduction="none")
        right = ((person > 0.5) == seen.actor).float()
        own, others = person[seen.actor].cpu(), person[~seen.actor].cpu()
        return {
            "auc": auc(own.numpy(), others.numpy()),
            "cross_entropy": float((each * weights).mean()),
            "calibration_error": calibration_error(person, seen.actor, weights),
            "accuracy": float((right * weights).mean()),
            "person": float(own.mean()),
            "strangers": float(others.mean()),
        }

    def checkpoint(self, nets: Nets) -> Checkpoint:
        """The whole classifier, backbone and all: it loads strictly and alone."""
        backbone = self.frozen["backbone"].state_dict()
        state = {f"{BACKBONE}{key}": value for key, value in backbone.items()}
        state |= {f"{HEAD}.{key}": value for key, value in nets[HEAD].state_dict().items()}
        return Checkpoint("native", {PART: state}, facts={"task": "actor"})


def _side(face: Face, aim: ActorAim) -> str:
    """Held out by the person where one is named, so that nobody is on both sides."""
    who = face.person if face.person is not None else face.path.name
    draw = int(hashlib.sha256(who.encode("utf-8")).hexdigest()[:8], 16) / 16**8
    return "test" if draw < aim.held_out else "train"
