from typing import ClassVar, Literal

import torch
from pydantic import Field

from engine.core.numbers import Real
from engine.losses.face.base import FACE_LOSSES, Each
from engine.losses.face.context import given
from engine.losses.face.inputs import LossInputs
from engine.losses.face.nearest import cosines, nearest_cosine
from engine.losses.face.window import Windowed

FAR = -1e4  # a logit that adds nothing, and unlike minus infinity never turns into NaN


@FACE_LOSSES.register("contrastive_id")
class ContrastiveId(Windowed):
    """Be nearer to the person than to the most similar people of that age.

    InfoNCE (van den Oord et al. 2018) with the most similar photo around the target age as the
    positive, `margin` taken off its cosine. `repulsion_only` has no positive: log-sum-exp over the
    impostors, which pushes away without end.
    """

    kind: Literal["contrastive_id"] = "contrastive_id"
    temperature: Real = Field(default=0.12, gt=0)
    margin: Real = Field(default=0.0, ge=0, le=2)
    radius: int = Field(default=3, ge=0)
    """Years around the age of the nearest photo, for the positive."""
    repulsion_only: bool = False
    needs: ClassVar[frozenset[str]] = frozenset({"identity_net", "miner", "references"})

    def needed(self) -> frozenset[str]:
        return self.needs - {"references"} if self.repulsion_only else self.needs

    def each(self, trial: LossInputs) -> Each:
        embedding = trial.embedding()
        miner = given(trial.parts.miner, "miner")
        mined = miner.mine(embedding.detach(), trial.target_age, trial.draws)
        alike = cosines(embedding, mined.embeddings)
        negatives = (alike / self.temperature).masked_fill(~mined.mask, FAR)
        told = {f"miner/{name}": value for name, value in mined.told.items()}
        found = mined.mask.any(dim=1)
        if self.repulsion_only:
            return Each(negatives.logsumexp(dim=1), told, found)
        references = given(trial.parts.references, "references")
        own = nearest_cosine(embedding, references, trial.target_age, radius=self.radius)
        positive = ((own - self.margin) / self.temperature)[:, None]
        everyone = torch.cat([positive, negatives], dim=1)
        return Each(everyone.logsumexp(dim=1) - positive[:, 0], {**told, "positive": own}, found)
