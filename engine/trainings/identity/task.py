"""Learn who somebody is, whatever the age and the photograph."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from engine.core.progress import Progress
from engine.data.jitter import flipped, shifted
from engine.data.portraits import PortraitPlan, PortraitSet, rendered
from engine.losses.margin import Margin, cosine_to_others, margin_softmax
from engine.metrics.verification import auc
from engine.nets.nano.identity import NanoIdentity
from engine.runtime.draws import Draws
from engine.training.task import Batch, Best, Nets, StepContext, Task, Term
from engine.trainings.predictions import answers, seen, shifts
from engine.weights.checkpoint import Checkpoint
from engine.worlds.portraits.traits import identity

NEAR = 30
"""Years between two photographs within which a person should surely be known again."""


@dataclass(frozen=True, slots=True)
class IdentityAim:
    """The loss: photographs of a person in a batch, sharpness and margin of the softmax."""

    photographs: int = 4
    scale: float = 20.0
    margin: float = 0.15
    kind: Margin = "cosine"


class IdentityTask(Task):
    """People in a batch, several photographs of each at different ages; each is to find its own.

    There is no table of known people: classes are the other photographs in the batch (GE2E, Wan et
    al. 2018), so a picture seen twice in a whole training is enough.
    """

    def __init__(
        self,
        net: NanoIdentity,
        learn: PortraitPlan,
        check: PortraitPlan,
        aim: IdentityAim,
        *,
        shift: int,
    ) -> None:
        self.net = net.to(memory_format=torch.channels_last)
        self.parts, self.frozen = {"identity": net}, {}
        self.optimizer_steps = {"main": ("identity",)}
        self.best = Best(metric="auc", goal="max")
        self.plans = learn, check
        self.aim, self.shift = aim, shift

    def prepare(self, progress: Progress) -> None:
        """Render both sets, or find them rendered."""
        self.learn, self.check = (rendered(plan, progress) for plan in self.plans)

    def batch(self, context: StepContext, batch: int) -> Batch:
        """Pictures, person by person; a mirrored person is somebody else."""
        draws, each = context.draws, self.aim.photographs
        places = draws.positions
        if places.start % each or len(places) % each:
            raise ValueError(f"{len(places)} pictures are not {each} of every person")
        groups = Draws(draws.seed, draws.step, range(places.start // each, places.stop // each))
        plan = self.plans[0]
        held = plan.scenes * plan.per_scene
        people = groups.shuffled(plan.people, batch=batch // each)
        chosen = groups.uniform("photographs", held).argsort(dim=1)[:, :each]
        mirrored = groups.uniform("mirrored") < 0.5
        rows = (people[:, None] * held + chosen).flatten()
        pictures = seen(self.learn, rows, self.net.spec.size)
        pictures = flipped(pictures, mirrored.repeat_interleave(each))
        return {"pictures": shifted(pictures, shifts(draws, self.shift))}

    def terms(self, optimizer_step: str, batch: Batch, context: StepContext) -> dict[str, Term]:
        """Margin softmax over the people of the batch."""
        embeddings = self.net(batch["pictures"])
        with torch.autocast(embeddings.device.type, enabled=False):
            groups = len(embeddings) // self.aim.photographs
            cosine, labels = cosine_to_others(embeddings.float(), groups)
            value = margin_softmax(
                cosine, labels, scale=self.aim.scale, margin=self.aim.margin, kind=self.aim.kind
            )
        hit = (cosine.argmax(dim=1) == labels).float().mean()
        return {"margin": Term(value), "hit": Term(hit, 0.0)}

    def validate(self, nets: Nets, device: torch.device) -> dict[str, float]:
        """Verification AUC of unknown people: all age gaps, and gaps of at most 30 years."""
        return verification(answers(nets["identity"], self.check, device), self.check)

    def checkpoint(self, nets: Nets) -> Checkpoint:
        """The network alone."""
        return Checkpoint(
            "native", {"identity": nets["identity"].state_dict()}, facts={"task": "identity"}
        )


def verification(embeddings: Tensor, portraits: PortraitSet) -> dict[str, float]:
    """Tell people apart by the cosine of unit embeddings (n, d).

    Same: a person in two scenes; different: any two people, sex and skin as they come. `auc_alike`
    keeps to strangers of one sex.
    """
    cosine = (embeddings @ embeddings.T).numpy()
    one, other = np.triu_indices(len(portraits), 1)
    score, people = cosine[one, other], portraits.people
    same = (people[one] == people[other]) & (portraits.scenes[one] != portraits.scenes[other])
    different = people[one] != people[other]
    near = np.abs(portraits.ages[one] - portraits.ages[other]) <= NEAR
    male = {seed: identity(int(seed)).sex == "male" for seed in np.unique(people)}
    sex = np.array([male[seed] for seed in people])
    alike = different & (sex[one] == sex[other])
    return {
        "auc": auc(score[same], score[different]),
        "auc_30": auc(score[same & near], score[different & near]),
        "auc_alike": auc(score[same], score[alike]),
        "cosine_same": float(score[same].mean()),
        "cosine_different": float(score[different].mean()),
    }
