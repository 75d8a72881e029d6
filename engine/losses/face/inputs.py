"""One forward pass as the losses see it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor

from engine.losses.face.context import LossContext, given
from engine.runtime.draws import Draws

Direction = Literal["real", "cycle"]
When = Literal["always", "aged", "same"]


@dataclass(frozen=True, slots=True)
class LossInputs:
    """What went in, what came out, at which age; every network looks at a picture once at most."""

    source: Tensor
    """(b, 3, s, s) the photo in [-1, 1], at the size of the encoder."""
    output: Tensor
    """(b, 3, s, s) the picture made, averaged down to that size."""
    source_age: Tensor
    """(b,) years."""
    target_age: Tensor
    """(b,) years."""
    w_plus: Tensor
    """(b, n, width) personal codes."""
    w_prior: Tensor | None
    """(b, n, width) codes of the frozen prior for the same photo and target; None where no loss
    reads them."""
    latent_average: Tensor
    """(n, width)."""
    direction: Direction
    """`real` goes from the photo to the target age, `cycle` from there back to the photo's."""
    same_age: Tensor
    """(b,) bool: no ageing was asked for."""
    parts: LossContext
    draws: Draws
    cached: Mapping[str, Tensor] = field(default_factory=dict[str, Tensor])
    """What never changes of each photo, as flipped as it is here: `embedding` (b, d), `points`
    (b, 68, 2), NaN where no face was found, and `points/NAME`, those that reader NAME sees."""
    memo: dict[str, Tensor] = field(default_factory=dict[str, Tensor], repr=False)

    def __post_init__(self) -> None:
        if self.source.shape != self.output.shape:
            sides = tuple(self.source.shape), tuple(self.output.shape)
            raise ValueError(f"the photo is {sides[0]} and the picture made {sides[1]}")

    @property
    def size(self) -> int:
        """Side of the pictures in px."""
        return self.source.shape[-1]

    def asked(self, when: When) -> Tensor:
        """(b,) bool: the samples that were aged, those that were not, or all."""
        if when == "always":
            return torch.ones_like(self.same_age)
        return self.same_age if when == "same" else ~self.same_age

    def embedding(self) -> Tensor:
        """(b, d) unit: who the picture made shows."""
        identity_net = given(self.parts.identity_net, "identity_net")
        return self._once("embedding", lambda: identity_net.embed(self.output).float())

    def prior(self) -> Tensor:
        """(b, n, width) codes of the frozen prior; ValueError where nobody computed them."""
        if self.w_prior is None:
            raise ValueError("a loss reads the prior's codes and does not say so: `reads_prior`")
        return self.w_prior

    def source_embedding(self) -> Tensor:
        """(b, d) unit: who the photo shows; no gradient."""
        if "embedding" in self.cached:
            return self.cached["embedding"]
        identity_net = given(self.parts.identity_net, "identity_net")
        return self._fixed("source embedding", lambda: identity_net.embed(self.source).float())

    def years(self) -> Tensor:
        """(b,) how old the picture made looks."""
        reader = given(self.parts.ages, "ages")
        return self._once("years", lambda: reader.years(self.output).float())

    def points(self) -> Tensor:
        """(b, 68, 2) in px: where the face of the picture made is."""
        reader = given(self.parts.points, "points")
        return self._once("points", lambda: reader.points(self.output).float())

    def source_points(self) -> Tensor:
        """(b, 68, 2) in px: where the face of the photo is, by the best source there is."""
        return self.cached["points"] if "points" in self.cached else self.read_points()

    def read_points(self) -> Tensor:
        """(b, 68, 2) in px: where the reader of `points` sees the photo's face; no gradient.

        Only these compare with `points`: two readers differ by more than two ages do.
        """
        reader = given(self.parts.points, "points")
        if (name := f"points/{reader.name}") in self.cached:
            return self.cached[name]
        return self._fixed("source points", lambda: reader.points(self.source).float())

    def _once(self, name: str, compute: Callable[[], Tensor]) -> Tensor:
        if name not in self.memo:
            self.memo[name] = compute()
        return self.memo[name]

    @torch.no_grad()
    def _fixed(self, name: str, compute: Callable[[], Tensor]) -> Tensor:
        return self._once(name, compute)
