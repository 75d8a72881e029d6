"""The loss of an age network and the age in its output, one class for each kind of head."""

from typing import Protocol

from pydantic import Field
from torch import Tensor

from engine.core.table import Table
from engine.losses.age_regression import beta_nll, ordinal_bce
from engine.losses.mean_variance import mean_variance
from engine.nets.age.dex_vgg import expected_age
from engine.nets.nano.age_ordinal import ordinal_age
from engine.nets.nano.age_tokens import MIDDLE, UNIT, normal_age
from engine.training.task import Term


class AgeLoss(Protocol):
    """The loss of a head and the age that it predicts."""

    def terms(self, output: Tensor, ages: Tensor) -> dict[str, Term]:
        """The terms for outputs (b, ...) and true ages (b,) in years."""
        ...

    def years(self, output: Tensor) -> Tensor:
        """Predicted ages (b,) in years."""
        ...


class MeanVarianceLoss(Table):
    """Mean-variance loss (Pan et al. 2018) with its softmax part, for a distribution over ages."""

    spread: float = Field(default=3.0, ge=0)
    """Standard deviation in years of the target distribution; 0: the exact age."""
    mean: float = Field(default=0.02, ge=0)
    variance: float = Field(default=0.005, ge=0)

    def terms(self, output: Tensor, ages: Tensor) -> dict[str, Term]:
        losses = mean_variance(output, ages, spread=self.spread)
        return {
            "softmax": Term(losses.softmax),
            "mean": Term(losses.mean, self.mean),
            "variance": Term(losses.variance, self.variance),
        }

    def years(self, output: Tensor) -> Tensor:
        return expected_age(output)


class OrdinalLoss(Table):
    """Ordinal binary cross entropy: for every age, whether the person is older."""

    def terms(self, output: Tensor, ages: Tensor) -> dict[str, Term]:
        # A tenth has the size of the other heads' losses, for which `clip` is set.
        return {"ordinal": Term(ordinal_bce(output, ages), 0.1)}

    def years(self, output: Tensor) -> Tensor:
        return ordinal_age(output)


class NormalLoss(Table):
    """Negative log likelihood of a normal distribution, given by mean and log variance."""

    def terms(self, output: Tensor, ages: Tensor) -> dict[str, Term]:
        mean, log_variance = output.unbind(dim=1)
        return {"likelihood": Term(beta_nll(mean, log_variance, (ages - MIDDLE) / UNIT))}

    def years(self, output: Tensor) -> Tensor:
        return normal_age(output)[0]
