"""Exponential moving averages of weights: what is evaluated and delivered."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn


class WeightAverage:
    """The average of a network's parameters and float buffers over its steps.

    decay: weight of the past; warm-up follows min(decay, (1 + n) / (10 + n)) with n updates behind
    (as TensorFlow's), so that the first steps of a training from nothing do not linger. Integer
    buffers, such as batch counters, are copied.
    """

    def __init__(self, net: nn.Module, decay: float, *, warm_up: bool = True) -> None:
        if not 0 <= decay < 1:
            raise ValueError(f"a decay of {decay} is outside 0..1")
        self.decay = decay
        self.warm_up = warm_up
        self.updates = 0
        self.shadow = {key: value.detach().clone() for key, value in net.state_dict().items()}

    @torch.no_grad()
    def update(self, net: nn.Module) -> None:
        """Take in the weights of one more step."""
        decay = self.decay
        if self.warm_up:
            decay = min(decay, (1 + self.updates) / (10 + self.updates))
        self.updates += 1
        state = net.state_dict()
        floating = [key for key, value in self.shadow.items() if value.is_floating_point()]
        torch._foreach_lerp_(
            [self.shadow[key] for key in floating], [state[key] for key in floating], 1 - decay
        )
        for key in self.shadow.keys() - set(floating):
            self.shadow[key].copy_(state[key])

    def copy_to(self, net: nn.Module) -> None:
        """Give a network of the same shape the averaged weights."""
        net.load_state_dict(self.shadow)

    def state_dict(self) -> dict[str, Tensor]:
        """The averaged weights, and the count of updates under `updates`."""
        return {**self.shadow, "updates": torch.tensor(self.updates)}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Take up where a saved average ended; KeyError for a key too many or too few."""
        weights = {key: value for key, value in state.items() if key != "updates"}
        if weights.keys() != self.shadow.keys():
            raise KeyError(f"keys differ: {sorted(weights.keys() ^ self.shadow.keys())[:8]}")
        self.updates = int(state["updates"])
        for key, value in weights.items():
            self.shadow[key].copy_(value)
