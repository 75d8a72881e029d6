"""Progressive growing: a new stage fades in over the output of a network of half the size.

Karras et al. 2018 (ProGAN, section 2 and figure 2).
"""

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.core.errors import WeightsError

BEFORE, FADE = "before.", "fade."


class Fade(nn.Module):
    """Weight of the new stage, from 0 (the smaller network alone) to 1.

    Stored as a count of steps: the weight average copies integer buffers.
    """

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("count", torch.tensor([0, 1]))

    @property
    def share(self) -> float:
        """In 0..1; synchronises with the device."""
        step, steps = self.get_buffer("count").tolist()
        return min(step / steps, 1.0)

    def set_step(self, step: int, steps: int) -> None:
        """Set the fade to `step` of `steps`."""
        self.get_buffer("count").copy_(torch.tensor([min(step, steps), steps]))


def upsampled(x: Tensor) -> Tensor:
    """(b, c, h, w) to (b, c, 2h, 2w), nearest neighbour."""
    return F.interpolate(x, scale_factor=2, mode="nearest")


def with_detail(pictures: Tensor, share: float) -> Tensor:
    """Pictures (b, 3, s, s) with `share` of the detail that half the size cannot hold."""
    return torch.lerp(upsampled(F.avg_pool2d(pictures, 2)), pictures, share)


def grown_generator(small: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A generator's state dict under the keys of a generator of twice the size."""
    return {_replaced(key, "paint."): value for key, value in _without_fade(small).items()}


def grown_discriminator(small: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The same for a discriminator, whose new block comes first."""
    state = _without_fade(small)
    return {_next_block(_replaced(key, "entry.")): value for key, value in state.items()}


def load_grown(net: nn.Module, state: Mapping[str, Tensor], *, fresh: tuple[str, ...]) -> None:
    """Load all keys but those with a prefix in `fresh`, which the smaller network does not have.

    RuntimeError as from `load_state_dict`.
    """
    known = {k: v for k, v in net.state_dict().items() if k.startswith((*fresh, FADE))}
    net.load_state_dict({**known, **state})


def _without_fade(small: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The state dict without an earlier fade; WeightsError if that fade has not ended."""
    count = small.get(f"{FADE}count")
    if count is not None and count[0] < count[1]:
        raise WeightsError(
            f"the fade-in of these networks has not ended: step {int(count[0])} of {int(count[1])}",
            hint="finish that run first",
        )
    return {key: value for key, value in small.items() if not key.startswith((BEFORE, FADE))}


def _replaced(key: str, old: str) -> str:
    return BEFORE + key.removeprefix(old) if key.startswith(old) else key


def _next_block(key: str) -> str:
    name, _, rest = key.partition(".")
    if name not in ("blocks", "units", "attended"):
        return key
    index, rest = rest.split(".", 1)
    return f"{name}.{int(index) + 1}.{rest}"
