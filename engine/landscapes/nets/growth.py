"""Growing to twice the side: a new stage fades in over what a smaller network already does.

Karras et al. 2018 (ProGAN, section 2 and figure 2).
"""

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.core.errors import WeightsError

BEFORE, FADE = "before.", "fade."


class Fade(nn.Module):
    """How far the new stage is in, from 0 (the smaller network as it was) to 1.

    Kept as a count of steps: averages of weights copy whole numbers.
    """

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("count", torch.tensor([0, 1]))

    @property
    def share(self) -> float:
        """In 0..1; waits for the device."""
        step, steps = self.get_buffer("count").tolist()
        return min(step / steps, 1.0)

    def reach(self, step: int, steps: int) -> None:
        """Come to `step` of the `steps` that the fading takes."""
        self.get_buffer("count").copy_(torch.tensor([min(step, steps), steps]))


def enlarged(x: Tensor) -> Tensor:
    """Every pixel of (b, c, h, w) twice each way."""
    return F.interpolate(x, scale_factor=2, mode="nearest")


def softened(pictures: Tensor, share: float) -> Tensor:
    """Pictures (b, 3, s, s) with `share` of the detail that half the side does not hold."""
    return torch.lerp(enlarged(F.avg_pool2d(pictures, 2)), pictures, share)


def grown_generator(small: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The state of a generator under the keys it has in one of twice the side."""
    return {_swapped(key, "paint."): value for key, value in _settled(small).items()}


def grown_discriminator(small: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The same for a discriminator, whose new block comes first."""
    return {_after_one(_swapped(key, "entry.")): value for key, value in _settled(small).items()}


def load_grown(net: nn.Module, state: Mapping[str, Tensor], *, fresh: tuple[str, ...]) -> None:
    """Load all but what begins with one of `fresh`, which the small network cannot know.

    RuntimeError as of `load_state_dict`.
    """
    known = {k: v for k, v in net.state_dict().items() if k.startswith((*fresh, FADE))}
    net.load_state_dict({**known, **state})


def _settled(small: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Without what an earlier growth left; WeightsError if that is still under way."""
    count = small.get(f"{FADE}count")
    if count is not None and count[0] < count[1]:
        raise WeightsError(
            f"these networks have not grown up: step {int(count[0])} of {int(count[1])}",
            hint="finish that run, then grow again",
        )
    return {key: value for key, value in small.items() if not key.startswith((BEFORE, FADE))}


def _swapped(key: str, old: str) -> str:
    return BEFORE + key.removeprefix(old) if key.startswith(old) else key


def _after_one(key: str) -> str:
    if not key.startswith("blocks."):
        return key
    at, rest = key.removeprefix("blocks.").split(".", 1)
    return f"blocks.{int(at) + 1}.{rest}"
