"""Softmax over cosines with a margin (CosFace, ArcFace), and centres within a batch (GE2E)."""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

Margin = Literal["cosine", "angle"]


def margin_softmax(
    cosine: Tensor, labels: Tensor, *, scale: float, margin: float, kind: Margin = "cosine"
) -> Tensor:
    """Cross entropy of scale * cosine with a margin on the true class: a scalar.

    cosine: (b, classes) in [-1, 1]; labels: (b,) int64. `cosine` subtracts the margin from the
    cosine (CosFace, Wang et al. 2018), `angle` adds it, in radians, to the angle (ArcFace, Deng et
    al. 2019).
    """
    own = cosine.gather(1, labels[:, None])
    if kind == "cosine":
        target = own - margin
    else:
        # Above pi the cosine would rise again; the gradient of acos is infinite at +-1.
        angle = own.clamp(-1 + 1e-6, 1 - 1e-6).acos() + margin
        target = angle.clamp(max=torch.pi).cos()
    return F.cross_entropy(scale * cosine.scatter(1, labels[:, None], target), labels)


def cosine_to_others(embeddings: Tensor, groups: int) -> tuple[Tensor, Tensor]:
    """Cosines to the centre of every person in the batch, and the label of each row.

    embeddings: (groups * n, d) of unit length, person by person, n >= 2 photographs each; returns
    (groups * n, groups) and labels (groups * n,). A photograph is excluded from the centre
    that it is compared with (GE2E, Wan et al. 2018, equations 8 and 9).
    """
    total, width = embeddings.shape
    each = total // groups
    if total % groups or each < 2:
        raise ValueError(f"{total} embeddings are not {groups} people of 2 or more each")
    people = embeddings.view(groups, each, width)
    sums = people.sum(dim=1)
    others = F.normalize(sums[:, None] - people, dim=2).view(total, width)
    own = (embeddings * others).sum(dim=1, keepdim=True)
    labels = torch.arange(groups, device=embeddings.device).repeat_interleave(each)
    cosine = embeddings @ F.normalize(sums, dim=1).T
    return cosine.scatter(1, labels[:, None], own), labels
