"""The shape of a StyleGAN2 network, chosen or read off a state dict."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from torch import Tensor

from engine.core.errors import WeightsError

RGB = 3


def _sizes(size: int) -> list[int]:
    """4, 8, ..., size."""
    if size < 32 or size & (size - 1):
        raise ValueError(f"the size must be a power of two from 32 up, not {size}")
    return [4 << i for i in range(size.bit_length() - 2)]


def widths(size: int, *, base: int = 32768, cap: int = 512) -> tuple[int, ...]:
    """Channels at 4, 8, ..., size px: `base / px`, never more than `cap`.

    The defaults are configuration F of the paper (channel multiplier 2).
    """
    return tuple(min(cap, base // px) for px in _sizes(size))


def _of(state: Mapping[str, Tensor], key: str) -> Tensor:
    if key not in state:
        raise WeightsError(f"`{key}` is missing: this is no StyleGAN2 state dict of that kind")
    return state[key]


def _count(state: Mapping[str, Tensor], pattern: str) -> int:
    """How many different numbers the group of `pattern` takes among the keys."""
    matches = (re.match(pattern, key) for key in state)
    return len({match[1] for match in matches if match})


@dataclass(frozen=True, slots=True)
class GeneratorSpec:
    """Output size in px, channels at 4, 8, ..., size px, style width, mapping depth."""

    size: int
    channels: tuple[int, ...]
    style_width: int = 512
    mapping_layers: int = 8

    def __post_init__(self) -> None:
        if len(self.channels) != len(_sizes(self.size)):
            raise ValueError(f"{self.size} px needs {len(_sizes(self.size))} channel counts")

    @property
    def n_latent(self) -> int:
        """How many style vectors one picture takes: 2*log2(size) - 2."""
        return 2 * len(self.channels)

    @property
    def noise_sizes(self) -> tuple[int, ...]:
        """Side of the noise plane of every styled convolution: 4, 8, 8, 16, 16, ..., size."""
        return (4, *(px for px in _sizes(self.size)[1:] for _ in range(2)))

    @classmethod
    def of(cls, state: Mapping[str, Tensor]) -> Self:
        """Read the shape off a state dict with rosinality's keys."""
        blocks = _count(state, r"to_rgbs\.(\d+)\.")
        style = _of(state, "conv1.conv.modulation.weight").shape[1]
        at = [
            "conv1.conv.weight",
            *(f"convs.{2 * block + 1}.conv.weight" for block in range(blocks)),
        ]
        return cls(
            size=4 << blocks,
            channels=tuple(_of(state, key).shape[1] for key in at),
            style_width=style,
            mapping_layers=_count(state, r"style\.(\d+)\."),
        )


@dataclass(frozen=True, slots=True)
class DiscriminatorSpec:
    """Input size in px, channels at 4, 8, ..., size px, and of the minibatch statistics."""

    size: int
    channels: tuple[int, ...]
    std_group: int = 4
    std_features: int = 1

    def __post_init__(self) -> None:
        if len(self.channels) != len(_sizes(self.size)):
            raise ValueError(f"{self.size} px needs {len(_sizes(self.size))} channel counts")

    @classmethod
    def of(cls, state: Mapping[str, Tensor]) -> Self:
        """Read the shape off a state dict with rosinality's keys; the group is not in it."""
        blocks = _count(state, r"convs\.([1-9]\d*)\.")
        downward = [_of(state, "convs.0.0.weight").shape[0]]
        downward += [
            _of(state, f"convs.{block}.conv2.1.weight").shape[0] for block in range(1, blocks + 1)
        ]
        extra = _of(state, "final_conv.0.weight").shape[1] - downward[-1]
        return cls(size=4 << blocks, channels=tuple(reversed(downward)), std_features=extra)
