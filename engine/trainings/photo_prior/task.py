"""Fit the prior of photographs: three solutions, each a step of the loop.

First without the held-out people, by which the figures are measured; then the gain of that model;
then with everybody, whom the delivered model knows, at the gain of the first.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn

from engine.core.errors import InputError, MissingWeightsError
from engine.core.progress import Progress, Silence
from engine.data.splits import hash_fraction
from engine.losses.terms import Term
from engine.metrics.bootstrap import ratio_interval
from engine.photo.features import FaceFeatures
from engine.photo.fit import fit_photo_model
from engine.photo.frame import Floats, extended, mean_shape
from engine.photo.model import SHAPES, PhotoModel, load_photo_model, photo_checkpoint
from engine.training.task import Batch, Best, Nets, StepContext, Task
from engine.trainings.closed_form import ModelArrays, reported_terms
from engine.trainings.photo_prior.age_shifts import (
    Doubles,
    Estimator,
    Shifts,
    calibrate,
    load_estimator,
    prepared,
    shifts,
    slope_on_truth,
)
from engine.trainings.photo_prior.faces import DatedFace, DatedFaces, is_validation
from engine.trainings.photo_prior.figures import PARTS, MeasuredFace, appearance_figures
from engine.trainings.photo_prior.measuring import (
    FoundFace,
    find_faces,
    measure_faces,
)
from engine.trainings.photo_prior.settings import PhotoPriorSettings
from engine.weights.find import shipped_weights

PHASES = ("fit", "gain", "everyone")
PRIOR, HELD_OUT = "photo", "held_out"
FEWEST, LEAST_SPAN = 40, 15.0
"""Faces and years of age between them that a fit needs."""


class UsedFace(NamedTuple):
    """A dated face, where it is in its picture, and what is measured of it."""

    dated: DatedFace
    found: FoundFace
    features: FaceFeatures
    held_out: bool

    @property
    def measured(self) -> MeasuredFace:
        """What figures need of it."""
        return MeasuredFace(self.features, self.dated.age, self.dated.person)


class PhotoPriorTask(Task):
    """`photo` is delivered; `held_out`, which did not see the held-out people, is validated."""

    def __init__(
        self,
        listed: Callable[[], DatedFaces],
        settings: PhotoPriorSettings,
        age_network: str | None,
        remarks: Sequence[str],
        texts: Mapping[str, str],
    ) -> None:
        """listed: lists the faces; age_network: calibrates the gain; texts: for the card."""
        self.listed, self.settings, self.age_network = listed, settings, age_network
        self.remarks, self.texts = remarks, texts
        self.parts = parts_of_prior()
        self.frozen = {}
        self.optimizer_steps = {"solve": (PRIOR, HELD_OUT)}
        self.best = Best(metric=f"{PARTS[0]}/error")
        self.faces: list[UsedFace] = []
        self.mean_points: Floats = np.zeros((0, 2), np.float32)
        self.progress: Progress = Silence()

    def prepare(self, progress: Progress) -> None:
        """Find and measure every face; InputError where too few are left."""
        self.progress = progress
        listed = self.listed()
        for remark in (*self.remarks, *listed.remarks):
            progress.remark(remark)
        settings = self.settings
        workers = settings.processes
        paths = [face.path for face in listed.faces]
        faces = find_faces(paths, settings.limits, progress, workers=workers)
        dated = [
            (one, face, is_validation(one, settings.validation))
            for one, face in zip(listed.faces, faces, strict=True)
            if face is not None
        ]
        _require_enough([one.age for one, _, held_out in dated if not held_out])
        known = [extended(face.landmarks) for _, face, held_out in dated if not held_out]
        self.mean_points = mean_shape(np.stack(known))
        features = measure_faces(
            [one.path for one, _, _ in dated],
            [face for _, face, _ in dated],
            self.mean_points,
            progress,
            workers=workers,
            masks=settings.person_masks,
        )
        self.faces = [
            UsedFace(one, face, own, held_out)
            for (one, face, held_out), own in zip(dated, features, strict=True)
            if own is not None
        ]
        _require_enough([face.dated.age for face in self._side(held_out=False)])
        if settings.validation > 0 and not self._side(held_out=True):
            progress.remark("nobody is held out: there will be no figures of unseen people")

    def batch(self, context: StepContext, batch: int) -> Batch:
        """Nothing: every step sees all faces."""
        return {}

    def terms(self, optimizer_step: str, batch: Batch, context: StepContext) -> dict[str, Term]:
        """Solve, and set the parts to the solution; the terms have no gradient and weight 0."""
        if context.objective == "gain":
            return self._calibrate()
        everyone = context.objective == "everyone"
        chosen = self.faces if everyone else self._side(held_out=False)
        gain = _model(self.parts[HELD_OUT]).gain if everyone else self._recipe_gain()
        model = replace(self._fitted(chosen), gain=gain)
        _set(self.parts[PRIOR], model)
        if not everyone:
            _set(self.parts[HELD_OUT], model)
        figures = appearance_figures([face.measured for face in chosen], model)
        return reported_terms({part: figures[f"{part}/error"] for part in PARTS})

    def validate(self, nets: Nets, device: torch.device) -> dict[str, float]:
        """Figures of held-out people, by the model that did not see them."""
        model, faces = _model(nets[HELD_OUT]), self._side(held_out=True)
        figures = appearance_figures([face.measured for face in faces], model)
        estimators = [one for name in self.settings.evaluation.evaluators if (one := here(name))]
        if not faces or not estimators:
            return figures
        evaluation = self.settings.evaluation
        chosen = self._prepared(faces, evaluation.people, model)
        observed = shifts(chosen, model, estimators, evaluation.ages, self.progress)
        for one in estimators:
            figures |= share_figures(one.name, observed[one.name], self._own_slope(one, self.faces))
        return figures

    def checkpoint(self, nets: Nets) -> Any:
        """The delivered model, and how many faces of which ages it knows; no name, no path."""
        model = _model(nets[PRIOR])
        return photo_checkpoint(model, self._card(model))

    def _card(self, model: PhotoModel) -> dict[str, Any]:
        ages = [face.dated.age for face in self.faces]
        return {
            **self.texts,
            "faces": len(self.faces),
            "people": len({face.dated.person for face in self.faces}),
            "held_out_for_figures": sum(face.held_out for face in self.faces),
            "ages": [min(ages), max(ages)],
            "code_labels": self._label_counts(),
            "gain": model.gain.tolist(),
            "gain_by": self.age_network or self._gain_by(),
            "person_masks": self.settings.person_masks,
        }

    def _gain_by(self) -> str:
        return "the package" if self.settings.gain.uniform is None else "the recipe"

    def _label_counts(self) -> dict[str, int]:
        """Faces by label of the appearance code; empty where it was learned without."""
        if self._labels(self.faces) is None:
            return {}
        names = {value: name for name, value in reversed(self.settings.code.values.items())}
        labels = [face.dated.label for face in self.faces if face.dated.label is not None]
        return {names[value]: labels.count(value) for value in sorted(set(labels))}

    def _fitted(self, faces: Sequence[UsedFace]) -> PhotoModel:
        features, labels = [face.features for face in faces], self._labels(faces)
        ages, errors = _ages(faces)
        return fit_photo_model(features, ages, errors, self.mean_points, labels, self.settings.fit)

    def _labels(self, faces: Sequence[UsedFace]) -> Floats | None:
        """The labels (n,) of the code; None where there are none, or all are the same."""
        labels = [face.dated.label for face in faces]
        if None in labels or len(set(labels)) < 2:
            return None
        return np.array(labels, np.float64)

    def _recipe_gain(self) -> Floats:
        if self.settings.gain.uniform is not None:
            return np.full(SHAPES["gain"], self.settings.gain.uniform, np.float32)
        return load_photo_model(shipped_weights()["photo"]).gain

    def _calibrate(self) -> dict[str, Term]:
        """Set the gain of both models to the one at which the network sees what was asked."""
        estimator = None if self.age_network is None else here(self.age_network)
        if estimator is None:
            return {}
        model, known = _model(self.parts[HELD_OUT]), self._side(held_out=False)
        codes = np.array([model.appearance(face.features.code) for face in known])
        sides = [
            [face for face, code in zip(known, codes, strict=True) if (code >= 0) == side]
            for side in (False, True)
        ]
        own = np.array([self._own_slope(estimator, side) for side in sides])
        if not np.isfinite(own).all():
            self.progress.remark(f"`{estimator.name}` does not see age in these faces: no gain")
            return {}
        table = self.settings.gain
        faces = self._prepared(known, table.people, model)
        try:
            model, shares = calibrate(faces, model, estimator, own, table, self.progress)
        except ValueError as error:
            self.progress.remark(f"the gain is that of the package: {error}")
            return {}
        for name in (PRIOR, HELD_OUT):
            _set(self.parts[name], model)
        return reported_terms({f"share_{side}": value for side, value in shares.items()})

    def _own_slope(self, estimator: Estimator, faces: Sequence[UsedFace]) -> float:
        """The estimator's slope on the true ages of untouched pictures."""
        paths, found = [face.dated.path for face in faces], [face.found for face in faces]
        years = estimator.of_pictures(paths, found, self.progress)
        ages, errors = _ages(faces)
        return slope_on_truth(years, ages, errors)

    def _prepared(self, faces: Sequence[UsedFace], most: int, model: PhotoModel) -> Any:
        """Up to `most` faces to be aged, the same ones in every run."""
        chosen = sorted(faces, key=lambda face: hash_fraction(face.dated.path.name))[:most]
        rows = [(f.dated.path, f.found, f.dated.age, f.dated.person) for f in chosen]
        return prepared(rows, model, self.progress, masks=self.settings.person_masks)

    def _side(self, *, held_out: bool) -> list[UsedFace]:
        return [face for face in self.faces if face.held_out == held_out]


def parts_of_prior() -> dict[str, nn.Module]:
    """The delivered model and the one that is validated, empty."""
    return {PRIOR: ModelArrays(SHAPES), HELD_OUT: ModelArrays(SHAPES)}


def here(name: str) -> Estimator | None:
    """A network by its name; None where its weights are not here."""
    try:
        return load_estimator(name)
    except MissingWeightsError:
        return None


def _ages(faces: Sequence[UsedFace]) -> tuple[Doubles, Doubles]:
    """Ages (n,) and how wrong they may be."""
    ages = np.array([face.dated.age for face in faces])
    return ages, np.array([face.dated.error for face in faces])


def _require_enough(ages: Sequence[float]) -> None:
    if len(ages) < FEWEST or max(ages) - min(ages) < LEAST_SPAN:
        span = f" of {min(ages):g} to {max(ages):g} years" if ages else ""
        raise InputError(
            f"{len(ages)} usable faces{span} are left to fit: at least {FEWEST} are needed, over "
            f"{LEAST_SPAN:g} years of age",
            hint="give more dated faces; `tm train --dry-run` lists what is used",
        )


def _model(net: nn.Module) -> PhotoModel:
    assert isinstance(net, ModelArrays)
    arrays: dict[str, Any] = net.arrays()
    return PhotoModel(**arrays)


def _set(net: nn.Module, model: PhotoModel) -> None:
    assert isinstance(net, ModelArrays)
    net.set_to(model)


def share_figures(name: str, observed: Shifts, slope: float) -> dict[str, float]:
    """What an evaluator sees of the asked change, in shares of its own slope, 95 % over people."""
    figures = {f"{name}/own_slope": slope, f"{name}/share": observed.share(slope)}
    for side, older in (("older", True), ("younger", False)):
        figures[f"{name}/share_{side}"] = observed.share(slope, older=older)
    if np.isfinite(slope) and len(observed.asked):
        interval = ratio_interval(
            observed.asked * observed.observed, observed.asked**2 * slope, groups=observed.people
        )
        figures |= {f"{name}/share_low": interval.low, f"{name}/share_high": interval.high}
    return figures
