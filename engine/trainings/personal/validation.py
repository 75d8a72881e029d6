"""How well a model ages a person, measured on photos it never learned from."""

import math
from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from engine.core.numbers import Span
from engine.core.table import Table
from engine.images.ranges import to_pixels
from engine.losses.face.context import LossContext
from engine.nets.protocols import AgeEstimator, Distance
from engine.nets.timemachine import TimeMachine
from engine.training.photos import Photos

SAME_AGE = 3.0
"""Years within which a photo is one of that age."""
AGE_SCALE = 10.0
"""Years of error at which an age counts for 0.6."""
SHOWN = 6


class Check(Table):
    """What the validation renders."""

    photos: int = Field(default=8, ge=1)
    """Held-out photos looked at, spread over their ages."""
    targets: int = Field(default=3, ge=1)
    """Ages asked of each, spread over those of the person's photos."""
    at: tuple[float, ...] = ()
    """Ages asked of each instead: what a one-shot is locked on."""
    beyond: tuple[float, ...] = ()
    """Further ages, drawn in the samples and judged for their age alone."""

    def ages(self, known: Span) -> list[float]:
        """The ages asked for, youngest first."""
        if self.at:
            return sorted({*self.at, *self.beyond})
        steps = [(i + 0.5) / self.targets for i in range(self.targets)]
        inside = [round(known.low + share * (known.high - known.low)) for share in steps]
        return sorted({*map(float, inside), *self.beyond})


@torch.no_grad()
def checked(
    model: TimeMachine,
    test: Photos,
    references: tuple[LossContext, Photos],
    check: Check,
    judge: AgeEstimator | None,
) -> dict[str, float]:
    """Figures of a model on held-out photos.

    `reconstruction_*`: the photo at its own age against itself; `aged_identity`: cosine to the
    nearest of the learned photos of that age; `age_error`: years between the age asked for and what
    the judge reads; `age_gap`: the same where there are photos of that age, from what it reads off
    those, since people look older or younger than they are; `ageing`: what picks the best, the
    product of `aged_identity` and exp(-(age_gap / 10)^2 / 2), so that neither a copied photo nor a
    stranger of the right age can win.
    """
    parts, train = references
    identity_net, held = parts.identity, parts.references
    if identity_net is None or held is None:
        raise ValueError("the validation compares people and needs a identity_net")
    rows = _spread(test, check.photos)
    photos = test.tensor(rows).to(model.latent_average.device)
    ages = torch.from_numpy(test.ages[rows]).to(photos.device)
    inverted = model.invert(photos)
    again = _pooled(model, model.codes(photos, ages, inverted=inverted))
    own = identity_net.embed(photos)
    told = {
        "reconstruction_identity": _mean(F.cosine_similarity(identity_net.embed(again), own)),
        "reconstruction_l2": _mean((again - photos).square().flatten(1).mean(dim=1)),
    }
    if parts.perceptual is not None:
        told["reconstruction_distance"] = _mean(_apart(parts.perceptual, again, photos))
    known = Span(train.youngest, train.oldest)
    alike: list[Tensor] = []
    errors: list[Tensor] = []
    gaps: list[Tensor] = []
    for age in check.ages(known):
        years = torch.full_like(ages, age)
        made = _pooled(model, model.codes(photos, years, inverted=inverted))
        near = (held.ages - age).abs() <= SAME_AGE
        seen = age in known and bool(near.any())
        if seen:
            alike.append((identity_net.embed(made) @ held.embeddings[near].T).amax(dim=1))
        if judge is None:
            continue
        read = judge.years(made)
        errors.append((read - age).abs())
        if seen:
            looks = _older_looking(judge, train, near.nonzero().flatten().tolist(), read.device)
            gaps.append((read - age - looks).abs())
    told["aged_identity"] = _mean(torch.cat(alike)) if alike else math.nan
    told["ageing"] = told["aged_identity"]
    if errors:
        told["age_error"] = _mean(torch.cat(errors))
    if gaps:
        told["age_gap"] = _mean(torch.cat(gaps))
        told["ageing"] *= math.exp(-((told["age_gap"] / AGE_SCALE) ** 2) / 2)
    return told


def _older_looking(
    judge: AgeEstimator, photos: Photos, rows: list[int], device: torch.device
) -> float:
    """By how many years the judge takes the person to be older than they were, in these photos."""
    pictures = photos.tensor(rows).to(device)
    return float((judge.years(pictures).cpu() - torch.from_numpy(photos.ages[rows])).mean())


@torch.no_grad()
def sheet(model: TimeMachine, test: Photos, ages: Sequence[float]) -> np.ndarray:
    """A row for each of a few held-out photos: itself, then itself at the ages; uint8 (h, w, 3)."""
    lines: list[np.ndarray] = []
    for row in _spread(test, SHOWN):
        photo = test.tensor([row]).to(model.latent_average.device)
        years = torch.tensor(list(ages), device=photo.device)
        made = _pooled(model, model.codes(photo, years))
        lines.append(np.concatenate([to_pixels(one) for one in [photo[0], *made]], axis=1))
    return np.concatenate(lines)


def _spread(photos: Photos, count: int) -> list[int]:
    """Rows spread over the ages."""
    order = np.argsort(photos.ages, kind="stable")
    places = np.linspace(0, len(order) - 1, min(count, len(order))).round().astype(int)
    return [int(row) for row in order[places]]


def _pooled(model: TimeMachine, w_plus: Tensor) -> Tensor:
    """Pictures at the encoders' size."""
    return F.adaptive_avg_pool2d(model.decode(w_plus), model.psp.shape.size)


def _apart(distance: Distance, one: Tensor, other: Tensor) -> Tensor:
    return distance(one, other)


def _mean(values: Tensor) -> float:
    return float(values.float().mean())
