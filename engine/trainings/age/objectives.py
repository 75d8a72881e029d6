"""What an age network learns by, and how its output is read: one aim for each kind of head."""

from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from engine.losses.age_regression import beta_nll, ordinal_bce
from engine.losses.mean_variance import mean_variance
from engine.nets.age.dex_vgg import expected_age
from engine.nets.nano.age_ordinal import ordinal_age
from engine.nets.nano.age_tokens import MIDDLE, UNIT, normal_age
from engine.training.task import Term


class AgeAim(Protocol):
    """The loss of a network and the years in what it says."""

    def terms(self, told: Tensor, ages: Tensor) -> dict[str, Term]:
        """The summands for outputs (b, ...) and true ages (b,) in years."""
        ...

    def years(self, told: Tensor) -> Tensor:
        """Ages (b,) in years."""
        ...


@dataclass(frozen=True, slots=True)
class DistributionAim:
    """The mean-variance loss: spread of the target in years, weights of mean and variance."""

    spread: float = 3.0
    mean: float = 0.02
    variance: float = 0.005

    def terms(self, told: Tensor, ages: Tensor) -> dict[str, Term]:
        found = mean_variance(told, ages, spread=self.spread)
        return {
            "softmax": Term(found.softmax),
            "mean": Term(found.mean, self.mean),
            "variance": Term(found.variance, self.variance),
        }

    def years(self, told: Tensor) -> Tensor:
        return expected_age(told)


@dataclass(frozen=True, slots=True)
class OrdinalAim:
    """Which birthdays are passed."""

    def terms(self, told: Tensor, ages: Tensor) -> dict[str, Term]:
        # A tenth brings it to the size of the other heads' losses, for which `clip` is set.
        return {"birthdays": Term(ordinal_bce(told, ages), 0.1)}

    def years(self, told: Tensor) -> Tensor:
        return ordinal_age(told)


@dataclass(frozen=True, slots=True)
class NormalAim:
    """A mean and its variance."""

    def terms(self, told: Tensor, ages: Tensor) -> dict[str, Term]:
        mean, log_variance = told.unbind(dim=1)
        return {"likelihood": Term(beta_nll(mean, log_variance, (ages - MIDDLE) / UNIT))}

    def years(self, told: Tensor) -> Tensor:
        return normal_age(told)[0]
