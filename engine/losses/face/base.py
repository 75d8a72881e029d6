"""What a loss of personal ageing is, and how a recipe's losses become one objective."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from typing import Annotated, ClassVar, NamedTuple

import torch
from pydantic import SerializeAsAny, field_validator
from torch import Tensor

from engine.core.errors import RecipeError
from engine.core.registry import Registry
from engine.core.table import Table, one_of
from engine.losses.face.context import LossContext
from engine.losses.face.inputs import Direction, LossInputs, When
from engine.schedules import ScheduleValue

FACE_LOSSES: Registry["FaceLoss"] = Registry("loss", package="engine.losses.face")


class Each(NamedTuple):
    """What a loss says of every sample."""

    values: Tensor
    """(b,)."""
    told: dict[str, Tensor] = {}  # noqa: RUF012 - never written to
    """What else to report: (b,), averaged where the loss applies, or scalars."""
    applies: Tensor | None = None
    """(b,) bool: samples that only the computation could tell apart."""


class FaceLoss(Table, ABC):
    """One term of the objective: a mean over the samples it applies to, never a sum."""

    kind: str
    weight: ScheduleValue
    on: tuple[Direction, ...] = ("real", "cycle")
    """The passes it applies to."""
    when: When = "always"
    """The samples it applies to: those that were `aged`, those kept at the `same` age, or all."""

    needs: ClassVar[frozenset[str]] = frozenset()
    """Fields of `LossContext` without which there is no value."""
    reads_prior: ClassVar[bool] = False
    """Whether it looks at the codes of the frozen prior, which cost an encoder's pass."""

    @field_validator("on")
    @classmethod
    def _passes(cls, on: tuple[Direction, ...]) -> tuple[Direction, ...]:
        if not on or len(set(on)) < len(on):
            raise ValueError("name each pass once: `real`, `cycle` or both")
        return on

    @property
    def name(self) -> str:
        """What the journal calls it; losses of one kind differ by where and when they apply."""
        return "_".join([self.kind, *self.marks()])

    def marks(self) -> list[str]:
        """What tells it from other losses of its kind."""
        usual: When = type(self).model_fields["when"].default
        return [] if self.when == usual else [self.when]

    def faults(self, parts: LossContext) -> list[str]:
        """Why it cannot work with these parts, a sentence each."""
        needs = self.needed()
        return [
            *(f"the loss `{self.name}` needs `{key}`" for key in parts.lacking(needs)),
            *(
                f"the `{key}` of the loss `{self.name}` were embedded by another identity_net"
                for key in parts.strangers(needs)
            ),
        ]

    def needed(self) -> frozenset[str]:
        """The needs of this very loss: an option may lift one of its kind."""
        return self.needs

    def applies(self, trial: LossInputs) -> Tensor:
        """(b,) bool: the samples it applies to, by what is known before anything is computed."""
        return trial.asked(self.when)

    @abstractmethod
    def each(self, trial: LossInputs) -> Each:
        """The loss of every sample, whether it applies or not."""

    def value(self, trial: LossInputs) -> tuple[Tensor, dict[str, Tensor]] | None:
        """The mean over the samples it applies to, and what to report; None where there are none.

        On an accelerator to look whether there are any would stall it: the mean of none is 0 there.
        """
        if trial.direction not in self.on:
            return None
        chosen = self.applies(trial)
        if _none(chosen):
            return None
        values, told, applies = self.each(trial)
        if applies is not None:
            chosen = chosen & applies
            if _none(chosen):
                return None
        seen = {
            name: (mean_where(about, chosen) if about.dim() else about).detach()
            for name, about in told.items()
        }
        return mean_where(values, chosen), {**seen, "share": chosen.float().mean()}


LossChoice = Annotated[SerializeAsAny[FaceLoss], one_of(FACE_LOSSES)]
"""The type of a loss in a recipe."""


class WeightedTerm(NamedTuple):
    """A value and what it counts for."""

    value: Tensor
    weight: float


class Objective(NamedTuple):
    """The terms of one pass by name, and what else to report, still on the device."""

    terms: dict[str, WeightedTerm]
    told: dict[str, Tensor]


def objective(trial: LossInputs, losses: Sequence[FaceLoss], step: int) -> Objective:
    """Evaluate the losses that count at `step`; those of weight 0 are not computed."""
    terms: dict[str, WeightedTerm] = {}
    told: dict[str, Tensor] = {}
    for loss in losses:
        weight = loss.weight.at(step)
        found = None if weight == 0 else loss.value(trial)
        if found is None:
            continue
        value, about = found
        # Named by the pass, or what the cycle says would overwrite what the real pass said.
        name = f"{trial.direction}/{loss.name}"
        terms[name] = WeightedTerm(value, weight)
        told |= {f"{name}/{key}": seen for key, seen in about.items()}
    return Objective(terms, told)


def check(losses: Collection[FaceLoss], parts: LossContext) -> None:
    """Refuse losses that cannot work with these parts: a RecipeError that lists every fault."""
    found = [fault for loss in losses for fault in loss.faults(parts)]
    names = [loss.name for loss in losses]
    found += [f"there are {n} losses `{x}`" for x in sorted({*names}) if (n := names.count(x)) > 1]
    if found:
        raise RecipeError("; ".join(found), hint="give what is missing, or take the loss out")


def mean_where(values: Tensor, chosen: Tensor) -> Tensor:
    """The mean of values (b,) where chosen (b,) is true: a scalar, 0 without a gradient if nowhere.

    What is not chosen may even be NaN.
    """
    kept = torch.where(chosen, values.float(), 0.0)
    return kept.sum() / chosen.sum().clamp(min=1)


def _none(chosen: Tensor) -> bool:
    return chosen.device.type == "cpu" and not chosen.any()
