"""The shape shared by the networks that predict codes of a portrait: base, stages, styles."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Self

from torch import Tensor

from engine.core.errors import WeightsError
from engine.nets.nano.base import BaseSpec
from engine.nets.nano.generator import STYLED


@dataclass(frozen=True, slots=True)
class CodesSpec:
    """The linear base, width of a style, channels from half the side down, and of the summary."""

    network: ClassVar[str]
    """The name of the network in errors."""

    base: BaseSpec = field(default_factory=BaseSpec)
    style_width: int = 128
    widths: tuple[int, ...] = (32, 48, 80, 96, 96)
    summary: int = 192

    @property
    def size(self) -> int:
        """Side of the photograph in px."""
        return self.base.size

    @property
    def n_styles(self) -> int:
        """Style vectors that come out, the linear ones first."""
        return self.base.numbers // self.style_width + STYLED

    @classmethod
    def of(cls, state: Mapping[str, Tensor]) -> Self:
        """Read the shape off a state dict."""
        try:
            base = BaseSpec.of(state, prefix="base.")
            widths = [state["stem.conv.weight"].shape[0]]
            while (key := f"stages.{len(widths) - 1}.mix.weight") in state:
                widths.append(state[key].shape[0])
            width = state["styles.weight"].shape[0] // STYLED
            return cls(base, width, tuple(widths), state["places.weight"].shape[0])
        except KeyError as error:
            raise WeightsError(
                f"{error} is missing: these are no weights of {cls.network}"
            ) from error
