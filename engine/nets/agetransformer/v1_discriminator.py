"""AgeTransformer's discriminator as it was published: real or generated at an age, and the age.

StyleGAN2's discriminator with two heads: a logit with a projection of the class (Miyato and Koyama
2018), and logits of the classes.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Self

import torch
from torch import Tensor, nn

from engine.core.errors import WeightsError
from engine.nets.agetransformer.discriminator_output import DiscriminatorOutput
from engine.nets.agetransformer.published import completed
from engine.nets.loading import built
from engine.nets.stylegan2.discriminator import EqualConv, Residual, minibatch_deviation
from engine.nets.stylegan2.layers import Activation, EqualLinear

RGB, LAST = 3, 4  # colours; px of the last map
GROUP, FEATURES = 4, 1


@dataclass(frozen=True, slots=True)
class PublishedDiscriminatorSpec:
    """Classes, and channels at full size and after each halving down to 4 px."""

    classes: int = 10
    channels: tuple[int, ...] = (256, 512, 512, 512, 512, 512)

    @property
    def size(self) -> int:
        """Side of the pictures in px."""
        return LAST * 2 ** (len(self.channels) - 1)

    @classmethod
    def of(cls, state: Mapping[str, Tensor]) -> Self:
        """Read the shape off a state dict."""
        try:
            channels = [state["convs.0.0.weight"].shape[0]]
            while (key := f"convs.{len(channels)}.conv2.1.weight") in state:
                channels.append(state[key].shape[0])
            return cls(state["project.weight"].shape[0], tuple(channels))
        except KeyError as error:
            raise WeightsError(
                f"{error} is missing: these are no weights of AgeTransformer's discriminator"
            ) from error


class PublishedDiscriminator(nn.Module):
    """Pictures (b, 3, s, s) in [-1, 1] and class weights (b, k) to a `DiscriminatorOutput`.

    The projection reads the table of classes at `weights`, so a soft label is a mixture of rows.
    """

    def __init__(self, spec: PublishedDiscriminatorSpec | None = None) -> None:
        super().__init__()
        self.spec = spec = PublishedDiscriminatorSpec() if spec is None else spec
        first, last = spec.channels[0], spec.channels[-1]
        self.convs = nn.Sequential(
            nn.Sequential(EqualConv(RGB, first, 1), Activation(first)),
            *(Residual(a, b) for a, b in pairwise(spec.channels)),
        )
        self.final_conv = nn.Sequential(
            EqualConv(last + FEATURES, last, 3, pad=1), Activation(last)
        )
        self.final_linear1 = EqualLinear(last * LAST**2, last, active=True)
        self.project = nn.Embedding(spec.classes, last)
        self.final_linear2 = EqualLinear(last, 1)
        self.final_linear_cls = nn.Sequential(
            EqualLinear(last * LAST**2, last, active=True), EqualLinear(last, spec.classes)
        )
        self.final_linear_add_fc = nn.Sequential(
            EqualLinear(last, last, active=True), EqualLinear(last, 1)
        )

    @classmethod
    def from_state(cls, state: Mapping[str, Tensor]) -> Self:
        """The discriminator that a state dict describes, holding its tensors."""
        spec = PublishedDiscriminatorSpec.of(state)
        whole = completed(lambda: cls(spec), state)
        return built(lambda: cls(spec), whole, name="AgeTransformer's discriminator")

    def forward(self, picture: Tensor, weights: Tensor) -> DiscriminatorOutput:
        x = self.convs(picture.contiguous(memory_format=torch.channels_last)).contiguous()
        x = minibatch_deviation(x, group=GROUP, features=FEATURES)
        flat = self.final_conv(x).flatten(1)
        feature = self.final_linear1(flat)
        embedding = weights.to(feature.dtype) @ self.project.weight
        logit = self.final_linear2(feature) + self.final_linear_add_fc(embedding * feature)
        return DiscriminatorOutput((logit[:, :, None, None],), self.final_linear_cls(flat), (x,))
