"""Train the refiner of the photo model: what age networks and skin of that age ask for, no more.

The refiner is pulled by an age network (does the face look as much older as was asked?), by the
identity descriptor (is it still the person?) and by a discriminator that has real skin of that age;
its own size is a cost. Networks that evaluate are in none of that, and choose nothing.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.core.errors import InputError
from engine.core.progress import Progress, Silence
from engine.data.splits import hash_fraction
from engine.losses.terms import Term
from engine.nets.photos.crops import dlib_chip, face_api_crop
from engine.nets.photos.face_api import SIZE as AGE_SIZE
from engine.nets.photos.patches import AgePatchDiscriminator, skin_planes
from engine.photo.model import PhotoModel, photo_checkpoint
from engine.photo.refiner import RefinerNet, lit
from engine.photo.refining import SIDE
from engine.training.task import Batch, Nets, StepContext, Task
from engine.trainings.photo_prior.age_shifts import Estimator, slope_on_truth
from engine.trainings.photo_prior.faces import DatedFaces, is_validation
from engine.trainings.photo_prior.measuring import find_faces
from engine.trainings.photo_prior.task import here
from engine.trainings.photo_refiner.crops import aged_at, crops_of, masks, pictures
from engine.trainings.photo_refiner.figures import Compared, compared, shares
from engine.trainings.photo_refiner.settings import RefinerSettings
from engine.trainings.photo_refiner.texture import added_energy
from engine.trainings.photo_refiner.views import Light, View, warped

REFINER, DISCRIMINATOR = "refiner", "discriminator"
AGE, IDENTITY = "age", "identity"
FEWEST, FEWEST_HELD_OUT = 40, 2
NEIGHBOURS = 12
"""Real faces are taken from so many of the next younger and older than the age asked for."""
CHIP, CHIP_MARGIN = 150, 0.25
FACE_BOX = (1.05, 1.35)
"""Sides of the age network's square, in heights between brows and chin."""
OTHER_AGE = 30.0
"""Years by which a real face is shown with a wrong age."""
PIXEL_NOISE = 0.02
OF_PRIOR = (
    *("fitted_on", "people", "faces", "women", "ages", "code_labels", "gain", "gain_by"),
    *("person_masks", "masks", "limits", "licence"),
)
"""What the card says of the prior's data, which holds for both together."""
MADE_PRIOR = ("what", "command", "minutes", "tensors_sha256")
SAMPLES, SAMPLE_AGE = 6, 80.0
AT_ONCE = 16


class OwnFigures(NamedTuple):
    """What is known of every face before it is changed: the years (n,) that the age network of the
    losses sees, the slope of these on true ages, and the descriptors (n, 128).
    """

    years: Tensor
    slope: float
    descriptors: Tensor


class RefinerTask(Task):
    """Two optimizer steps: the discriminator's, then the refiner's."""

    def __init__(
        self,
        listed: Callable[[], DatedFaces],
        settings: RefinerSettings,
        prior: tuple[PhotoModel, Mapping[str, Any]],
        frozen: Mapping[str, nn.Module],
        remarks: Sequence[str],
    ) -> None:
        """listed: lists the faces; prior: the model it stands on, without a refiner, and its card;
        frozen: the networks `age` and `identity` of the losses; remarks: on those that are missing.
        """
        self.listed, self.settings, self.remarks = listed, settings, remarks
        self.prior, self.prior_card = replace(prior[0], refiner=None), prior[1]
        self.parts = parts_of_refiner()
        self.frozen = dict(frozen)
        self.optimizer_steps = {"discriminator": (DISCRIMINATOR,), "refiner": (REFINER,)}
        self.best = None  # whatever could choose is in a loss, or kept for evaluation
        self.progress: Progress = Silence()

    def prepare(self, progress: Progress) -> None:
        """Find every face and age it by the prior; InputError where too few are left."""
        self.progress, settings = progress, self.settings
        listed = self.listed()
        for remark in (*self.remarks, *listed.remarks):
            progress.remark(remark)
        paths = [face.path for face in listed.faces]
        found = find_faces(paths, settings.limits, progress, workers=settings.processes)
        faces = [(d, f) for d, f in zip(listed.faces, found, strict=True) if f is not None]
        _require_enough(len(faces))
        self.crops, dated = crops_of(
            faces, self.prior, settings.bins, progress, person_masks=settings.person_masks
        )
        held_out = [is_validation(face, settings.validation) for face in dated]
        self.known = [row for row, held in enumerate(held_out) if not held]
        self.unseen = [row for row, held in enumerate(held_out) if held]
        _require_enough(len(self.known))
        self.dated = dated
        self.by_age = sorted(self.known, key=lambda row: self.crops.ages[row])

    def precompute(self, device: torch.device, progress: Progress) -> None:
        """What the networks of the losses see in every untouched face."""
        years: list[Tensor] = []
        descriptors: list[Tensor] = []
        with torch.no_grad():
            for start in range(0, len(self.crops), AT_ONCE):
                rows = slice(start, start + AT_ONCE)
                picture = pictures(self.crops.own[rows]).to(device)
                points = torch.from_numpy(self.crops.points[rows]).to(device)
                years.append(self._years(picture, points))
                descriptors.append(self._descriptors(picture, points))
        seen = torch.cat(years)
        ages, errors = (
            np.array([getattr(face, key) for face in self.dated], np.float64)
            for key in ("age", "error")
        )
        slope = slope_on_truth(seen.cpu().double().numpy(), ages, errors)
        if not np.isfinite(slope):
            raise InputError(
                f"`{self.settings.networks.age}` does not see age in these faces",
                hint="are the ages right, and the faces large and sharp enough to show them?",
            )
        self.own = OwnFigures(seen, slope, torch.cat(descriptors))

    def batch(self, context: StepContext, batch: int) -> Batch:
        """Faces at other ages by the prior, real faces of those ages, and how all are seen."""
        draws, crops = context.draws, self.crops
        order = draws.shuffled(len(self.known), batch=batch)
        rows = torch.tensor(self.known)[order]
        columns = draws.integers("target", 0, crops.targets.shape[1])
        drawn = aged_at(crops, rows, columns, draws.uniform("mirrored") < 0.5)
        ages = crops.ages[self.by_age]
        near = torch.from_numpy(np.searchsorted(ages, drawn.target.numpy()))
        near = near + draws.integers("neighbour", -NEIGHBOURS, NEIGHBOURS + 1)
        real = torch.tensor(self.by_age)[near.clamp(0, len(ages) - 1)]
        flipped = (draws.uniform("real mirrored") < 0.5)[:, None, None, None]
        skin, mask = pictures(crops.own[real.numpy()]), masks(crops.mask[real.numpy()])
        skin = Light.drawn(draws, "real").on(torch.where(flipped, skin.flip(3), skin))
        shift = draws.uniform("shift", 2, low=-0.5, high=0.5)[:, :, None, None]
        view = View.drawn(draws, SIDE)
        return {
            "row": rows,
            "picture": Light.drawn(draws, "made").on(drawn.picture),
            **{key: getattr(drawn, key) for key in ("mask", "offsets", "points", "age", "target")},
            "real": warped(skin, shift.expand(-1, -1, *drawn.offsets.shape[2:])),
            "real_mask": torch.where(flipped, mask.flip(3), mask),
            "real_age": torch.from_numpy(crops.ages[real.numpy()]),
            **{f"view/{key}": value for key, value in view._asdict().items()},
            "box": draws.uniform("box", low=FACE_BOX[0], high=FACE_BOX[1]),
            "pixel_noise": PIXEL_NOISE * draws.normal("pixels", 2, 3, SIDE, SIDE),
        }

    def terms(self, optimizer_step: str, batch: Batch, context: StepContext) -> dict[str, Term]:
        """The terms of one optimizer step; in the first phase the refiner is not trained."""
        if optimizer_step == "discriminator":
            with torch.no_grad():
                made, mask, _ = self._made(batch)
            return {"discriminator": Term(self._discriminator_loss(made, mask, batch))}
        made, mask, light = self._made(batch)
        weights = self.settings.weights
        logits = self.parts[DISCRIMINATOR](skin_planes(made, mask), batch["target"])
        lit_skin = lit(batch["picture"], light)
        texture = added_energy(
            batch["picture"], lit_skin, batch["mask"], self.settings.added_energy
        )
        total = batch["mask"].sum((1, 2, 3)).clamp(min=1.0)
        view = View(*(batch[f"view/{key}"] for key in View._fields))
        seen, points = view.of(made), view.points(batch["points"])
        return {
            "age": Term(self._age_loss(seen, points, batch), weights.age),
            "identity": Term(self._identity_loss(seen, points, batch), weights.identity),
            "adversarial": Term(
                -torch.stack([one.mean() for one in logits]).mean(), weights.adversarial
            ),
            "size": Term((light.abs().sum((1, 2, 3)) / total).mean(), weights.size),
            "roughness": Term(_roughness(light), weights.roughness),
            "texture": Term(texture, weights.texture),
        }

    def validate(self, nets: Nets, device: torch.device) -> dict[str, float]:
        """What the networks see in held-out faces aged with and without the refiner.

        `.../older`, `.../younger`: of the change asked for, in shares of what the same network sees
        of true ages, `plain` by the prior alone and `refined` as users get it; NaN without any.
        """
        chosen = self._evaluated()
        if len(chosen) < FEWEST_HELD_OUT:
            return {"faces": float(len(chosen))}
        made = compared(_net(nets), self.crops, chosen, device)
        figures = {
            "faces": float(len(chosen)),
            "change": float(np.mean([one.size for one in made])),
        }
        asked = np.array([one.asked for one in made])
        with torch.no_grad():
            for name in ("plain", "refined"):
                years, distances = self._seen(made, name, device)
                figures |= shares(
                    f"{self.settings.networks.age}/{name}", asked, years / self.own.slope
                )
                figures[f"distance/{name}"] = float(distances.mean())
        for estimator in filter(None, map(here, self.settings.evaluation.evaluators)):
            slope = self._slope(estimator)
            for name in ("plain", "refined"):
                seen = [
                    estimator.years(getattr(one, name), one.points)
                    - estimator.years(self.crops.own[one.row], self.crops.points[one.row])
                    for one in made
                ]
                figures |= shares(f"{estimator.name}/{name}", asked, np.array(seen) / slope)
        return figures

    def sample(self, nets: Nets, device: torch.device) -> np.ndarray | None:
        """Held-out faces as they are, aged by the prior alone, and with the refiner."""
        rows = self._evaluated()[:SAMPLES] or self.known[:SAMPLES]
        oldest = int(np.argmin(np.abs(self.crops.targets.mean(axis=0) - SAMPLE_AGE)))
        made = compared(_net(nets), self.crops, rows, device, columns=(oldest,))
        return np.vstack(
            [np.hstack([self.crops.own[one.row], one.plain, one.refined]) for one in made]
        )

    def checkpoint(self, nets: Nets) -> Any:
        """The prior with the refiner, in one file; the card says of whom both learned."""
        prior = self.prior_card
        card = {
            **{key: prior[key] for key in OF_PRIOR if key in prior},
            "prior": {key: prior[key] for key in MADE_PRIOR if key in prior},
            "refiner": {
                "faces": len(self.known),
                "people": len({self.dated[row].person for row in self.known}),
                "held_out_for_figures": len(self.unseen),
                "losses_by": [self.settings.networks.age, self.settings.networks.identity],
            },
        }
        return photo_checkpoint(replace(self.prior, refiner=_net(nets)), card)

    def _made(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
        """The refined faces in their new shape, their masks, and the log factor of light."""
        picture, mask = batch["picture"], batch["mask"]
        light = self.parts[REFINER](picture, mask, batch["age"], batch["target"]) * mask
        made = warped(torch.cat([lit(picture, light), mask], 1), batch["offsets"])
        return made[:, :3], made[:, 3:], light

    def _discriminator_loss(self, made: Tensor, mask: Tensor, batch: Batch) -> Tensor:
        """Hinge losses (Lim and Ye 2017); a real face of a wrong age counts as made, too."""
        net, noise = self.parts[DISCRIMINATOR], batch["pixel_noise"]
        real = skin_planes((batch["real"] + noise[:, 0]).clamp(-1, 1), batch["real_mask"])
        fake = skin_planes((made + noise[:, 1]).clamp(-1, 1), mask)
        age = batch["real_age"]
        middle = float(np.median(self.crops.ages))
        wrong = age + torch.where(age < middle, OTHER_AGE, -OTHER_AGE)
        losses = [
            F.relu(1 - true).mean()
            + 0.7 * F.relu(1 + false).mean()
            + 0.3 * F.relu(1 + other).mean()
            for true, false, other in zip(
                net(real, age), net(fake, batch["target"]), net(real, wrong), strict=True
            )
        ]
        return torch.stack(losses).mean()

    def _age_loss(self, seen: Tensor, points: Tensor, batch: Batch) -> Tensor:
        """How far the age network's years are from those of the untouched face plus what it sees of
        such a true difference.
        """
        before = self.own.years.to(seen.device)[batch["row"]]
        asked = self.settings.share * self.own.slope * (batch["target"] - batch["age"])
        rows = zip(seen.split(1), points.split(1), batch["box"].tolist(), strict=True)
        years = torch.cat(
            [self.frozen[AGE](face_api_crop(p, AGE_SIZE, box).cut(x)).age for x, p, box in rows]
        )
        return F.smooth_l1_loss(years / 10, (before + asked) / 10, beta=0.5)

    def _identity_loss(self, seen: Tensor, points: Tensor, batch: Batch) -> Tensor:
        """The distance of descriptors beyond what so many years may cost."""
        limits = self.settings.distance
        distance = (
            self._descriptors(seen, points) - self.own.descriptors.to(seen.device)[batch["row"]]
        ).norm(dim=1)
        years = (batch["target"] - batch["age"]).abs()
        return F.relu(distance - limits.at_once - limits.per_year * years).mean()

    def _years(self, picture: Tensor, points: Tensor) -> Tensor:
        """Ages (b,) by the age network of the losses, of the face and its mirror image."""
        crop = face_api_crop(points, AGE_SIZE).cut(picture)
        net = self.frozen[AGE]
        return (net(crop).age + net(crop.flip(3)).age) / 2

    def _descriptors(self, picture: Tensor, points: Tensor) -> Tensor:
        return self.frozen[IDENTITY](dlib_chip(points, CHIP, CHIP_MARGIN).cut(picture))

    def _evaluated(self) -> list[int]:
        """Held-out faces, the same ones in every run."""
        names = {row: self.dated[row].path.name for row in self.unseen}
        ordered = sorted(self.unseen, key=lambda row: hash_fraction(names[row]))
        return ordered[: self.settings.evaluation.people]

    def _seen(
        self, made: Sequence[Compared], name: str, device: torch.device
    ) -> tuple[np.ndarray, np.ndarray]:
        """Years that the age network of the losses sees added, and the descriptors' distances."""
        years: list[Tensor] = []
        distances: list[Tensor] = []
        for start in range(0, len(made), AT_ONCE):
            part = made[start : start + AT_ONCE]
            picture = pictures(np.stack([getattr(one, name) for one in part])).to(device)
            points = torch.from_numpy(np.stack([one.points for one in part])).to(device)
            rows = torch.tensor([one.row for one in part])
            years.append(self._years(picture, points).cpu() - self.own.years.cpu()[rows])
            apart = self._descriptors(picture, points).cpu() - self.own.descriptors.cpu()[rows]
            distances.append(apart.norm(dim=1))
        return torch.cat(years).double().numpy(), torch.cat(distances).double().numpy()

    def _slope(self, estimator: Estimator) -> float:
        """An estimator's slope on the true ages of untouched faces."""
        rows = sorted(
            range(len(self.crops)), key=lambda row: hash_fraction(self.dated[row].path.name)
        )
        rows = rows[: self.settings.evaluation.for_slope]
        years = [estimator.years(self.crops.own[row], self.crops.points[row]) for row in rows]
        ages, errors = (
            np.array([getattr(self.dated[row], key) for row in rows], np.float64)
            for key in ("age", "error")
        )
        return slope_on_truth(np.array(years), ages, errors)


def parts_of_refiner() -> dict[str, nn.Module]:
    """The refiner and its discriminator."""
    return {REFINER: RefinerNet(), DISCRIMINATOR: AgePatchDiscriminator()}


def _require_enough(count: int) -> None:
    if count < FEWEST:
        raise InputError(
            f"{count} usable faces are left to learn from: at least {FEWEST} are needed",
            hint="give more dated faces; `tm train --dry-run` lists what is used",
        )


def _net(nets: Nets) -> RefinerNet:
    net = nets[REFINER]
    assert isinstance(net, RefinerNet)
    return net


def _roughness(light: Tensor) -> Tensor:
    """Mean difference of neighbours (Rudin, Osher and Fatemi 1992, total variation)."""
    across, down = light.diff(dim=3).abs().mean(), light.diff(dim=2).abs().mean()
    return across + down
