"""Directions of age in the feature space of an image encoder.

Mean features of age classes, in the place of the text directions of Gal et al. 2022.
"""

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

MIN_MASS = 1.0
"""Sum of the labels that an age class needs for a usable mean."""
RANK_TOLERANCE = 1e-6
"""Singular values below this share of the largest are rounding errors."""


@dataclass(frozen=True, slots=True, eq=False)
class AgePrototypes:
    """Mean features of every age class, mu (k, d), and which classes have enough labels (k,).

    axes: orthonormal rows (r, d) that span mu_k - mean mu of the known classes, r less than their
    number.
    """

    means: Tensor
    known: Tensor
    axes: Tensor

    @classmethod
    def of(cls, features: Tensor, labels: Tensor, reliability: Tensor) -> Self:
        """From features (n, d), soft labels (n, k) and reliability (n,) in [0, 1].

        ValueError if fewer than two classes are known: they have no direction.
        """
        shares = labels.double() * reliability.double()[:, None]
        mass = shares.sum(dim=0)
        known = mass >= MIN_MASS
        if known.sum() < 2:
            raise ValueError("labels of two ages at least are needed for a direction of age")
        means = (shares.T @ features.double()) / mass.clamp(min=MIN_MASS)[:, None]
        centred = means[known] - means[known].mean(dim=0)
        _, lengths, axes = torch.linalg.svd(centred, full_matrices=False)
        axes = axes[lengths > RANK_TOLERANCE * lengths.max()]
        return cls(means.float(), known, axes.float())

    def to(self, device: torch.device) -> Self:
        """A copy on a device."""
        return type(self)(*(one.to(device) for one in (self.means, self.known, self.axes)))

    def directions(self, source: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """mu_t - mu_s (b, d) between soft labels (b, k), and their weight (b,).

        The weight is the product of the label masses on known classes; both labels are renormalised
        over these.
        """
        (start, start_mass), (end, end_mass) = self._mean(source), self._mean(target)
        return end - start, start_mass * end_mass

    def without_age(self, features: Tensor) -> Tensor:
        """Q: features (b, d) projected onto the complement of the age axes."""
        return features - (features @ self.axes.T) @ self.axes

    def _mean(self, labels: Tensor) -> tuple[Tensor, Tensor]:
        shares = labels * self.known
        mass = shares.sum(dim=1)
        return shares @ self.means / mass.clamp(min=1e-6)[:, None], mass
