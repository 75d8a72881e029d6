"""Guidance: embeddings of a face and of its caption by a vision-language model, added to w."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

GUIDE = "guide."
"""How its keys begin in the state dict of a generator."""
PROJECT = f"{GUIDE}project.weight"


class Guide(nn.Module):
    """w + g P([image; text; mask]): embeddings (n, 2 d + 1) to what is added to w (n, style).

    The gate g starts at 0, so a network with a new guide gives the output that it gave without.
    P has no bias: embeddings of zeros under a mask of 0 add nothing, whatever was learned. Both
    halves are brought to a mean square of 1 first, since encoders differ in scale.
    """

    def __init__(self, width: int, style: int) -> None:
        super().__init__()
        self.width = width
        self.project = nn.Linear(2 * width + 1, style, bias=False)
        self.gate = nn.Parameter(torch.zeros(1))

    def forward(self, captions: Tensor) -> Tensor:
        if captions.shape[1:] != (2 * self.width + 1,):
            raise ValueError(
                f"captions are (n, {2 * self.width + 1}) here, not {tuple(captions.shape)}"
            )
        with torch.autocast(captions.device.type, enabled=False):
            halves, mask = captions[:, :-1].float(), captions[:, -1:].float()
            even = [
                half * torch.rsqrt(half.square().mean(dim=1, keepdim=True) + 1e-8)
                for half in halves.chunk(2, dim=1)
            ]
            return self.gate * self.project(torch.cat([*even, mask], dim=1))


def guide_for(width: int, style: int) -> Guide | None:
    """A guide for embeddings of a width, none for 0; whatever is drawn after it stays as it is."""
    if not width:
        return None
    with torch.random.fork_rng(devices=[]):
        return Guide(width, style)


def guided_by(state: Mapping[str, Tensor]) -> int:
    """The width d of the embeddings that a generator's state dict takes, 0 for none."""
    return (state[PROJECT].shape[1] - 1) // 2 if PROJECT in state else 0


def guidance(guide: Guide | None, captions: Tensor | None) -> Tensor | None:
    """What captions add to the style (n, style); ValueError for a network without a guide."""
    if captions is None:
        return None
    if guide is None:
        raise ValueError("this AgeTransformer takes no captions")
    return guide(captions)
