"""Phases: what is trained, with which objective, optimizers and rates, for how many steps."""

from collections.abc import Iterable, Mapping
from typing import Any, Self

import torch
from pydantic import Field, ValidationInfo, field_validator
from torch import Tensor, nn
from torch.optim import Optimizer

from engine.core.errors import RecipeError
from engine.core.numbers import Count, Real
from engine.core.table import Table
from engine.schedules import Schedule, ScheduleValue, parse_schedule
from engine.training.optimizers.base import OptimizerValue
from engine.training.optimizers.choices import AdamChoice


class Phase(Table):
    """A stretch of a training. Its schedules count from its own first step."""

    name: str = "main"
    """Schedules by phase and the journal call it so."""
    steps: Count = Field(gt=0)
    """Its length."""
    objective: str | None = None
    """What is minimised, where the kind has several objectives; its first one if absent."""
    trainable: tuple[str, ...] | None = None
    """Trained parts, or dotted modules of parts; every part if absent."""
    rate: ScheduleValue = parse_schedule(1e-3)
    """Learning rate."""
    rates: dict[str, ScheduleValue] = Field(default_factory=dict[str, ScheduleValue])
    """Rates of single entries of `trainable`, in place of `rate`."""
    optimizer: OptimizerValue = AdamChoice()
    """Of all optimizer steps."""
    optimizers: dict[str, OptimizerValue] = Field(default_factory=dict[str, OptimizerValue])
    """Optimizers of single optimizer steps, in place of `optimizer`."""
    clip: Real | None = Field(default=None, gt=0)
    """Largest norm of an optimizer step's gradient."""
    keep_optimizers: bool = False
    """Go on with the optimizers of the phase before, which must train the same."""

    @field_validator("rate")
    @classmethod
    def _place_rate(cls, rate: Schedule, info: ValidationInfo) -> Schedule:
        return rate.placed(_span(info))

    @field_validator("rates")
    @classmethod
    def _place_rates(cls, rates: dict[str, Schedule], info: ValidationInfo) -> dict[str, Schedule]:
        return {name: rate.placed(_span(info)) for name, rate in rates.items()}

    def with_constant_rates(self) -> Self:
        """The phase with every rate at the largest value of its schedule."""
        rates = {name: largest(rate, self.steps) for name, rate in self.rates.items()}
        return self.model_copy(update={"rate": largest(self.rate, self.steps), "rates": rates})

    def trained(self, parts: Mapping[str, nn.Module]) -> tuple[str, ...]:
        """The trainable entries; RecipeError for one that no part has."""
        names = tuple(parts) if self.trainable is None else self.trainable
        for name in names:
            part, _, rest = name.partition(".")
            if part not in parts:
                known = ", ".join(f"`{name}`" for name in parts)
                raise RecipeError(
                    f"phase `{self.name}`: there is no part `{part}` to train, only {known}"
                )
            if rest not in dict(parts[part].named_modules()):
                raise RecipeError(f"phase `{self.name}`: `{part}` has no module `{rest}`")
        unused = sorted(self.rates.keys() - set(names))
        if unused:
            raise RecipeError(
                f"phase `{self.name}`: a rate for `{unused[0]}`, which is not trained"
            )
        return names

    def rate_at(self, name: str, phase_step: int) -> float:
        """The learning rate of one entry of `trainable`."""
        return self.rates.get(name, self.rate).at(phase_step)


def largest(schedule: Schedule, steps: int) -> Schedule:
    """A constant: the largest value of a schedule in its first `steps` steps."""
    return parse_schedule(max(map(schedule.at, range(steps))))


def _span(info: ValidationInfo) -> list[tuple[str, int]]:
    """Name and steps of the phase that is being read; a made-up length where it is faulty."""
    return [(info.data.get("name", ""), info.data.get("steps", 1 << 62))]


def set_trainable(
    parts: Mapping[str, nn.Module], names: Iterable[str], *, freeze_batch_norm: bool
) -> None:
    """Put the named modules in train mode and the rest in eval mode, all without gradients yet.

    With `freeze_batch_norm` every batch norm stays in eval mode: the statistics of small batches
    are worse than those of the pretraining.
    """
    for part in parts.values():
        part.eval().requires_grad_(False)
    for name in names:
        for module in module_of(parts, name).train().modules():
            if freeze_batch_norm and isinstance(module, nn.modules.batchnorm._BatchNorm):  # pyright: ignore[reportPrivateUsage]
                module.eval()


def module_of(parts: Mapping[str, nn.Module], name: str) -> nn.Module:
    """The module that `part` or `part.module` means."""
    part, _, rest = name.partition(".")
    return parts[part].get_submodule(rest)


def parameters_of(
    parts: Mapping[str, nn.Module], names: Iterable[str]
) -> dict[str, list[nn.Parameter]]:
    """The parameters under each name; one that several names share belongs to the first."""
    taken: set[int] = set()
    parameters: dict[str, list[nn.Parameter]] = {}
    for name in names:
        own = [p for p in module_of(parts, name).parameters() if id(p) not in taken]
        taken |= {id(p) for p in own}
        parameters[name] = own
    return parameters


def build_optimizer(
    phase: Phase, optimizer_step: str, parameters: Mapping[str, list[nn.Parameter]]
) -> Optimizer:
    """A fresh optimizer of one optimizer step, one group per name in the order of `parameters`."""
    groups: list[dict[str, Any]] = [
        {"params": own, "lr": phase.rate_at(name, 0), "name": name}
        for name, own in parameters.items()
        if own
    ]
    return phase.optimizers.get(optimizer_step, phase.optimizer).build(groups)


def load_optimizer(optimizer: Optimizer, state: Mapping[str, Any]) -> None:
    """Load an optimizer's state in the memory layout of its parameters, which fused steps need."""
    optimizer.load_state_dict(dict(state))
    for p, kept in optimizer.state.items():
        for name, value in kept.items():
            if isinstance(value, Tensor) and value.shape == p.shape:
                kept[name] = torch.empty_like(p).copy_(value)
