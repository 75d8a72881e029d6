"""Learn to paint landscapes from valence and arousal: generator against discriminator."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from engine.core.errors import TmError
from engine.core.progress import Progress, Silence
from engine.landscapes.inference.sheets import in_parts, plane, tiled
from engine.landscapes.losses.augmentation import ChangeName, adapted, changed
from engine.landscapes.losses.base import LandscapeLoss, WeightedTerm, judging_terms, painting_terms
from engine.landscapes.losses.inputs import LandscapeLossInputs, LandscapeNetworks
from engine.landscapes.metrics.evaluation import LandscapeMetrics, normals
from engine.landscapes.metrics.red_flags import CAUSES
from engine.landscapes.metrics.va_regression import Judge
from engine.landscapes.nets.encoder import Code
from engine.landscapes.nets.evaluator import VaEvaluator
from engine.landscapes.nets.generator import LandscapeGenerator, of_units
from engine.landscapes.nets.growth import softened
from engine.landscapes.training.data import Data, LandscapeSource, gathered, landscape_batch
from engine.training.task import Batch, Best, Nets, StepContext, Task, Term
from engine.weights.checkpoint import Checkpoint

GRID, ROW = 3, 6
SEEN, SURE = 256, 0.8
HEALTHY, STUCK, DEAD, FAINT = 2.0, 0.5, 0.02, 1e-4
GRID_LOW, GRID_HIGH = 0.2, 0.8
ADAPT_EVERY = 4
DRIFT = 0.01
CHANGES = 8
"""Numbers that one picture's changes need."""


class HopelessError(TmError):
    """A training whose pictures stay broken."""


@dataclass(frozen=True, slots=True)
class AdversarialSettings:
    """How the game is played, beside its losses."""

    changes: tuple[ChangeName, ...] = ()
    """What happens to pictures before the discriminator sees them."""
    adaptive: bool = False
    """Whether the chance of a change follows how surely real pictures are known; else it is 1."""
    target: float = 0.6
    slow: int = 500_000
    """Pictures in which the chance could go from 0 to 1."""
    follow: bool = True
    """Whether chance codes are drawn where the encoder has lately put real pictures."""
    wish_noise: float = 0.0
    """Standard deviation of what is added to the places that are asked for."""
    wishes: Literal["batch", "shuffled", "uniform"] = "shuffled"
    """Asked for is what the real pictures of the step have, in another order, or anything."""
    grow: int | None = None
    """Steps in which the last stage fades in, where the networks have grown."""
    stop_after: int | None = None
    """Validations in a row with a red flag that end the run; never if None."""


@dataclass(frozen=True, slots=True)
class LandscapeSetup:
    """What the task is made of."""

    source: LandscapeSource
    losses: Sequence[LandscapeLoss]
    game: AdversarialSettings
    judge: VaEvaluator | None = None
    evaluated_by: str = "ridge"
    others: dict[str, nn.Module] = field(default_factory=dict[str, nn.Module])
    """Frozen networks that losses use."""


class LandscapeTask(Task):
    """Two optimizer steps: first the discriminator's, then the generator's."""

    def __init__(self, parts: LandscapeNetworks, setting: LandscapeSetup) -> None:
        if parts.discriminator is None:
            raise ValueError("a game needs a discriminator")
        self.nets, self.setting, self.discriminator = parts, setting, parts.discriminator
        self.source, self.game = setting.source, setting.game
        self.losses = tuple(setting.losses)
        self.parts = {"generator": parts.generator, "discriminator": self.discriminator}
        painters = ("generator",)
        if parts.encoder is not None:
            self.parts["encoder"] = parts.encoder
            painters = ("generator", "encoder")
        for net in self.parts.values():
            net.to(memory_format=torch.channels_last)
        judge = {} if setting.judge is None else {"judge": setting.judge}
        self.frozen = {**setting.others, **judge}
        self.optimizer_steps = {"discriminator": ("discriminator",), "generator": painters}
        self.best = Best(metric="selection_score", goal="max")
        self.told: Progress = Silence()

    def prepare(self, progress: Progress) -> None:
        """Render or read the landscapes."""
        self.data: Data = gathered(self.source, progress)

    def precompute(self, device: torch.device, progress: Progress) -> None:
        """Measure the real landscapes once: limits of flags, features, the judge's ceiling."""
        self.told = progress
        judge: Judge | None = None
        if (net := self.setting.judge) is not None:
            judge = lambda pictures: in_parts(net, device, pictures)  # noqa: E731
        self.exam = LandscapeMetrics.of(self.data.learn, self.data.check, judge)

    def batch(self, context: StepContext, batch: int) -> Batch:
        """Pictures, places, wishes, codes, and how pictures are changed."""
        draws, width = context.draws, self.nets.generator.spec.latent
        found = landscape_batch(self.data, self.source, draws, batch)
        asked = {
            "batch": lambda: found["places"],
            "shuffled": lambda: found["places"].roll(1, 0),
            "uniform": lambda: draws.uniform("asked", 2),
        }[self.game.wishes]()
        if self.game.wish_noise:
            asked = (asked + self.game.wish_noise * draws.normal("wish", 2)).clamp(0, 1)
        return found | {
            "asked": asked,
            "elsewhere": draws.uniform("elsewhere", 2),
            "normal": draws.normal("normal", width),
            "other": draws.normal("other", width),
            "changes": draws.uniform("changes", 4, CHANGES),
        }

    def terms(self, optimizer_step: str, batch: Batch, context: StepContext) -> dict[str, Term]:
        """The losses of one optimizer_step that count at this step."""
        self._grow(context.step)
        trial = self._trial(batch, painting=optimizer_step == "generator")
        found: dict[str, WeightedTerm]
        if trial.painting:
            found = painting_terms(trial, self.losses, context.step)
            if self.game.follow and "code" in trial.memo:
                self._follow(trial.code())
        else:
            found = judging_terms(trial, self.losses, context.step)
            if self.game.adaptive and context.step % ADAPT_EVERY == 0:
                self._adapt(trial)
            found["judge/surely_real"] = WeightedTerm(
                trial.verdict("real").logits.sign().mean(), 0.0
            )
        return {name: Term(*weighed) for name, weighed in found.items()}

    def validate(self, nets: Nets, device: torch.device) -> dict[str, float]:
        """The exam of what would be delivered; red flags are told, and may end the run."""
        generator = _generator(nets)
        figures, flags = self.exam.figures(
            lambda codes, places: in_parts(
                lambda z, at: generator(generator.codes(z), at), device, codes, places
            ),
            generator.spec.latent,
        )
        units = of_units(generator)
        if units["gamma"] > max((unit.bound for unit in generator.units), default=0.0) + FAINT:
            flags["gamma"] = units["gamma"]
        surely = self._surely(nets, device)
        if surely > SURE:
            flags["overconfident"] = surely
        figures |= units | {"discriminator_confidence": surely, "red_flags": float(len(flags))}
        for name, value in flags.items():
            self.told.remark(f"red flag `{name}` at {value:.3g}: {CAUSES[name]}")
        self._warn(units)
        flagged = self.discriminator.get_buffer("flagged")
        flagged.copy_(flagged + 1 if flags else torch.zeros(()))
        if self.game.stop_after is not None and flagged >= self.game.stop_after:
            raise HopelessError(
                f"{int(flagged)} validations in a row raised red flags: {', '.join(flags)}",
                hint="go on from the last checkpoint with `game.stop_after` unset, or change the"
                " recipe",
            )
        return figures

    def sample(self, nets: Nets, device: torch.device) -> np.ndarray | None:
        """One code over the plane, then six codes in its middle: the same ones at every step."""
        generator = _generator(nets)
        width = generator.spec.latent
        places = torch.cat([plane(GRID, GRID_LOW, GRID_HIGH), torch.full((ROW, 2), 0.5)])
        codes = torch.cat([normals(1, width, 1).expand(GRID**2, -1), normals(ROW, width, 2)])
        found = in_parts(lambda z, at: generator(generator.codes(z), at), device, codes, places)
        return tiled(found, GRID)

    def checkpoint(self, nets: Nets) -> Checkpoint:
        """All networks, so that a run can begin from another; `tm gan` uses the generator."""
        generator = _generator(nets)
        facts = {
            "task": "landscape",
            "size": generator.spec.size,
            "scale": self.source.scale,
            "evaluated_by": self.setting.evaluated_by,
        }
        states = {name: net.state_dict() for name, net in nets.items()}
        return Checkpoint("native", states, facts=facts)

    def _surely(self, nets: Nets, device: torch.device) -> float:
        """How surely real and painted pictures are told apart, 0..1, on those learned from."""
        generator, discriminator = _generator(nets), nets["discriminator"]
        rows = range(min(len(self.data.learn), SEEN))
        real, places = self.data.learn.tensor(rows), self.data.learn.place(rows)
        codes = normals(len(rows), generator.spec.latent, 7)

        def painted(z: Tensor, at: Tensor) -> Tensor:
            return discriminator(generator(generator.codes(z), at), at).logits

        fake = in_parts(painted, device, codes, places)
        true = in_parts(lambda x, at: discriminator(x, at).logits, device, real, places)
        return float((true.sign().mean() - fake.sign().mean()) / 2)

    def _warn(self, units: dict[str, float]) -> None:
        """Tell of units that do more, or less, than the design means them to."""
        if units["gamma"] > HEALTHY:
            self.told.remark(f"scaled gamma at {units['gamma']:.3g}, the design keeps below 2")
        if units["clipped"] > STUCK:
            self.told.remark(f"{units['clipped']:.0%} of the bases of gamma are at their edge")
        if self.nets.generator.units and units["moved"] < DEAD:
            self.told.remark("units hardly follow valence and arousal: stuck near one")

    def _trial(self, batch: Batch, *, painting: bool) -> LandscapeLossInputs:
        changes, game = batch["changes"], self.game
        chance = self.discriminator.get_buffer("augment") if game.adaptive else torch.ones(())
        seen = iter(range(changes.shape[1]))

        def augmented(pictures: Tensor) -> Tensor:
            if not game.changes:
                return pictures
            told = changes[:, next(seen) % changes.shape[1]]
            return changed(pictures, game.changes, told, chance.to(told.device))

        real, fade = batch["real"], self.nets.generator.fade
        if fade is not None and (share := fade.share) < 1:
            real = softened(real, share)
        return LandscapeLossInputs(
            self.nets,
            real=real.contiguous(memory_format=torch.channels_last),
            places=batch["places"],
            asked=batch["asked"],
            elsewhere=batch["elsewhere"],
            normal=batch["normal"],
            other=batch["other"],
            augmented=augmented,
            painting=painting,
        )

    def _grow(self, step: int) -> None:
        if self.game.grow is not None:
            for fade in (self.nets.generator.fade, self.discriminator.fade):
                assert fade is not None
                fade.reach(step, self.game.grow)

    @torch.no_grad()
    def _follow(self, code: Code) -> None:
        """Let the generator's own idea of where codes lie drift to this batch's."""
        generator = self.nets.generator
        mean, spread = generator.get_buffer("code_mean"), generator.get_buffer("code_spread")
        seen, log_variance = code.mean.detach(), code.log_variance.detach()
        variance = (seen - mean).square().mean(dim=0) + log_variance.exp().mean(dim=0)
        spread.copy_(torch.lerp(spread.square(), variance, DRIFT).sqrt())
        mean.lerp_(seen.mean(dim=0), DRIFT)

    @torch.no_grad()
    def _adapt(self, trial: LandscapeLossInputs) -> None:
        chance = self.discriminator.get_buffer("augment")
        pictures = ADAPT_EVERY * len(trial.real)
        logits = trial.verdict("real").logits
        moved = adapted(
            chance, logits, target=self.game.target, pictures=pictures, slow=self.game.slow
        )
        chance.copy_(moved)


def _generator(nets: Nets) -> LandscapeGenerator:
    generator = nets["generator"]
    assert isinstance(generator, LandscapeGenerator)
    return generator
