"""State dicts of the published AgeTransformer: what was learned in them, and what follows."""

import re
from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from engine.nets.stylegan2.layers import BLUR
from engine.ops.upfirdn2d import fir_kernel

BUFFERS = re.compile(
    r"^noises\.|(^|\.)(kernel|attn_mask[12]?|relative_position_index|_float_tensor)$"
)
"""Keys of a published file that nobody learned: they follow from the architecture."""


def completed(build: Callable[[], nn.Module], state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The learned tensors of a state dict, and the blur kernels of the network that `build` makes.

    Whatever the file holds for its buffers is left aside; every other key counts.
    """
    with torch.device("meta"):
        kernels = [key for key in build().state_dict() if key.endswith(".kernel")]
    return {key: value for key, value in state.items() if not BUFFERS.search(key)} | {
        key: fir_kernel(BLUR, gain=4.0 if "upsample" in key else 1.0) for key in kernels
    }
