"""Phases: what learns, at which rate, until when."""

from collections.abc import Iterable, Mapping
from typing import Any

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
    steps: Count = Field(gt=0)
    trainable: tuple[str, ...] | None = None
    """Parts that learn, or dotted modules of parts; every part if absent."""
    rate: ScheduleValue = parse_schedule(1e-3)
    rates: dict[str, ScheduleValue] = Field(default_factory=dict[str, ScheduleValue])
    """Rates of single entries of `trainable`, in place of `rate`."""
    optimizer: OptimizerValue = AdamChoice()
    optimizers: dict[str, OptimizerValue] = Field(default_factory=dict[str, OptimizerValue])
    """Optimizers of single optimizer_steps, in place of `optimizer`."""
    clip: Real | None = Field(default=None, gt=0)
    """Largest norm of an optimizer step's gradient."""

    @field_validator("rate")
    @classmethod
    def _place_rate(cls, rate: Schedule, info: ValidationInfo) -> Schedule:
        return rate.placed(_span(info))

    @field_validator("rates")
    @classmethod
    def _place_rates(cls, rates: dict[str, Schedule], info: ValidationInfo) -> dict[str, Schedule]:
        return {name: rate.placed(_span(info)) for name, rate in rates.items()}

    def learning(self, parts: Mapping[str, nn.Module]) -> tuple[str, ...]:
        """The entries that learn; RecipeError for one that no part has."""
        chosen = tuple(parts) if self.trainable is None else self.trainable
        for name in chosen:
            part, _, rest = name.partition(".")
            if part not in parts:
                known = ", ".join(f"`{name}`" for name in parts)
                raise RecipeError(
                    f"phase `{self.name}`: there is no part `{part}` to train, only {known}"
                )
            if rest not in dict(parts[part].named_modules()):
                raise RecipeError(f"phase `{self.name}`: `{part}` has no module `{rest}`")
        strange = sorted(self.rates.keys() - set(chosen))
        if strange:
            raise RecipeError(f"phase `{self.name}`: a rate for `{strange[0]}`, which never learns")
        return chosen

    def rate_at(self, name: str, phase_step: int) -> float:
        """The rate of one entry of `trainable`."""
        return self.rates.get(name, self.rate).at(phase_step)


def _span(info: ValidationInfo) -> list[tuple[str, int]]:
    """Name and steps of the phase that is being read; a made-up length where it is faulty."""
    return [(info.data.get("name", ""), info.data.get("steps", 1 << 62))]


def set_trainable(
    parts: Mapping[str, nn.Module], names: Iterable[str], *, keeps_statistics: bool
) -> None:
    """Put what is named in train mode and the rest in eval mode, none of it taking gradients yet.

    With `keeps_statistics` every batch norm stays in eval mode: batches of two would spoil what
    millions have told it.
    """
    for part in parts.values():
        part.eval().requires_grad_(False)
    for name in names:
        for module in module_of(parts, name).train().modules():
            if keeps_statistics and isinstance(module, nn.modules.batchnorm._BatchNorm):  # pyright: ignore[reportPrivateUsage]
                module.eval()


def module_of(parts: Mapping[str, nn.Module], name: str) -> nn.Module:
    """The module that `part` or `part.module` means."""
    part, _, rest = name.partition(".")
    return parts[part].get_submodule(rest)


def parameters_of(
    parts: Mapping[str, nn.Module], names: Iterable[str]
) -> dict[str, list[nn.Parameter]]:
    """The parameters under each name, none of them twice: the first name to claim one keeps it."""
    taken: set[int] = set()
    found: dict[str, list[nn.Parameter]] = {}
    for name in names:
        own = [p for p in module_of(parts, name).parameters() if id(p) not in taken]
        taken |= {id(p) for p in own}
        found[name] = own
    return found


def optimizer_of(
    phase: Phase, optimizer_step: str, parameters: Mapping[str, list[nn.Parameter]]
) -> Optimizer:
    """A fresh optimizer of one optimizer_step: one group a name, in the order of `parameters`."""
    groups: list[dict[str, Any]] = [
        {"params": own, "lr": phase.rate_at(name, 0), "name": name}
        for name, own in parameters.items()
        if own
    ]
    return phase.optimizers.get(optimizer_step, phase.optimizer).build(groups)


def load_optimizer(optimizer: Optimizer, state: Mapping[str, Any]) -> None:
    """Load an optimizer's state in the memory layout of its parameters, which fused steps need."""
    optimizer.load_state_dict(dict(state))
    for p, held in optimizer.state.items():
        for name, value in held.items():
            if isinstance(value, Tensor) and value.shape == p.shape:
                held[name] = torch.empty_like(p).copy_(value)
