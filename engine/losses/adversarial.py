"""Adversarial training: non-saturating GAN losses, R1, feature matching."""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor


def discriminator_loss(real: Sequence[Tensor], generated: Sequence[Tensor]) -> Tensor:
    """Logistic loss of a discriminator's logits, one tensor a scale; 2 ln 2 at chance.

    Goodfellow et al. 2014, section 3: logits of real pictures go up, of generated ones down.
    """
    losses = [
        F.softplus(-positive.float()).mean() + F.softplus(negative.float()).mean()
        for positive, negative in zip(real, generated, strict=True)
    ]
    return torch.stack(losses).mean()


def generator_loss(generated: Sequence[Tensor]) -> Tensor:
    """Non-saturating loss of the discriminator's logits, one tensor a scale: ln 2 at chance."""
    return torch.stack([F.softplus(-logits.float()).mean() for logits in generated]).mean()


def r1_penalty(discriminator: Callable[[Tensor], Sequence[Tensor]], real: Tensor) -> Tensor:
    """R1 gradient penalty of a discriminator at real pictures (b, c, h, w): a scalar.

    Mescheder et al. 2018, equation 9, without gamma / 2. For a patch discriminator: the
    gradient of the sum over scales of the mean logit.
    """
    real = real.detach().requires_grad_(True)
    logits = [one.float().mean(dim=(1, 2, 3)).sum() for one in discriminator(real)]
    (gradient,) = torch.autograd.grad(torch.stack(logits).sum(), real, create_graph=True)
    return gradient.square().sum(dim=(1, 2, 3)).mean()


def feature_matching(generated: Sequence[Tensor], real: Sequence[Tensor]) -> Tensor:
    """Mean absolute difference of discriminator features, relative to the real ones: a scalar.

    For pairs of pictures (Wang et al. 2018, section 3.2); `real` gets no gradient.
    """
    errors = [
        (output.float() - target.detach().float()).abs().mean()
        / target.detach().float().abs().mean().clamp(min=1e-6)
        for output, target in zip(generated, real, strict=True)
    ]
    return torch.stack(errors).mean()
