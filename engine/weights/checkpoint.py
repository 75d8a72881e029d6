"""What a weights file holds once read: named parts, the average latent, and how it came about."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from engine.core.errors import WeightsError

StateDict = Mapping[str, Tensor]

BUFFERS = re.compile(
    r"(^|\.)(running_mean|running_var|num_batches_tracked|kernel|relative_position_index"
    r"|_float_tensor|attn_mask2?)$|^noises\."
)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The networks of one weights file, each under a name of ours and with keys of its own.

    Parts: `encoder`, `pretrained_encoder`, `decoder` (a StyleGAN2 generator), `adapter`,
    `discriminator`, `generator` (AgeTransformer), `identity`, `age`; each format lists its own.
    Tensors may be mapped from the disk: copy before changing them in place.
    """

    kind: str
    """The format that the file was published in; `native` for networks of our own."""
    parts: Mapping[str, StateDict]
    latent_avg: Tensor | None = None
    """(styles, 512) float: what the encoders' codes are offsets from."""
    step: int | None = None
    ema: bool = False
    """Whether `parts` holds averaged weights where the file has them."""
    facts: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Plain values that no tensor holds, such as `adapter_used`, `age_scale` or `size`."""
    card: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Where it comes from and on which terms: `what`, `made_by`, `source`, `licence`."""

    @property
    def task(self) -> str:
        """What its networks do together: the training of our own files, the format of others."""
        return str(self.facts.get("task", self.kind))

    def part(self, name: str, *, copy: bool = False) -> StateDict:
        """The state dict of a part; WeightsError says which parts there are instead, or which of
        its numbers are not finite. Until it is asked for nothing of it is read from the disk.

        copy: give tensors of its own, for networks that outlive the file or are trained.
        """
        if name not in self.parts:
            raise WeightsError(f"a `{self.kind}` checkpoint with {self.part_names} has no `{name}`")
        state = self.parts[name]
        self.require_finite(name)
        return {key: tensor.clone() for key, tensor in state.items()} if copy else state

    def parameters(self, name: str) -> int:
        """Learned numbers in a part; running statistics, noise and blur kernels do not count."""
        state = self.part(name)
        return sum(tensor.numel() for key, tensor in state.items() if not BUFFERS.search(key))

    def require_finite(self, *parts: str) -> None:
        """WeightsError for learned numbers that are NaN or infinite: they give black pictures.

        parts: all if none is named.
        """
        states = [(name, self.parts[name]) for name in parts or self.parts]
        for name, state in (*states, ("", {"latent_avg": self.latent_avg})):
            for key, tensor in state.items():
                if tensor is None or not tensor.is_floating_point() or BUFFERS.search(key):
                    continue
                # A sum is finite unless a number is not, or, rarely, it overflows.
                total = tensor.sum(dtype=torch.float32)
                if not bool(total.isfinite()) and not bool(tensor.isfinite().all()):
                    raise WeightsError(
                        f"`{f'{name}.{key}'.lstrip('.')}` holds numbers that are not finite",
                        hint="the training has diverged, or the file is damaged: get another",
                    )

    @property
    def part_names(self) -> str:
        """The names of the parts in one phrase."""
        return ", ".join(f"`{name}`" for name in self.parts) or "no part"
