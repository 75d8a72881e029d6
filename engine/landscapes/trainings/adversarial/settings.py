"""The recipe table `adversarial`: the settings of the adversarial training beside its losses."""

from typing import Literal

from pydantic import Field

from engine.core.numbers import Count, Real
from engine.core.table import Table
from engine.landscapes.losses.augmentation import AugmentationName


class AdversarialTable(Table):
    """Augmentation, conditions, latents, progressive growing, and when to stop."""

    augmentations: tuple[AugmentationName, ...] = ()
    """Augmentations of real and generated images before the discriminator."""
    adaptive: bool = False
    """Adapt the augmentation probability (Karras et al. 2020); else it is 1."""
    ada_target: Real = Field(default=0.6, ge=-1, le=1)
    """Mean sign of the logits of real images above which the probability rises."""
    ada_images: Count = Field(default=500_000, gt=0)
    """Real images in which the probability can go from 0 to 1."""
    latents: Literal["fitted", "normal"] = "fitted"
    """Random latents follow the encoder's distribution over real images, or are standard normal."""
    target_sampling: Literal["batch", "shuffled", "uniform"] = "shuffled"
    """`target_va`: that of the real images in order or in another order, or uniform."""
    target_noise: Real = Field(default=0.0, ge=0)
    """Standard deviation of noise on `target_va`."""
    fade_in: Count | None = Field(default=None, gt=0)
    """Steps in which a new stage fades in; `start` is then a training of half the size."""
    red_flag_patience: int | None = Field(default=None, ge=1)
    """Consecutive validations with red flags that end the run; never if absent."""
