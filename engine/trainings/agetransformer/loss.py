"""The weights of the losses of an AgeTransformer."""

from pydantic import Field

from engine.core.numbers import Real
from engine.core.table import Table


class AgeTransformerLoss(Table):
    """Weights of the losses; 0 leaves a loss out.

    With a known truth (rendered faces): `pixel`, `gradient`, `texture`, `matching`, `perceptual`.
    Without: `reconstruction` and `cycle`, with `perceptual` on both.
    """

    pixel: Real = Field(default=20.0, ge=0)
    gradient: Real = Field(default=3.0, ge=0)
    texture: Real = Field(default=1.5, ge=0)
    matching: Real = Field(default=0.4, ge=0)
    """Of feature matching."""
    perceptual: Real = Field(default=3.0, ge=0)
    adversarial: Real = Field(default=1.0, ge=0)
    age_class: Real = Field(default=1.0, ge=0)
    """Of the discriminator's age classes of outputs, for the generator."""
    age: Real = Field(default=5.0, ge=0)
    """Of the squared error of the estimated age, in centuries."""
    identity: Real = Field(default=1.0, ge=0)
    direction: Real = Field(default=0.0, ge=0)
    """That features of `vlm.tower` move along the direction between the two ages."""
    attributes: Real = Field(default=0.0, ge=0)
    """That features of `vlm.tower` across the ages' directions stay."""
    reconstruction: Real = Field(default=8.0, ge=0)
    cycle: Real = Field(default=8.0, ge=0)
    cycle_every: int = Field(default=1, ge=1)
    discriminator_age_class: Real = Field(default=1.2, ge=0)
    """Of the discriminator's age classes of real faces, for the discriminator."""
    r1: Real = Field(default=10.0, ge=0)
    r1_every: int = Field(default=16, ge=1)
    r1_pictures: int = Field(default=8, ge=1)
    warm_up: int = Field(default=150, ge=0)
    """Steps over which the weight of `adversarial` rises."""

    @property
    def needs_tower(self) -> bool:
        return bool(self.direction or self.attributes)
