"""Validation of a personal model on held-out photos."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from engine.core.numbers import Span
from engine.core.table import Table
from engine.images.ranges import to_pixels
from engine.losses.face.context import LossContext
from engine.metrics.age import age_response
from engine.nets.protocols import AgeEstimator
from engine.nets.timemachine import TimeMachine
from engine.training.photos import Photos

SAME_AGE = 3.0
"""Years within which a photo counts as one of an age."""
AGE_SCALE = 10.0
"""Years of error at which `ageing` is multiplied by 0.6."""
SHOWN = 6


class ValidationSettings(Table):
    """The photos and ages of the validation."""

    photos: int = Field(default=8, ge=1)
    """Number of held-out photos, spread over their ages."""
    targets: int = Field(default=3, ge=0)
    """Number of target ages, spread over those of the person's photos; with 0 and no `at`, nothing
    is aged: reconstructions alone are measured, and no checkpoint is the best."""
    at: tuple[float, ...] = ()
    """Target ages in place of `targets`: those that a one-shot is locked on."""
    beyond: tuple[float, ...] = ()
    """Further target ages, measured for their age error alone."""

    @property
    def aged(self) -> bool:
        """Whether anything is aged."""
        return bool(self.targets or self.at or self.beyond)

    def ages(self, known: Span) -> list[float]:
        """The target ages in years, youngest first; known: those of the person's photos."""
        if self.at:
            return sorted({*self.at, *self.beyond})
        steps = [(i + 0.5) / self.targets for i in range(self.targets)]
        inside = [round(known.low + share * (known.high - known.low)) for share in steps]
        return sorted({*map(float, inside), *self.beyond})


@torch.no_grad()
def evaluate(
    model: TimeMachine,
    test: Photos,
    references: tuple[LossContext, Photos],
    settings: ValidationSettings,
    evaluator: AgeEstimator | None,
) -> dict[str, float]:
    """Metrics of a model on held-out photos.

    references: the context of the losses and the training photos. `reconstruction_*`: the photo at
    its own age against itself; `loss`: the sum of `loss_identity`, the distance and the l2 of that,
    without weights; `aged_identity`: cosine to the nearest training photo of the target
    age; `age_error`: years between target and estimated age; `age_gap`: the same at ages of which
    there are photos, corrected by the estimator's error on those, since people look older or
    younger than they are; `age_response`: the share of the change that was asked for which the
    evaluator sees, 0 for a copy of the photo and for one face at all ages; `ageing`: picks the
    best, `aged_identity` times exp(-(age_gap / 10)^2 / 2) times `age_response`. Without an
    evaluator there is neither `age_*` nor `ageing`.
    """
    context, train = references
    identity, known_faces = context.identity, context.references
    if identity is None or known_faces is None:
        raise ValueError("the validation compares people and needs an identity network")
    rows = _spread(test, settings.photos)
    photos = test.tensor(rows).to(model.latent_average.device)
    ages = torch.from_numpy(test.ages[rows]).to(photos.device)
    inverted = model.invert(photos)
    again = pooled(model, model.codes(photos, ages, inverted=inverted))
    own = identity.embed(photos)
    metrics = {
        "reconstruction_identity": _mean(F.cosine_similarity(identity.embed(again), own)),
        "reconstruction_l2": _mean((again - photos).square().flatten(1).mean(dim=1)),
    }
    if context.perceptual is not None:
        metrics["reconstruction_distance"] = _mean(context.perceptual(again, photos))
    metrics |= _losses(metrics)
    known = Span(train.youngest, train.oldest)
    similarities: list[Tensor] = []
    errors: list[Tensor] = []
    gaps: list[Tensor] = []
    estimates: list[Tensor] = []
    for age in settings.ages(known):
        years = torch.full_like(ages, age)
        output = pooled(model, model.codes(photos, years, inverted=inverted))
        near = (known_faces.ages - age).abs() <= SAME_AGE
        comparable = age in known and bool(near.any())
        if comparable:
            cosine = identity.embed(output) @ known_faces.embeddings[near].T
            similarities.append(cosine.amax(dim=1))
        if evaluator is None:
            continue
        estimate = evaluator.years(output)
        errors.append((estimate - age).abs())
        estimates.append(estimate)
        if comparable:
            bias = _bias(evaluator, train, near.nonzero().flatten().tolist(), estimate.device)
            gaps.append((estimate - age - bias).abs())
    metrics["aged_identity"] = _mean(torch.cat(similarities)) if similarities else math.nan
    if evaluator is None or not errors:
        return metrics
    metrics["age_error"] = _mean(torch.cat(errors))
    before, after = evaluator.years(photos).cpu(), torch.stack(estimates, dim=1).cpu()
    metrics["age_response"] = age_response(ages.cpu(), settings.ages(known), before, after)
    metrics["age_gap"] = _mean(torch.cat(gaps)) if gaps else metrics["age_error"]
    nearness = math.exp(-((metrics["age_gap"] / AGE_SCALE) ** 2) / 2)
    metrics["ageing"] = metrics["aged_identity"] * nearness * metrics["age_response"]
    return metrics


def _losses(metrics: Mapping[str, float]) -> dict[str, float]:
    """What a validation loss is in the MyTimeMachine fork; lower is better."""
    identity = 1 - metrics["reconstruction_identity"]
    distance = metrics.get("reconstruction_distance", 0.0)
    return {
        "loss_identity": identity,
        "loss": identity + distance + metrics["reconstruction_l2"],
    }


def _bias(evaluator: AgeEstimator, photos: Photos, rows: list[int], device: torch.device) -> float:
    """Mean of estimated less true age in these photos, in years."""
    pictures = photos.tensor(rows).to(device)
    return float((evaluator.years(pictures).cpu() - torch.from_numpy(photos.ages[rows])).mean())


@torch.no_grad()
def sheet(model: TimeMachine, test: Photos, ages: Sequence[float]) -> np.ndarray:
    """A row per held-out photo: the photo, then its outputs at the ages; uint8 RGB (h, w, 3).

    Without ages, the photo at its own.
    """
    lines: list[np.ndarray] = []
    for row in _spread(test, SHOWN):
        photo = test.tensor([row]).to(model.latent_average.device)
        years = torch.tensor(list(ages) or [float(test.ages[row])], device=photo.device)
        outputs = pooled(model, model.codes(photo, years))
        lines.append(np.concatenate([to_pixels(one) for one in [photo[0], *outputs]], axis=1))
    return np.concatenate(lines)


def _spread(photos: Photos, count: int) -> list[int]:
    """Rows spread over the ages."""
    order = np.argsort(photos.ages, kind="stable")
    places = np.linspace(0, len(order) - 1, min(count, len(order))).round().astype(int)
    return [int(row) for row in order[places]]


def pooled(model: TimeMachine, w_plus: Tensor) -> Tensor:
    """Pictures at the encoders' size."""
    return F.adaptive_avg_pool2d(model.decode(w_plus), model.psp.shape.size)


def _mean(values: Tensor) -> float:
    return float(values.float().mean())
