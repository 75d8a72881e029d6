"""What a weights file holds once read: named parts, the average latent, and how it came about."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from engine.core.errors import WeightsError
from engine.weights.manifest import Kind

StateDict = Mapping[str, Tensor]

BUFFERS = re.compile(
    r"(^|\.)(running_mean|running_var|num_batches_tracked|kernel|relative_position_index"
    r"|_float_tensor|attn_mask2?)$|^noises\."
)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The networks of one weights file, each under a name of ours and with keys of its own.

    LossContext: `encoder`, `pretrained_encoder`, `decoder` (a StyleGAN2 generator), `adapter`,
    `discriminator`, `generator` (AgeTransformer), `identity` (IR-SE50), `age` (DEX); files of our
    own may have others. Tensors may be mapped from the disk: copy before changing them in place.
    """

    kind: Kind
    parts: Mapping[str, StateDict]
    latent_avg: Tensor | None = None
    """(styles, 512) float: what the encoders' codes are offsets from."""
    step: int | None = None
    ema: bool = False
    """Whether `parts` holds averaged weights where the file has them."""
    raw: Mapping[str, StateDict] = field(default_factory=dict[str, StateDict])
    """The parts that averaging replaced, as the optimizer left them."""
    facts: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Plain values: `layout`, `size`, `input_channels`, `coach`, `adapter_used`, `options`."""
    card: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Where it comes from and on which terms: `what`, `made_by`, `source`, `licence`."""

    def part(self, name: str) -> StateDict:
        """The state dict of a part; WeightsError says which parts there are instead."""
        if name not in self.parts:
            raise WeightsError(f"a `{self.kind}` checkpoint with {self.told_parts} has no `{name}`")
        return self.parts[name]

    def parameters(self, name: str) -> int:
        """Learned numbers in a part; running statistics, noise and blur kernels do not count."""
        state = self.part(name)
        return sum(tensor.numel() for key, tensor in state.items() if not BUFFERS.search(key))

    @property
    def told_parts(self) -> str:
        """The names of the parts, for people."""
        return ", ".join(f"`{name}`" for name in self.parts) or "no part"
