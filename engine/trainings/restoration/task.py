"""Learn to undo what spoils pictures: patches at a smaller side, or whole faces at their own."""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.core.numbers import AGE_CAP
from engine.core.progress import Progress
from engine.data.degradation import Degradation, degraded
from engine.data.jitter import flipped
from engine.data.landscapes import rendered as rendered_landscapes
from engine.data.mixed_worlds import CleanPictures, LandscapeShare
from engine.data.portraits import PortraitPlan, rendered
from engine.images.ranges import to_pixels
from engine.images.sheet import contact_sheet
from engine.losses.pixel import gradient_l1
from engine.losses.texture import texture_l1, texture_strength
from engine.metrics.pixels import psnr
from engine.nets.nano.discriminator import NanoDiscriminator
from engine.nets.protocols import AgeEstimator, Distance
from engine.runtime.draws import Draws
from engine.training.task import Batch, Best, Nets, StepContext, Task, Term
from engine.trainings.adversarial import AdversarialAim, PortraitAdversary
from engine.weights.checkpoint import Checkpoint

SHOWN, TOGETHER = 5, 16
CHECKED = 11
"""Seed of what chance does to the pictures of a validation: the same at every one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RestorationAim(AdversarialAim):
    """Weights of the terms beside the error of pixels, which has 1."""

    edges: float = 0.5
    texture: float = 0.02
    looks: float = 0.0
    age: float = 0.0
    """Of the squared error of the estimated age, in shares of 100 years."""
    adversarial: float = 0.0
    matching: float = 0.0


class RestorationTask(Task):
    """Spoilt pictures in, clean ones out; `scale` is how many times larger they come out.

    through: a frozen enlarger, (b, 3, h, w) to twice the size in [0, 1]; every other picture comes
    by way of it, as in a chain.
    discriminator: used where its losses have weight, as in GFPGAN (Wang et al. 2021, 3.4).
    looks: how different two portraits look to frozen networks, such as who it is and how old; age:
    estimates years, which are to stay those of the clean face.
    """

    def __init__(
        self,
        net: nn.Module,
        part: str,
        learn: PortraitPlan,
        check: PortraitPlan,
        how: Degradation,
        *,
        scale: int,
        patch: int,
        aim: RestorationAim,
        through: nn.Module | None = None,
        discriminator: NanoDiscriminator | None = None,
        looks: Distance | None = None,
        age: AgeEstimator | None = None,
        scapes: LandscapeShare | None = None,
    ) -> None:
        self.net = net.to(memory_format=torch.channels_last)
        self.part, self.scale, self.patch = part, scale, patch
        self.parts = {part: net}
        self.frozen: dict[str, nn.Module] = {} if through is None else {"enlarger": through}
        self.through = through
        self.optimizer_steps = {"main": (part,)}
        self.looks, self.age = looks, age
        for role, judge in (("looks", looks), ("age", age)):
            if isinstance(seen_by := getattr(judge, "net", None), nn.Module):
                self.frozen[role] = seen_by
        self.game = (
            PortraitAdversary(discriminator, aim)
            if discriminator is not None and aim.played
            else None
        )
        if self.game is not None:
            # The discriminator comes second and judges what was just drawn: one drawing a step.
            self.parts["discriminator"] = self.game.discriminator.to(
                memory_format=torch.channels_last
            )
            self.optimizer_steps["discriminator"] = ("discriminator",)
        by_perceptual = Best(metric="perceptual", goal="min")
        self.best = Best(metric="psnr", goal="max") if self.looks is None else by_perceptual
        self.plans, self.scapes, self.how, self.aim = (learn, check), scapes, how, aim
        self.drawn: tuple[int, Tensor] | None = None

    def prepare(self, progress: Progress) -> None:
        """Render all sets, or find them rendered; spoil the pictures of the validation once."""
        learn, check = self.plans
        self.learn = CleanPictures.rendered(learn, self.scapes, progress)
        self.check = rendered(check, progress)
        side = self.check.plan.size // self.scale
        draws = Draws(CHECKED, 0, range(len(self.check)))
        clean = self.check.tensor(range(len(self.check)))
        self.spoilt = degraded(clean, self.how, side, draws)
        if self.scapes is not None:
            scenes = rendered_landscapes(self.scapes.check, progress)
            self.scenes = scenes.tensor(range(len(scenes)))
            draws = Draws(CHECKED, 0, range(len(scenes)))
            self.spoilt_scenes = degraded(self.scenes, self.how, side, draws)
        if self.through is not None:
            small = degraded(clean, self.how, side // 2, draws)
            self.spoilt = self._enlarged(self.spoilt, small)

    def batch(self, context: StepContext, batch: int) -> Batch:
        """Clean patches and what chance made of them."""
        draws = context.draws
        clean = self._patches(self.learn.drawn(draws, batch=batch), draws)
        clean = flipped(clean, draws.uniform("mirrored") < 0.5)
        told = {
            "clean": clean,
            "spoilt": degraded(clean, self.how, self.patch // self.scale, draws),
        }
        if self.through is not None:
            told["small"] = degraded(clean, self.how, self.patch // 2, draws)
        return told

    def terms(self, optimizer_step: str, batch: Batch, context: StepContext) -> dict[str, Term]:
        """Pixels, edges, as much texture as the truth has, and what the judges and the game add."""
        clean = batch["clean"]
        if optimizer_step == "discriminator":
            assert self.game is not None
            return self.game.judging(clean, self._last_drawn(batch, context), context)
        made = self._restored(batch)
        self.drawn = (context.step, made.detach())
        terms = {
            "l1": Term((made - clean).abs().mean()),
            "edges": Term(gradient_l1(made, clean), self.aim.edges),
            "texture": Term(texture_l1(made, clean), self.aim.texture),
        }
        if self.looks is not None:
            terms["looks"] = Term(self.looks(made, clean).mean(), self.aim.looks)
        if self.age is not None:
            with torch.no_grad():
                years = self.age.years(clean)
            apart = (self.age.years(made) - years) / AGE_CAP
            terms["age"] = Term(apart.square().mean(), self.aim.age)
        if self.game is not None:
            terms |= self.game.generator_terms(made, clean, context)
        return terms

    def validate(self, nets: Nets, device: torch.device) -> dict[str, float]:
        """PSNR in dB and the share of the truth's texture, each beside that of bicubic.

        With `looks` and `age` also how far apart portraits look, and by how many years older; with
        landscapes their PSNR.
        """
        made = self._made(nets, self.spoilt, device)
        truth = self.check.tensor(range(len(self.check)))
        plain = enlarged(self.spoilt, self.check.plan.size)
        figures = {
            "psnr": float(psnr(made, truth).mean()),
            "psnr_bicubic": float(psnr(plain, truth).mean()),
            "texture": float(texture_strength(made).mean() / texture_strength(truth).mean()),
            "texture_bicubic": float(
                texture_strength(plain).mean() / texture_strength(truth).mean()
            ),
        }
        if self.looks is not None:
            for name, seen in (("perceptual", made), ("perceptual_bicubic", plain)):
                figures[name] = _apart(self.looks, seen.to(device), truth.to(device))
        if self.age is not None:
            for name, seen in (("age", made), ("age_bicubic", plain)):
                figures[name] = _older(self.age, seen.to(device), truth.to(device))
        if self.scapes is not None:
            made = self._made(nets, self.spoilt_scenes, device)
            plain = enlarged(self.spoilt_scenes, self.scenes.shape[-1])
            figures["psnr_landscapes"] = float(psnr(made, self.scenes).mean())
            figures["psnr_bicubic_landscapes"] = float(psnr(plain, self.scenes).mean())
        return figures

    def sample(self, nets: Nets, device: torch.device) -> np.ndarray:
        """Spoilt, restored and true."""
        made, size = self._made(nets, self.spoilt, device), self.check.plan.size
        rows = np.linspace(0, len(self.check) - 1, SHOWN).astype(int).tolist()
        columns = [
            (enlarged(self.spoilt[row : row + 1], size), made[row], self.check.tensor([row]))
            for row in rows
        ]
        pictures = [to_pixels(column[i]) for i in range(3) for column in columns]
        names = [name for name in ("spoilt", "restored", "truth") for _ in rows]
        return contact_sheet(pictures, names, columns=len(rows), cell=size)

    def checkpoint(self, nets: Nets) -> Checkpoint:
        """The network alone, its keys as everybody else names them."""
        facts = {"task": "restoration", "scale": self.scale, "domain": "portraits"}
        if self.part == "face":
            facts["size"] = self.check.plan.size
        else:
            facts["bare"] = True
        state = getattr(nets[self.part], "net", nets[self.part]).state_dict()
        return Checkpoint("native", {self.part: state}, facts=facts)

    def _restored(self, batch: Batch) -> Tensor:
        spoilt = batch["spoilt"]
        if self.through is not None:
            spoilt = self._enlarged(spoilt, batch["small"])
        made = self.net(as_read(spoilt, self.part))
        return from_read(made.float(), self.part)

    def _last_drawn(self, batch: Batch, context: StepContext) -> Tensor:
        if self.drawn is not None and self.drawn[0] == context.step:
            return self.drawn[1]
        with torch.no_grad():
            return self._restored(batch)

    @torch.no_grad()
    def _enlarged(self, spoilt: Tensor, small: Tensor) -> Tensor:
        """Every other picture as the enlarger makes it of its small copy."""
        assert self.through is not None
        spoilt = spoilt.clone()
        spoilt[::2] = self.through((small[::2] + 1) / 2).to(spoilt.dtype) * 2 - 1
        return spoilt

    def _patches(self, whole: Tensor, draws: Draws) -> Tensor:
        room = whole.shape[-1] - self.patch
        corners = draws.integers("corner", 0, room + 1, 2).tolist()
        pairs = zip(whole, corners, strict=True)
        cut = [p[:, y : y + self.patch, x : x + self.patch] for p, (y, x) in pairs]
        return torch.stack(cut)

    def _made(self, nets: Nets, spoilt: Tensor, device: torch.device) -> Tensor:
        net = nets[self.part]
        made = [
            from_read(net(as_read(some.to(device), self.part)).float(), self.part).cpu()
            for some in spoilt.split(TOGETHER)
        ]
        return torch.cat(made).clamp(-1, 1)


def _apart(looks: Distance, made: Tensor, truth: Tensor) -> float:
    pairs = zip(made.split(TOGETHER), truth.split(TOGETHER), strict=True)
    return float(torch.cat([looks(*pair) for pair in pairs]).mean())


def _older(age: AgeEstimator, made: Tensor, truth: Tensor) -> float:
    """Years that the pictures look older than the truth, in the mean."""
    told = [torch.cat([age.years(some) for some in all_.split(TOGETHER)]) for all_ in (made, truth)]
    return float((told[0] - told[1]).mean())


def as_read(pictures: Tensor, part: str) -> Tensor:
    """What a network takes: networks of the ESRGAN family read [0, 1], ours [-1, 1]."""
    return pictures if part == "face" else (pictures + 1) / 2


def from_read(pictures: Tensor, part: str) -> Tensor:
    """Back to [-1, 1]."""
    return pictures if part == "face" else pictures * 2 - 1


def enlarged(pictures: Tensor, size: int) -> Tensor:
    """Pictures (b, 3, h, w) brought to `size` px by bicubic interpolation."""
    if pictures.shape[-1] == size:
        return pictures
    made = F.interpolate(pictures, (size, size), mode="bicubic", align_corners=False)
    return made.clamp(-1, 1)
