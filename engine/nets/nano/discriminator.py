"""The nano discriminator: are patches of a portrait, at several scales, real or generated?"""

from itertools import pairwise
from typing import NamedTuple

from torch import Tensor, nn

from engine.nets.nano.folding import Fold, Stem


class PatchOutput(NamedTuple):
    """Logits (b, 1, h, w) of patches at three scales, finest first; above 0 for a real one.

    features: the maps (b, c, h, w) that they were read off.
    """

    logits: tuple[Tensor, ...]
    features: tuple[Tensor, ...]


class NanoDiscriminator(nn.Module):
    """Portraits (b, planes, s, s) to a `PatchOutput`; planes beyond 3 are conditions.

    Patches (Isola et al. 2017, section 3.2) instead of a single number: the linear base is close
    to the truth, so what is left to discriminate is texture, which is local.
    """

    def __init__(self, planes: int = 3, widths: tuple[int, ...] = (32, 64, 96, 128)) -> None:
        super().__init__()
        self.planes = planes
        self.stem = Stem(planes, widths[0])
        self.stages = nn.ModuleList(Fold(*pair) for pair in pairwise(widths))
        self.scales = (0, len(widths) // 2, len(widths) - 1)
        self.heads = nn.ModuleList(
            nn.Conv2d(widths[stage], 1, 3, padding=1) for stage in self.scales
        )

    def forward(self, picture: Tensor) -> PatchOutput:
        maps = [self.stem(picture)]
        for stage in self.stages:
            maps.append(stage(maps[-1]))
        pairs = zip(self.heads, self.scales, strict=True)
        return PatchOutput(tuple(head(maps[at]).float() for head, at in pairs), tuple(maps))
