"""The forward pass of a personal training without its data, for counting what it keeps."""

from collections.abc import Mapping
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.nets.encoders.gradual import with_age_plane
from engine.nets.style import StyleDecoder

ENCODER, ADAPTER, DECODER = "trained_encoder", "adapter", "decoder"


def forward_pass(parts: Mapping[str, nn.Module], *, batch: int, side: int) -> Tensor:
    """From photos (batch, 3, side, side) to the pictures that the losses see, of the same size.

    parts: `trained_encoder` and `adapter`, where the training has them, and `decoder`.
    """
    decoder = cast("StyleDecoder", parts[DECODER])
    shape = decoder.shape

    ages = torch.full((batch,), 40.0)
    if ENCODER in parts:
        codes = parts[ENCODER](with_age_plane(torch.zeros(batch, 3, side, side), ages))
    else:
        codes = torch.zeros(batch, shape.n_latent, shape.style_width)
    if ADAPTER in parts:
        codes = parts[ADAPTER](codes, ages)
    return F.adaptive_avg_pool2d(decoder(codes, noise="stored"), side)
