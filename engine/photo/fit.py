"""Fitting the prior: robust regression on age with the nuisances of photography beside it.

Age functions of shape and colour follow Burt and Perrett (1995) and Lanitis, Taylor and Cootes
(2002); of detail, Tiddeman, Burt and Perrett (2001). As in Kemelmacher-Shlizerman, Suwajanakorn and
Seitz (2014), light and pose must not pass for age: they stand as columns of their own. Everything
is a closed form or a fixed number of steps: the same data give the same model.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, field_validator

from engine.core.table import Table
from engine.photo.bands import blurred
from engine.photo.features import NUISANCES, FaceFeatures
from engine.photo.frame import MIRROR, Floats, mirrored
from engine.photo.model import CODES, TERMS, PhotoModel, age_terms, uniform_gain

Doubles = NDArray[np.float64]

COLUMNS, NUMBERS = 8192, 1 << 22
"""Outputs that are solved for at a time: at most so many, and so many numbers for all faces."""
MIN_WEIGHT = 0.02
CONFIDENT_FROM, CONFIDENT_TO = 40.0, 70.0
"""The step of age whose fitted change must stand out from its error."""
SKIN_FROM, SKIN_TO = 0.45, 0.85
"""Share of faces that show skin at a spot, from which its changes count: less is hair or collar."""
HAIR_SEEN = 500.0


class FitSettings(Table):
    """How the age functions are fitted."""

    ridge: tuple[float, float, float, float, float, float] = (1e-3, 3.0, 12.0, 3.0, 12.0, 40.0)
    """Prior precision of the six terms, in faces: what bends or differs by code needs more
    evidence."""
    shape_ridge: float = Field(default=10.0, gt=0)
    """Factor on it for shape, which differs more between people than with age."""
    nuisances: tuple[str, ...] = NUISANCES
    """What of the photography stands beside age, so that it does not pass for it."""
    nuisance_ridge: float = Field(default=4.0, ge=0)
    code_ridge: float = Field(default=60.0, gt=0)
    huber: float = Field(default=1.5, gt=0)
    """Residuals beyond so many standard deviations count less."""
    steps: int = Field(default=3, ge=1)
    """Reweighted solutions."""
    folds: int = Field(default=5, ge=2)
    """Each face has the appearance code of a fit that saw only the other folds."""

    @field_validator("nuisances")
    @classmethod
    def _known(cls, nuisances: tuple[str, ...]) -> tuple[str, ...]:
        for name in nuisances:
            if name not in NUISANCES:
                raise ValueError(f"unknown nuisance `{name}`, one of: {', '.join(NUISANCES)}")
        return nuisances


def fit_photo_model(
    faces: Sequence[FaceFeatures],
    ages: NDArray[np.floating],
    age_errors: NDArray[np.floating],
    mean_points: Floats,
    labels: NDArray[np.floating] | None = None,
    settings: FitSettings | None = None,
) -> PhotoModel:
    """Fit all age functions to n faces.

    ages: (n,) years; age_errors: (n,) about how wrong each may be; labels: (n,) in -1..1 from which
    the appearance code is learned, such as -1 for women and 1 for men; without them it is the first
    principal component of the faces. The gains are left at 1: `calibrate_gains` sets them.
    """
    settings = FitSettings() if settings is None else settings
    inputs = np.stack([face.code for face in faces]).astype(np.float64)
    if labels is None:
        labels = _first_component(inputs)
    weights = _fit_code(inputs, labels, settings.code_ridge)
    codes = _held_out_codes(inputs, np.asarray(labels, np.float64), settings)
    expected = calibrated_ages(ages, age_errors)
    nuisance = np.stack([face.nuisance for face in faces]).astype(np.float64)
    nuisance = nuisance[:, [NUISANCES.index(name) for name in settings.nuisances]]
    nuisance = (nuisance - nuisance.mean(axis=0)) / (nuisance.std(axis=0) + 1e-6)
    terms = np.stack([age_terms(a, c) for a, c in zip(expected, codes, strict=True)])
    design = np.column_stack([terms, np.clip(nuisance, -3, 3)])

    skin = np.stack([face.skin for face in faces])
    cells = skin[:, ::2, ::2]
    colour = _maps(design, np.stack([face.colour for face in faces]), skin, settings)
    detail = _maps(design, np.stack([face.detail for face in faces]), cells, settings)
    shapes = np.stack([face.shape for face in faces]).reshape(len(faces), -1)
    ridge = tuple(settings.shape_ridge * one for one in settings.ridge)
    stiff = settings.model_copy(update={"ridge": ridge})
    shape, _ = robust_regression(design, shapes, np.ones_like(shapes), stiff)
    shape = shape[:TERMS].reshape(TERMS, -1, 2)
    hair = np.stack([face.hair for face in faces])
    seen = np.array([face.hair_pixels > HAIR_SEEN for face in faces], np.float32)
    curve, _ = robust_regression(design, hair, np.repeat(seen[:, None], 3, axis=1), settings)
    return PhotoModel(
        mean_points=mean_points,
        shape=_symmetric_shape(shape),
        colour=colour,
        detail=detail,
        hair=curve[:TERMS].astype(np.float32),
        code=weights.astype(np.float32),
        gain=uniform_gain(1, 1),
    )


def calibrated_ages(ages: NDArray[np.floating], errors: NDArray[np.floating]) -> Doubles:
    """The expected true ages given labels with errors (regression calibration, Carroll 2006).

    Labels that err flatten every slope on them by var / (var + error^2); drawing each label towards
    the mean by its own factor undoes that.
    """
    ages = np.asarray(ages, np.float64)
    errors = np.asarray(errors, np.float64)
    spread = max(float(ages.var() - (errors**2).mean()), 1.0)
    return ages.mean() + (ages - ages.mean()) * spread / (spread + errors**2)


def robust_regression(
    design: Doubles,
    values: NDArray[np.floating],
    weights: NDArray[np.floating],
    settings: FitSettings | None = None,
) -> tuple[Floats, Floats]:
    """Huber regression of each column of values (n, m), weighted by (n, m), on a design (n, p).

    Returns the coefficients (p, m) and, (2, m), how sure the change with age and that of the
    code's share in it are: 1 - variance / square, of the step from 40 to 70 years.
    """
    settings = FitSettings() if settings is None else settings
    count, ridge = design.shape[1], np.full(design.shape[1], settings.nuisance_ridge)
    ridge[:TERMS] = settings.ridge
    products = (design[:, :, None] * design[:, None, :]).reshape(len(design), -1)
    step = age_terms(CONFIDENT_TO, 0.0) - age_terms(CONFIDENT_FROM, 0.0)
    contrast = np.zeros((2, count))
    contrast[0, :TERMS] = step
    contrast[1, 3:TERMS] = step[:3]
    result = np.zeros((count, values.shape[1]), np.float32)
    sure = np.zeros((2, values.shape[1]), np.float32)
    columns = min(COLUMNS, max(NUMBERS // len(values), 1))
    for start in range(0, values.shape[1], columns):
        part = slice(start, start + columns)
        y, prior = values[:, part].astype(np.float64), weights[:, part].astype(np.float64)
        w = prior
        coefficients = np.zeros((count, y.shape[1]))
        sigma = gram = None
        for _ in range(settings.steps):
            gram = (products.T @ w).T.reshape(-1, count, count) + np.diag(ridge)
            right = (design.T @ (w * y)).T[..., None]
            coefficients = np.linalg.solve(gram, right)[..., 0].T
            residual = np.abs(y - design @ coefficients)
            sigma = 1.4826 * np.median(residual, axis=0) + 1e-3
            w = prior * np.minimum(1, settings.huber * sigma / np.maximum(residual, 1e-6))
        assert sigma is not None
        assert gram is not None
        result[:, part] = coefficients
        for row, vector in enumerate(contrast):
            solved = np.linalg.solve(
                gram, np.broadcast_to(vector, (*gram.shape[:1], count))[..., None]
            )
            variance = sigma**2 * (solved[..., 0] @ vector)
            change = vector @ coefficients
            sure[row, part] = np.clip(1 - variance / np.maximum(change**2, 1e-9), 0, 1)
    return result, sure


def _maps(
    design: Doubles,
    values: NDArray[np.floating],
    masks: NDArray[np.floating],
    settings: FitSettings,
) -> Floats:
    """Age functions (6, h, w, c) of maps (n, h, w, c) under masks (n, h, w), where they are sure.

    Left and right are averaged: faces are symmetric on average and light is not.
    """
    n, height, width, channels = values.shape
    weights = np.repeat(masks.reshape(n, -1), channels, axis=1) + MIN_WEIGHT
    fitted, sure = robust_regression(design, values.reshape(n, -1), weights, settings)
    fields = fitted[:TERMS].reshape(TERMS, height, width, channels)
    fields = (fields + fields[:, :, ::-1]) / 2
    confidence = sure.reshape(2, height, width, channels)
    confidence = (confidence + confidence[:, :, ::-1]) / 2
    seen = masks.mean(axis=0)
    seen = np.clip(((seen + seen[:, ::-1]) / 2 - SKIN_FROM) / (SKIN_TO - SKIN_FROM), 0, 1)
    for channel in range(channels):
        whole, share = (
            blurred(np.ascontiguousarray(confidence[row, ..., channel]), 2.0) * seen
            for row in range(2)
        )
        fields[1:3, ..., channel] *= whole
        fields[4:6, ..., channel] *= whole * share
    return fields.astype(np.float32)


def _symmetric_shape(terms: Floats) -> Floats:
    """Shape functions (6, 73, 2) made symmetric; the first is a place, the others are changes."""
    result = terms.copy()
    result[0] = (terms[0] + mirrored(terms[0])) / 2
    for row in range(1, TERMS):
        swapped = terms[row][MIRROR] * np.array([-1, 1], np.float32)
        result[row] = (terms[row] + swapped) / 2
    return result.astype(np.float32)


def _fit_code(inputs: Doubles, labels: NDArray[np.floating], ridge: float) -> Doubles:
    """Weights and offset (467,) of a ridge regression on labels, steep enough for tanh."""
    labels = np.asarray(labels, np.float64)
    # Two labels of unequal size weigh the same.
    balance = np.where(labels > 0, 1 / max((labels > 0).sum(), 1), 1 / max((labels <= 0).sum(), 1))
    balance = balance * len(labels) / 2
    mean = (inputs * balance[:, None]).sum(axis=0) / balance.sum()
    centred = inputs - mean
    gram = centred.T @ (centred * balance[:, None]) + ridge * np.eye(CODES)
    offset = (labels * balance).sum() / balance.sum()
    weights = np.linalg.solve(gram, centred.T @ (balance * (labels - offset)))
    spread = np.sqrt(((centred @ weights) ** 2 * balance).sum() / balance.sum()) + 1e-9
    steep = 1.5 / spread
    return np.append(weights * steep, offset * steep - mean @ weights * steep)


def _held_out_codes(inputs: Doubles, labels: Doubles, settings: FitSettings) -> Doubles:
    """Each face's code by a fit that did not see it, as a new photograph is met."""
    codes = np.zeros(len(inputs))
    fold = np.arange(len(inputs)) % settings.folds
    for held in range(settings.folds):
        weights = _fit_code(inputs[fold != held], labels[fold != held], settings.code_ridge)
        codes[fold == held] = np.tanh(inputs[fold == held] @ weights[:-1] + weights[-1])
    return codes


def _first_component(inputs: Doubles) -> Doubles:
    """A label in -1..1 for faces without one: the sign of their first principal component."""
    _, _, axes = np.linalg.svd(inputs - inputs.mean(axis=0), full_matrices=False)
    axis = axes[0] * np.sign(axes[0][np.abs(axes[0]).argmax()])
    return np.sign((inputs - inputs.mean(axis=0)) @ axis)
