"""The game of generator and discriminator: non-saturating losses, R1, feature matching."""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor


def discriminator_loss(rendered: Sequence[Tensor], generated: Sequence[Tensor]) -> Tensor:
    """Logistic loss of a discriminator's logits, one tensor a scale; 2 ln 2 at chance.

    Goodfellow et al. 2014, section 3; rendered pictures are to be above 0, generated ones below.
    """
    losses = [
        F.softplus(-truth.float()).mean() + F.softplus(made.float()).mean()
        for truth, made in zip(rendered, generated, strict=True)
    ]
    return torch.stack(losses).mean()


def generator_loss(generated: Sequence[Tensor]) -> Tensor:
    """Non-saturating loss of the discriminator's logits: ln 2 where it cannot tell."""
    return torch.stack([F.softplus(-made.float()).mean() for made in generated]).mean()


def r1_penalty(discriminator: Callable[[Tensor], Sequence[Tensor]], rendered: Tensor) -> Tensor:
    """Squared slope of the discriminator at rendered pictures (b, c, h, w): a scalar.

    Mescheder et al. 2018, equation 9, without gamma / 2. For a patch discriminator: the slope
    of the sum over scales of the mean logit.
    """
    rendered = rendered.detach().requires_grad_(True)
    logits = [one.float().mean(dim=(1, 2, 3)).sum() for one in discriminator(rendered)]
    (slope,) = torch.autograd.grad(torch.stack(logits).sum(), rendered, create_graph=True)
    return slope.square().sum(dim=(1, 2, 3)).mean()


def feature_matching(generated: Sequence[Tensor], rendered: Sequence[Tensor]) -> Tensor:
    """Mean absolute difference of the discriminator's maps, relative to their size: a scalar.

    For pairs of pictures (Wang et al. 2018, section 3.2); no gradient reaches `rendered`.
    """
    apart = [
        (made.float() - truth.detach().float()).abs().mean()
        / truth.detach().float().abs().mean().clamp(min=1e-6)
        for made, truth in zip(generated, rendered, strict=True)
    ]
    return torch.stack(apart).mean()
