"""Learn to take landscapes apart into codes and to paint them again: the warm start of the game."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from engine.core.progress import Progress
from engine.landscapes.inference.sheets import in_parts, tiled
from engine.landscapes.losses.base import LandscapeLoss, painting_terms
from engine.landscapes.losses.inputs import LandscapeLossInputs, LandscapeNetworks
from engine.landscapes.nets.encoder import LandscapeEncoder
from engine.landscapes.nets.generator import LandscapeGenerator
from engine.landscapes.training.data import LandscapeSource, gathered, landscape_batch
from engine.metrics.pixels import psnr
from engine.training.task import Batch, Best, Nets, StepContext, Task, Term
from engine.weights.checkpoint import Checkpoint

SHOWN = 6


class LandscapeVaeTask(Task):
    """A variational autoencoder whose decoder is told valence and arousal, its encoder not."""

    def __init__(
        self, parts: LandscapeNetworks, source: LandscapeSource, losses: Sequence[LandscapeLoss]
    ) -> None:
        assert parts.encoder is not None
        self.nets, self.source, self.losses = parts, source, tuple(losses)
        self.encoder: LandscapeEncoder = parts.encoder
        self.parts = {"encoder": self.encoder, "generator": parts.generator}
        self.frozen = {}
        self.optimizer_steps = {"main": ("encoder", "generator")}
        self.best = Best(metric="psnr", goal="max")

    def prepare(self, progress: Progress) -> None:
        """Render or read the landscapes."""
        self.data = gathered(self.source, progress)

    def batch(self, context: StepContext, batch: int) -> Batch:
        """Pictures, their places, and the chance in their codes."""
        found = landscape_batch(self.data, self.source, context.draws, batch)
        return found | {"other": context.draws.normal("other", self.encoder.spec.latent)}

    def terms(self, optimizer_step: str, batch: Batch, context: StepContext) -> dict[str, Term]:
        """How far the painted pictures are off, and the codes from the normal."""
        trial = LandscapeLossInputs(
            self.nets,
            real=batch["real"],
            places=batch["places"],
            asked=batch["places"],
            elsewhere=batch["places"],
            normal=batch["other"],
            other=batch["other"],
            augmented=lambda pictures: pictures,
            painting=True,
        )
        found = painting_terms(trial, self.losses, context.step)
        return {name: Term(*weighed) for name, weighed in found.items()}

    def validate(self, nets: Nets, device: torch.device) -> dict[str, float]:
        """Likeness of held-out landscapes, and how far their codes lie from the normal in nats."""
        encoder, generator = _typed(nets)
        rows = range(len(self.data.check))
        real, places = self.data.check.tensor(rows), self.data.check.place(rows)
        codes = in_parts(lambda x: torch.cat(encoder(x), 1), device, real)
        mean, log_variance = codes.chunk(2, 1)
        output = in_parts(generator, device, mean, places)
        nats = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(dim=1)
        return {"psnr": float(psnr(output, real).mean()), "nats": float(nats.mean())}

    def sample(self, nets: Nets, device: torch.device) -> np.ndarray | None:
        """Held-out landscapes, what came back of them, and pictures of codes by chance."""
        encoder, generator = _typed(nets)
        rows = range(min(SHOWN, len(self.data.check)))
        real, places = self.data.check.tensor(rows), self.data.check.place(rows)
        output = in_parts(lambda x, at: generator(encoder(x).mean, at), device, real, places)
        return tiled(torch.cat([real, output]), len(rows))

    def checkpoint(self, nets: Nets) -> Checkpoint:
        """Both networks; the generator knows where the codes of held-out landscapes lie."""
        encoder, generator = _typed(nets)
        device = next(encoder.parameters()).device
        mean, spread = aggregate(
            encoder, self.data.check.tensor(range(len(self.data.check))), device
        )
        state = dict(generator.state_dict()) | {"code_mean": mean, "code_spread": spread}
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
def aggregate(
    encoder: LandscapeEncoder, pictures: Tensor, device: torch.device
) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation (latent,) of the codes of all pictures together."""
    told = in_parts(lambda x: torch.cat(encoder(x), 1), device, pictures)
    mean, log_variance = told.chunk(2, 1)
    spread = (mean.var(dim=0, correction=0) + log_variance.exp().mean(dim=0)).sqrt()
    return mean.mean(dim=0), spread


def _typed(nets: Nets) -> tuple[LandscapeEncoder, LandscapeGenerator]:
    encoder, generator = nets["encoder"], nets["generator"]
    assert isinstance(encoder, LandscapeEncoder)
    assert isinstance(generator, LandscapeGenerator)
    return encoder, generator
