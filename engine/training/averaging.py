"""The exponential moving average of weights, which is validated and delivered."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn


class WeightAverage:
    """The average of a network's parameters and float buffers over its steps.

    decay: weight of the past; with warm-up it is min(decay, (1 + n) / (10 + n)) after n updates,
    as in TensorFlow, so that the random start is forgotten soon. Integer buffers, such as batch
    counters, are copied.
    """

    # Not torch's AveragedModel: its first update copies the weights instead of averaging them, it
    # averages integer buffers too, and it has no warm-up; runs would end in other bits. Its
    # arithmetic is used below.

    def __init__(self, net: nn.Module, decay: float, *, warm_up: bool = True) -> None:
        if not 0 <= decay < 1:
            raise ValueError(f"a decay of {decay} is outside 0..1")
        self.decay = decay
        self.warm_up = warm_up
        self.updates = 0
        self.shadow = {key: value.detach().clone() for key, value in net.state_dict().items()}

    @torch.no_grad()
    def update(self, net: nn.Module) -> None:
        """Add the weights of one more step."""
        decay = self.decay
        if self.warm_up:
            decay = min(decay, (1 + self.updates) / (10 + self.updates))
        self.updates += 1
        state = net.state_dict()
        floating = [key for key, value in self.shadow.items() if value.is_floating_point()]
        get_ema_multi_avg_fn(decay)(
            [self.shadow[key] for key in floating], [state[key] for key in floating], None
        )
        for key in self.shadow.keys() - set(floating):
            self.shadow[key].copy_(state[key])

    def copy_to(self, net: nn.Module) -> None:
        """Load the averaged weights into a network of the same shape."""
        net.load_state_dict(self.shadow)

    def state_dict(self) -> dict[str, Tensor]:
        """The averaged weights, and the count of updates under `updates`."""
        return {**self.shadow, "updates": torch.tensor(self.updates)}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Continue a saved average; KeyError for missing or unexpected keys."""
        weights = {key: value for key, value in state.items() if key != "updates"}
        if weights.keys() != self.shadow.keys():
            raise KeyError(f"keys differ: {sorted(weights.keys() ^ self.shadow.keys())[:8]}")
        self.updates = int(state["updates"])
        for key, value in weights.items():
            self.shadow[key].copy_(value)
