"""The part of a recipe that says how a discriminator of portraits plays along."""

from pydantic import Field

from engine.core.numbers import Real
from engine.core.table import Table


class AdversarialWeights(Table):
    """Weights of the game; 0 leaves a loss out."""

    adversarial: Real = Field(default=0.3, ge=0)
    matching: Real = Field(default=0.4, ge=0)
    r1: Real = Field(default=0.02, ge=0)
    r1_every: int = Field(default=16, ge=1)
    r1_pictures: int = Field(default=8, ge=1)
    warm_up: int = Field(default=150, ge=0)
