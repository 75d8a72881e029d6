"""The training of the variational autoencoder: the warm start of the adversarial training."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from engine.core.progress import Progress
from engine.landscapes.inference.batches import in_batches, tiled
from engine.landscapes.losses.base import LandscapeLoss, generator_terms
from engine.landscapes.losses.inputs import LandscapeLossInputs, LandscapeNetworks
from engine.landscapes.nets.encoder import LandscapeEncoder
from engine.landscapes.nets.generator import LandscapeGenerator
from engine.landscapes.trainings.data import LandscapeSource
from engine.metrics.pixels import psnr
from engine.training.task import Batch, Best, Nets, StepContext, Task, Term
from engine.weights.checkpoint import Checkpoint

SHOWN = 6


class LandscapeVaeTask(Task):
    """A variational autoencoder; only its decoder is conditioned on valence and arousal."""

    def __init__(
        self, networks: LandscapeNetworks, source: LandscapeSource, losses: Sequence[LandscapeLoss]
    ) -> None:
        assert networks.encoder is not None
        self.networks, self.source, self.losses = networks, source, tuple(losses)
        self.encoder: LandscapeEncoder = networks.encoder
        self.parts = {"encoder": self.encoder, "generator": networks.generator}
        self.frozen = {}
        self.optimizer_steps = {"main": ("encoder", "generator")}
        self.best = Best(metric="psnr", goal="max")

    def prepare(self, progress: Progress) -> None:
        """Render or read the landscapes."""
        self.sets = self.source.load(progress)

    def batch(self, context: StepContext, batch: int) -> Batch:
        """`real` images, their `va`, and the noise of their latents."""
        real = self.source.batch(self.sets, context.draws, batch)
        return real | {"noise": context.draws.normal("other", self.encoder.spec.latent)}

    def terms(self, optimizer_step: str, batch: Batch, context: StepContext) -> dict[str, Term]:
        """The generator terms of the losses."""
        inputs = LandscapeLossInputs(
            self.networks,
            real=batch["real"],
            va=batch["va"],
            target_va=batch["va"],
            other_va=batch["va"],
            noise=batch["noise"],
            other_noise=batch["noise"],
            augment=lambda pictures: pictures,
            generator_step=True,
        )
        return generator_terms(inputs, self.losses, context.step)

    def validate(self, nets: Nets, device: torch.device) -> dict[str, float]:
        """PSNR of held-out reconstructions, and the KL divergence of their latents in nats."""
        encoder, generator = _typed(nets)
        rows = range(len(self.sets.validation))
        real, va = self.sets.validation.tensor(rows), self.sets.validation.va_of(rows)
        mean, log_variance = _encoded(encoder, real, device)
        output = in_batches(generator, device, mean, va)
        kl = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(dim=1)
        return {"psnr": float(psnr(output, real).mean()), "kl_nats": float(kl.mean())}

    def sample(self, nets: Nets, device: torch.device) -> np.ndarray | None:
        """Held-out landscapes above their reconstructions."""
        encoder, generator = _typed(nets)
        rows = range(min(SHOWN, len(self.sets.validation)))
        real, va = self.sets.validation.tensor(rows), self.sets.validation.va_of(rows)
        output = in_batches(lambda x, va: generator(encoder(x).mean, va), device, real, va)
        return tiled(torch.cat([real, output]), len(rows))

    def checkpoint(self, nets: Nets) -> Checkpoint:
        """Both networks; the generator holds the latent statistics of held-out landscapes."""
        encoder, generator = _typed(nets)
        device = next(encoder.parameters()).device
        validation = self.sets.validation
        mean, std = latent_statistics(encoder, validation.tensor(range(len(validation))), device)
        state = dict(generator.state_dict()) | {"code_mean": mean, "code_spread": std}
        return Checkpoint(
            "native",
            {"encoder": encoder.state_dict(), "generator": state},
            facts={
                "task": "landscape_vae",
                "size": generator.spec.size,
                "scale": self.source.scale,
            },
        )


@torch.no_grad()
def latent_statistics(
    encoder: LandscapeEncoder, pictures: Tensor, device: torch.device
) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation (latent,) of the aggregate posterior of all pictures."""
    mean, log_variance = _encoded(encoder, pictures, device)
    std = (mean.var(dim=0, correction=0) + log_variance.exp().mean(dim=0)).sqrt()
    return mean.mean(dim=0), std


def _encoded(
    encoder: LandscapeEncoder, pictures: Tensor, device: torch.device
) -> tuple[Tensor, ...]:
    """Mean and log variance (n, latent) of the latents of pictures."""
    return in_batches(lambda x: torch.cat(encoder(x), 1), device, pictures).chunk(2, 1)


def _typed(nets: Nets) -> tuple[LandscapeEncoder, LandscapeGenerator]:
    encoder, generator = nets["encoder"], nets["generator"]
    assert isinstance(encoder, LandscapeEncoder)
    assert isinstance(generator, LandscapeGenerator)
    return encoder, generator
