from typing import ClassVar, Literal

import torch
from pydantic import Field

from engine.core.numbers import Real
from engine.losses.face.age_range import AgeRangeLoss
from engine.losses.face.base import FACE_LOSSES, PerSample
from engine.losses.face.context import required
from engine.losses.face.inputs import LossInputs
from engine.losses.face.nearest import cosines, nearest_cosine

FAR = -1e4  # adds nothing to a log-sum-exp, and unlike minus infinity never gives NaN


@FACE_LOSSES.register("contrastive_id")
class ContrastiveId(AgeRangeLoss):
    """Be nearer to the person than to the most similar people of the target age.

    InfoNCE (van den Oord et al. 2018) with the most similar other photo around the target age as
    the positive, `margin` subtracted from its cosine. `repulsion_only` has no positive: log-sum-exp
    over the impostors, which has no minimum.
    """

    kind: Literal["contrastive_id"] = "contrastive_id"
    temperature: Real = Field(default=0.12, gt=0)
    """Lower: only the most similar impostors count."""
    margin: Real = Field(default=0.0, ge=0, le=2)
    """How much nearer to the person than to impostors is asked for, as a cosine."""
    radius: int = Field(default=3, ge=0)
    """Years around the age of the nearest photo, for the positive."""
    repulsion_only: bool = False
    """Without a positive, as the fork had it."""
    needs: ClassVar[frozenset[str]] = frozenset({"identity", "miner", "references"})

    def needed(self) -> frozenset[str]:
        return self.needs - {"references"} if self.repulsion_only else self.needs

    def per_sample(self, inputs: LossInputs) -> PerSample:
        embedding = inputs.embedding()
        miner = required(inputs.context.miner, "miner")
        mined = miner.mine(embedding.detach(), inputs.target_age, inputs.draws)
        logits = cosines(embedding, mined.embeddings) / self.temperature
        negatives = logits.masked_fill(~mined.mask, FAR)
        metrics = {f"miner/{name}": value for name, value in mined.metrics.items()}
        mask = mined.mask.any(dim=1)
        if self.repulsion_only:
            return PerSample(negatives.logsumexp(dim=1), metrics, mask)
        own = nearest_cosine(inputs, self.radius)
        positive = ((own - self.margin) / self.temperature)[:, None]
        loss = torch.cat([positive, negatives], dim=1).logsumexp(dim=1) - positive[:, 0]
        return PerSample(loss, {**metrics, "positive": own}, mask)
