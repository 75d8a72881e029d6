"""More steps for a run: a further phase that goes on with the optimizers of the last one."""

from dataclasses import asdict, dataclass, replace
from typing import Self

from pydantic import ValidationError

from engine.config.write import recipe_toml
from engine.core.atomic import write_json, write_text
from engine.core.errors import UsageError
from engine.core.numbers import parse_count
from engine.schedules.constant import Constant
from engine.training.phases import Phase
from engine.training.recipe import PER_PHASE, TrainingRecipe
from engine.training.run_folder import ENVIRONMENT, RECIPE, Environment, RunFolder, flat

NAME = "extended"


@dataclass(frozen=True, slots=True)
class Extension:
    """Further steps; rate: their learning rate, None for the one that the run ended with."""

    steps: int
    rate: float | None = None

    @classmethod
    def parse(cls, steps: str | None, rate: float | None) -> Self | None:
        """Read `+3k` and a rate; None without steps. UsageError says what is wrong."""
        if steps is None:
            if rate is not None:
                raise UsageError(
                    "a rate is for further steps",
                    hint=f"`--steps +1k --rate {rate:g}`; a run that is not finished goes on as its"
                    " recipe says",
                )
            return None
        try:
            count = parse_count(steps.removeprefix("+"))
        except ValueError as error:
            raise UsageError(f"`--steps`: {error}") from None
        if not steps.startswith("+") or count < 1:
            raise UsageError(
                f"`--steps {steps}` is no number of further steps", hint="write it as `+3k`"
            )
        if rate is not None and not 0 < rate <= 1:
            raise UsageError(f"the rate {rate:g} is outside 0..1")
        return cls(count, rate)


def extended(recipe: TrainingRecipe, extension: Extension) -> TrainingRecipe:
    """The recipe with one more phase, which trains what the last one trained.

    UsageError for a kind that is not trained in steps.
    """
    last = recipe.phases[-1]
    end = last.steps - 1
    taken = {phase.name for phase in recipe.phases}
    numbered = [NAME, *(f"{NAME}_{n}" for n in range(2, len(taken) + 2))]
    given = extension.rate
    phase = Phase.model_validate(
        last.dump()
        | {
            "name": next(name for name in numbered if name not in taken),
            "steps": extension.steps,
            "rate": Constant(value=last.rate.at(end) if given is None else given).dump(),
            "rates": {}
            if given is not None
            else {name: rate.at(end) for name, rate in last.rates.items()},
            "keep_optimizers": True,
        }
    )
    kept = {key: value for key, value in recipe.dump().items() if key not in PER_PHASE}
    phases = [one.dump() for one in (*recipe.phases, phase)]
    try:
        return type(recipe).model_validate(kept | {"phase": phases})
    except ValidationError as error:
        reason = error.errors()[0]["msg"]
        raise UsageError(f"a run of kind `{recipe.kind}` has no further steps: {reason}") from None


def record_recipe(run: RunFolder, recipe: TrainingRecipe, before: Environment) -> None:
    """Let a recipe be that of a run from now on; the run must be locked."""
    write_text(run.path / RECIPE, recipe_toml(recipe))
    now = replace(before, recipe=flat(recipe.dump()))
    write_json(run.path / ENVIRONMENT, asdict(now))
