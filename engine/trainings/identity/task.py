"""Train embeddings that identify people across ages and photographs."""

import numpy as np
import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from engine.core.progress import Progress
from engine.core.table import Table
from engine.data.jitter import (
    ColorJitter,
    Quality,
    Shading,
    flipped,
    luma_of,
    recoloured,
    requalified,
    reshaded,
    shifted,
)
from engine.data.portraits import PortraitData, PortraitSet, rendered
from engine.losses.margin import Margin, cosine_to_others, margin_softmax
from engine.metrics.verification import auc, verification_rate
from engine.nets.nano.identity import NanoIdentity
from engine.nets.nano.trunk import resized
from engine.runtime.draws import Draws
from engine.runtime.shared import shared_rows
from engine.training.task import Batch, Best, Nets, StepContext, Task, Term
from engine.trainings.predictions import predict, random_shifts
from engine.weights.checkpoint import Checkpoint
from engine.worlds.portraits.traits import identity

MAX_AGE_GAP = 30
"""Years between the photographs of the metric `auc_30`."""
FAR = 1e-3
CELLS = 8


class IdentityLoss(Table):
    """The margin softmax over the people of a batch."""

    photographs: int = Field(default=4, ge=2)
    """Pictures of each person in a batch."""
    scale: float = Field(default=20.0, gt=0)
    margin: float = Field(default=0.15, ge=0)
    kind: Margin = "cosine"
    """`cosine` as CosFace, `angle` (radians) as ArcFace."""


class IdentityTask(Task):
    """Several people in a batch, several photographs of each at different ages.

    The classes of the softmax are the other photographs in the batch (GE2E, Wan et al. 2018), so
    there are no class weights, and two pictures of a person in a whole training are enough.
    """

    def __init__(
        self,
        net: NanoIdentity,
        data: PortraitData,
        loss: IdentityLoss,
        *,
        shift: int,
        jitter: ColorJitter | None = None,
        quality: Quality | None = None,
        shading: Shading | None = None,
    ) -> None:
        self.net = net.to(memory_format=torch.channels_last)
        self.parts, self.frozen = {"identity": net}, {}
        self.optimizer_steps = {"main": ("identity",)}
        self.best = Best(metric="auc", goal="max")
        self.data, self.loss, self.shift = data, loss, shift
        self.jitter, self.quality, self.shading = jitter, quality, shading

    def prepare(self, progress: Progress) -> None:
        """Render both sets, or read them from the cache."""
        self.train = rendered(self.data.train, progress)
        self.validation = rendered(self.data.validation, progress)

    def coupling(self) -> str:
        """Every person is compared with all others of the batch."""
        return "the loss compares every person with all others of the batch"

    def batch(self, context: StepContext, batch: int) -> Batch:
        """Pictures, person by person; a mirrored person is another person."""
        draws, each, plan = context.draws, self.loss.photographs, self.data.train
        positions = draws.positions
        if positions.start % each or len(positions) % each:
            raise ValueError(f"{len(positions)} pictures are not {each} of every person")
        people = range(positions.start // each, positions.stop // each)
        groups = Draws(draws.seed, draws.step, people)
        per_person = plan.scenes * plan.per_scene
        chosen_people = groups.shuffled(plan.people, batch=batch // each)
        chosen = groups.uniform("photographs", per_person).argsort(dim=1)[:, :each]
        mirrored = groups.uniform("mirrored") < 0.5
        rows = (chosen_people[:, None] * per_person + chosen).flatten()
        pictures = resized(self.train.tensor(rows), self.net.spec.size)
        pictures = flipped(pictures, mirrored.repeat_interleave(each))
        if self.jitter is not None:
            pictures = recoloured(pictures, self.jitter, draws)
        if self.shading is not None:
            pictures = reshaded(pictures, self.shading, draws)
        if self.quality is not None:
            pictures = requalified(pictures, self.quality, draws)
        return {"pictures": shifted(pictures, random_shifts(draws, self.shift))}

    def terms(self, optimizer_step: str, batch: Batch, context: StepContext) -> dict[str, Term]:
        """Margin softmax over the people of the batch."""
        embeddings, loss = self.net(batch["pictures"]), self.loss
        with torch.autocast(embeddings.device.type, enabled=False):
            embeddings = shared_rows(embeddings.float())
            groups = len(embeddings) // loss.photographs
            cosine, labels = cosine_to_others(embeddings, groups)
            value = margin_softmax(
                cosine, labels, scale=loss.scale, margin=loss.margin, kind=loss.kind
            )
        accuracy = (cosine.argmax(dim=1) == labels).float().mean()
        return {"margin": Term(value), "accuracy": Term(accuracy, 0.0)}

    def validate(self, nets: Nets, device: torch.device) -> dict[str, float]:
        """Verification of held-out people: in colour, in grey, and on mosaics of 8 x 8 colours.

        `*_grey` compare grey portraits; `auc_mosaic` is what colour patches alone give away;
        `own_grey` is the share of portraits whose grey version is accepted as the same person, at
        the threshold of a false accept rate of 1e-3.
        """
        net, portraits = nets["identity"], self.validation
        color, grey, coarse = (
            predict(net, portraits, device, change=change) for change in (None, luma_of, mosaic)
        )
        own = (color * grey).sum(dim=1).numpy()
        in_color, in_grey = verification(color, portraits), verification(grey, portraits)
        return {
            **in_color,
            "auc_grey": in_grey["auc"],
            "tar_grey": in_grey["tar"],
            "auc_mosaic": verification(coarse, portraits)["auc"],
            "own_grey": float((own > in_color["threshold"]).mean()),
        }

    def checkpoint(self, nets: Nets) -> Checkpoint:
        """The network alone."""
        return Checkpoint(
            "native", {"identity": nets["identity"].state_dict()}, facts={"task": "identity"}
        )


def mosaic(pictures: Tensor) -> Tensor:
    """Pictures (b, 3, h, w) as 8 x 8 patches of one colour each."""
    return F.interpolate(F.adaptive_avg_pool2d(pictures, CELLS), pictures.shape[2:])


def verification(embeddings: Tensor, portraits: PortraitSet) -> dict[str, float]:
    """Verification by the cosine of unit embeddings (n, d).

    Positive pairs: a person in two scenes; negative pairs: any two people, in `auc_same_sex` those
    of one sex. `tar` is the true accept rate at a false accept rate of 1e-3, whose cosine is
    `threshold`.
    """
    cosine = (embeddings @ embeddings.T).numpy()
    first, second = np.triu_indices(len(portraits), 1)
    score, people = cosine[first, second], portraits.people
    different = people[first] != people[second]
    same = ~different & (portraits.scenes[first] != portraits.scenes[second])
    near = np.abs(portraits.ages[first] - portraits.ages[second]) <= MAX_AGE_GAP
    male = {seed: identity(int(seed)).sex == "male" for seed in np.unique(people)}
    sex = np.array([male[seed] for seed in people])
    same_sex = different & (sex[first] == sex[second])
    return {
        "auc": auc(score[same], score[different]),
        "auc_30": auc(score[same & near], score[different & near]),
        "auc_same_sex": auc(score[same], score[same_sex]),
        "tar": verification_rate(score[same], score[different]),
        "threshold": float(np.quantile(score[different], 1 - FAR)),
        "cosine_same": float(score[same].mean()),
        "cosine_different": float(score[different].mean()),
    }
