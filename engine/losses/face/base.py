"""The interface of a personal-ageing loss, and the weighted sum of a recipe's losses."""

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
from engine.losses.terms import Term
from engine.schedules import ScheduleValue
from engine.schedules.constant import Constant

FACE_LOSSES: Registry["FaceLoss"] = Registry("loss", package="engine.losses.face")


class PerSample(NamedTuple):
    """The loss of every sample before reduction."""

    values: Tensor
    """(b,)."""
    metrics: dict[str, Tensor] = {}  # noqa: RUF012 - never written to
    """What else to report: (b,), averaged where the loss applies, or scalars."""
    mask: Tensor | None = None
    """(b,) bool: samples that count, where only the computation could find out."""


class FaceLoss(Table, ABC):
    """One term of the total loss: the sum over the samples it applies to, over the batch size.

    So a sample weighs the same whatever the others of its batch are, and however many processes
    share the batch (SAM: Alaluf et al. 2021, as published).
    """

    kind: str
    weight: ScheduleValue
    """How strongly it pulls, a number or a schedule; 0 leaves it out."""
    on: tuple[Direction, ...] = ("real", "cycle")
    """The passes it applies to."""
    when: When = "always"
    """The samples it applies to: those that were `aged`, those kept at the `same` age, or all."""

    needs: ClassVar[frozenset[str]] = frozenset()
    """Fields of `LossContext` that the computation reads."""
    reads_prior: ClassVar[bool] = False
    """Whether it reads the codes of the frozen prior, which cost a forward pass of its encoder."""

    @field_validator("on")
    @classmethod
    def _passes(cls, on: tuple[Direction, ...]) -> tuple[Direction, ...]:
        if not on or len(set(on)) < len(on):
            raise ValueError("name each pass once: `real`, `cycle` or both")
        return on

    @property
    def off(self) -> bool:
        """Whether it weighs nothing at any step, so that nothing need be there to compute it."""
        return isinstance(self.weight, Constant) and self.weight.value == 0

    @property
    def name(self) -> str:
        """The name in the metrics: `kind`, and how this loss differs from others of its kind."""
        return "_".join([self.kind, *self.suffixes()])

    def suffixes(self) -> list[str]:
        """The settings that distinguish losses of one kind in the metrics."""
        default: When = type(self).model_fields["when"].default
        return [] if self.when == default else [self.when]

    def faults(self, context: LossContext) -> list[str]:
        """Why the loss cannot be computed in this context, one sentence per reason."""
        needs = self.needed()
        return [
            *(f"the loss `{self.name}` needs `{key}`" for key in context.missing(needs)),
            *(
                f"the `{key}` of the loss `{self.name}` were embedded by another identity network"
                for key in context.mismatched(needs)
            ),
        ]

    def needed(self) -> frozenset[str]:
        """The needs of this instance; an option may drop one of its class."""
        return self.needs

    def mask(self, inputs: LossInputs) -> Tensor:
        """(b,) bool: the samples it applies to, as far as the inputs alone determine them."""
        return inputs.mask(self.when)

    @abstractmethod
    def per_sample(self, inputs: LossInputs) -> PerSample:
        """The loss of every sample, masked or not."""

    def value(self, inputs: LossInputs) -> tuple[Tensor, dict[str, Tensor]] | None:
        """The loss and its metrics, all scalars; None if it applies to no sample.

        The loss counts samples that it does not apply to as 0; its metrics are means over the
        others, and `share` is how many those are. On an accelerator an empty mask gives 0, because
        testing for it would synchronise.
        """
        if inputs.direction not in self.on:
            return None
        mask = self.mask(inputs)
        if _empty(mask):
            return None
        values, metrics, valid = self.per_sample(inputs)
        if valid is not None:
            mask = mask & valid
            if _empty(mask):
                return None
        means = {
            name: (masked_mean(metric, mask) if metric.dim() else metric).detach()
            for name, metric in metrics.items()
        }
        loss = torch.where(mask, values.float(), 0.0).mean()
        return loss, {**means, "share": mask.float().mean()}


LossChoice = Annotated[SerializeAsAny[FaceLoss], one_of(FACE_LOSSES)]
"""The type of a loss in a recipe."""


class TotalLoss(NamedTuple):
    """The terms of one pass by name, and its metrics: scalars that are still on the device."""

    terms: dict[str, Term]
    metrics: dict[str, Tensor]


def total_loss(inputs: LossInputs, losses: Sequence[FaceLoss], step: int) -> TotalLoss:
    """Compute the losses of one pass; those whose weight is 0 at `step` are skipped."""
    terms: dict[str, Term] = {}
    metrics: dict[str, Tensor] = {}
    for loss in losses:
        weight = loss.weight.at(step)
        result = None if weight == 0 else loss.value(inputs)
        if result is None:
            continue
        value, reported = result
        # The direction keeps the metrics of the two passes apart.
        name = f"{inputs.direction}/{loss.name}"
        terms[name] = Term(value, weight)
        metrics |= {f"{name}/{key}": metric for key, metric in reported.items()}
    return TotalLoss(terms, metrics)


def check(losses: Collection[FaceLoss], context: LossContext) -> None:
    """Raise a RecipeError that lists every reason why these losses cannot be computed."""
    faults = [fault for loss in losses for fault in loss.faults(context)]
    names = [loss.name for loss in losses]
    faults += [f"there are {n} losses `{x}`" for x in sorted({*names}) if (n := names.count(x)) > 1]
    if faults:
        raise RecipeError("; ".join(faults), hint="give what is missing, or remove the loss")


def masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    """Mean of values (b,) where mask (b,) is true: a scalar, 0 without gradient for an empty mask.

    Masked-out values may be NaN.
    """
    kept = torch.where(mask, values.float(), 0.0)
    return kept.sum() / mask.sum().clamp(min=1)


def _empty(mask: Tensor) -> bool:
    return mask.device.type == "cpu" and not mask.any()
