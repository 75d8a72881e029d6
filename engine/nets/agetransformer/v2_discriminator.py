"""The discriminator of AgeTransformer v2: patches, given the target age."""

import math
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.nets.agetransformer.discriminator_output import DiscriminatorOutput
from engine.nets.nano.folding import Fold, Stem

POOLED = 4  # places a side that the age is read from


class SlimDiscriminator(nn.Module):
    """Portraits (b, 3, s, s) and anchor weights (b, k) to a `DiscriminatorOutput`.

    Every scale has logits of its own with a projection of the age (Miyato & Koyama 2018), which is
    linear in the label: soft labels need nothing further. Patches as in Isola et al. 2017, 3.2.
    """

    def __init__(self, anchors: int = 10, widths: tuple[int, ...] = (32, 64, 96, 128)) -> None:
        super().__init__()
        self.stem = Stem(3, widths[0])
        self.stages = nn.ModuleList(Fold(*pair) for pair in pairwise(widths))
        self.scales = (0, len(widths) // 2, len(widths) - 1)
        self.heads = nn.ModuleList(nn.Conv2d(widths[at], 1, 3, padding=1) for at in self.scales)
        self.projections = nn.ParameterList(
            nn.Parameter(torch.randn(anchors, widths[at]) * 0.1) for at in self.scales
        )
        self.ages = nn.Linear(widths[-1] * POOLED**2, anchors)

    def forward(self, picture: Tensor, weights: Tensor) -> DiscriminatorOutput:
        maps = [self.stem(picture)]
        for stage in self.stages:
            maps.append(stage(maps[-1]))
        logits: list[Tensor] = []
        for head, projection, at in zip(self.heads, self.projections, self.scales, strict=True):
            features = maps[at]
            embedding = (weights @ projection).to(features.dtype) / math.sqrt(features.shape[1])
            conditioned = (features * embedding[:, :, None, None]).sum(dim=1, keepdim=True)
            logits.append(head(features).float() + conditioned.float())
        pooled = F.adaptive_avg_pool2d(maps[-1].float(), POOLED).flatten(1)
        return DiscriminatorOutput(tuple(logits), self.ages(pooled), tuple(maps))
