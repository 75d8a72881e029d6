"""Where the ages lie in what an image tower sees (`specs/agetransformer.md` 1.10)."""

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

FEWEST = 1.0
"""Faces' worth of labels that an age needs before its mean says something."""
FLAT = 1e-6
"""Of the longest axis: what is shorter is rounding and spans nothing."""


@dataclass(frozen=True, slots=True, eq=False)
class AgePrototypes:
    """Mean features of every age class, mu (k, d), and which classes anybody stands for (k,).

    axes: orthonormal rows (r, d) that span mu_k - mean mu of the known classes, r below their
    number.
    """

    means: Tensor
    known: Tensor
    axes: Tensor

    @classmethod
    def of(cls, features: Tensor, labels: Tensor, reliability: Tensor) -> Self:
        """From features (n, d), soft labels (n, k) and reliability (n,) in [0, 1].

        ValueError where fewer than two classes are known: there is no direction then.
        """
        shares = labels.double() * reliability.double()[:, None]
        mass = shares.sum(dim=0)
        known = mass >= FEWEST
        if known.sum() < 2:
            raise ValueError("labels of two ages at least are needed for a direction of age")
        means = (shares.T @ features.double()) / mass.clamp(min=FEWEST)[:, None]
        apart = means[known] - means[known].mean(dim=0)
        _, lengths, axes = torch.linalg.svd(apart, full_matrices=False)
        axes = axes[lengths > FLAT * lengths.max()]
        return cls(means.float(), known, axes.float())

    def to(self, device: torch.device) -> Self:
        """The same on a device."""
        return type(self)(*(one.to(device) for one in (self.means, self.known, self.axes)))

    def directions(self, source: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """mu_t - mu_s (b, d) between soft labels (b, k), and how much of both is known (b,).

        Shares of an unknown class are left out, and what remains counts as the whole.
        """
        (start, sure), (end, certain) = self._mean(source), self._mean(target)
        return end - start, sure * certain

    def ageless(self, features: Tensor) -> Tensor:
        """Q: features (b, d) without what lies along the ages."""
        return features - (features @ self.axes.T) @ self.axes

    def _mean(self, labels: Tensor) -> tuple[Tensor, Tensor]:
        shares = labels * self.known
        sure = shares.sum(dim=1)
        return shares @ self.means / sure.clamp(min=1e-6)[:, None], sure
