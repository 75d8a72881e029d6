"""Moving the pixels of a photograph by a predicted flow."""

import torch
import torch.nn.functional as F
from torch import Tensor

REACH = 0.1
"""Of half a side: the displacement that a flow of 1 stands for."""


def warped(photo: Tensor, flow: Tensor) -> Tensor:
    """Photographs (n, 3, s, s) sampled at a flow (n, 2, s / 2, s / 2), x and y in units of `REACH`.

    Bilinear; beyond the border its pixels are repeated.
    """
    flow = F.interpolate(REACH * flow, scale_factor=2, mode="bilinear", align_corners=False)
    identity = torch.eye(2, 3, device=photo.device).expand(len(photo), -1, -1)
    grid = F.affine_grid(identity, list(photo.shape), align_corners=False)
    return F.grid_sample(
        photo, grid + flow.permute(0, 2, 3, 1), padding_mode="border", align_corners=False
    )
