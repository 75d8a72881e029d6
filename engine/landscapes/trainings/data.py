"""The data of the landscape trainings: the recipe table, the loaded landscapes, and batches."""

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Self

from pydantic import Field, field_validator, model_validator
from torch import Tensor

from engine.core.errors import InputError
from engine.core.numbers import Real
from engine.core.progress import Progress
from engine.core.table import Table, fault_of
from engine.data.landscapes import (
    FEWEST,
    BalancedSampler,
    Landscapes,
    RatingPlan,
    WorldPlan,
    read_rated,
    rendered,
    sides,
)
from engine.data.va_range import VaRange
from engine.runtime.draws import Draws


class LandscapeData(Table):
    """The training and validation sets, and how batches are drawn from them."""

    train: WorldPlan
    validation: WorldPlan
    ratings: RatingPlan = RatingPlan()
    """The ratings of photos, where the recipe has `photos`."""
    only: str | None = None
    """A part of the plane to learn alone, such as `arousal > 0.6`; everything if absent."""
    balanced: bool = True
    """Draw photos with rare valence and arousal more often."""
    label_noise: Real = Field(default=0.0, ge=0)
    """Standard deviation of noise on valence and arousal."""
    flip: bool = True
    """Mirror images at random."""

    @field_validator("only")
    @classmethod
    def _readable(cls, only: str | None) -> str | None:
        if only is not None:
            VaRange.parse(only)
        return only

    @model_validator(mode="after")
    def _sizes(self) -> Self:
        if self.train.size != self.validation.size:
            raise fault_of("`train.size` and `validation.size` differ")
        return self


class LandscapeSets(NamedTuple):
    """Training and validation landscapes, and the sampler of balanced batches."""

    train: Landscapes
    validation: Landscapes
    sampler: BalancedSampler | None


@dataclass(frozen=True, slots=True)
class LandscapeSource:
    """Where landscapes come from: the landscape world, or a folder of rated photos."""

    settings: LandscapeData
    photos: Path | None = None

    @property
    def scale(self) -> str:
        """The scale of the ratings, for checkpoints."""
        return "0..1" if self.photos is None else self.settings.ratings.scale

    def load(self, progress: Progress) -> LandscapeSets:
        """Render or read both sets; `progress` gets notes on photos that were left out."""
        settings = self.settings
        if self.photos is None:
            plans = (settings.train, settings.validation)
            train, validation = (self._within(rendered(plan, progress)) for plan in plans)
            return LandscapeSets(train, validation, None)
        photos = read_rated(self.photos, settings.ratings, settings.train.size, progress)
        for note in photos.notes:
            progress.remark(note)
        train, validation = sides(self._within(photos), settings.ratings.test)
        return LandscapeSets(
            train, validation, BalancedSampler(train.va) if settings.balanced else None
        )

    def _within(self, landscapes: Landscapes) -> Landscapes:
        """Those within `only`; InputError if fewer than 16 are."""
        if self.settings.only is None:
            return landscapes
        rows = VaRange.parse(self.settings.only).rows(landscapes.va)
        if len(rows) < FEWEST:
            raise InputError(
                f"{len(rows)} of {len(landscapes)} landscapes have `{self.settings.only}`, fewer"
                f" than {FEWEST}"
            )
        return landscapes.subset(rows)

    def batch(
        self, sets: LandscapeSets, draws: Draws, batch: int, *, kinds: bool = False
    ) -> dict[str, Tensor]:
        """`real` images (b, 3, s, s), their valence and arousal `va` (b, 2), and with `kinds` the
        `kind` (b,) of drawn scenes.
        """
        if sets.sampler is None:
            rows = draws.shuffled(len(sets.train), batch=batch)
        else:
            rows = sets.sampler.rows(draws, "rows")
        mirrored = draws.uniform("mirrored") < 0.5 if self.settings.flip else None
        va = sets.train.va_of(rows)
        if self.settings.label_noise:
            va = (va + self.settings.label_noise * draws.normal("label", 2)).clamp(0, 1)
        known = {"kind": sets.train.kinds_of(rows)} if kinds else {}
        return {"real": sets.train.tensor(rows, mirrored), "va": va, **known}
