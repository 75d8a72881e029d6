"""One picture through the steps of a chain, each at the largest strength that the guard allows."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch

from engine.core.errors import PictureError, UsageError
from engine.core.luma import REC_601
from engine.data.domains import Domain
from engine.enhance.base import FaceStep, Made, PictureStep, StepChoice
from engine.enhance.faces import change_face, changed_crop, cut_face, find_faces
from engine.enhance.guard import (
    SIDE,
    Comparison,
    FaceEvaluator,
    FaceEvaluatorFactory,
    FaceMeasurement,
    GuardLimits,
    compare,
)
from engine.faces.detect import Detection
from engine.geometry.ffhq import Quad
from engine.images.ranges import to_floats, white_of
from engine.images.raster import Raster, enlarged_plane, enlarged_rows

STRIP = 1 << 19
"""Pixels that are blended at once."""

HALF_RANGE = 127.5
"""Levels of 255 that 1 is worth in the range of the networks."""

Used = Mapping[str, Any]


@dataclass(slots=True, eq=False)
class Enhanced:
    """A finished picture: its steps as JSON, and its faces compared with those of the source."""

    picture: Raster
    steps: list[dict[str, Any]]
    domain: Domain
    faces: int
    evaluator: FaceEvaluator | None
    comparison: Comparison


class Chain:
    """Built steps and the guard over them; used from one thread at a time."""

    def __init__(
        self,
        choices: Sequence[StepChoice],
        device: torch.device,
        *,
        guard: GuardLimits,
        detection: Detection,
        evaluators: FaceEvaluatorFactory,
        force: bool = False,
    ) -> None:
        self.device, self.guard, self.detection = device, guard, detection
        self.force = force
        self.choices = list(choices)
        self.steps = [choice.build(choice.model(device, "portraits"), device) for choice in choices]
        """The steps as drawn portraits get them."""
        self.evaluators = evaluators
        self._differs = [c.file("photos") != c.file("portraits") for c in choices]
        self._for_photos: dict[int, PictureStep | FaceStep] = {}

    @property
    def scale(self) -> int:
        """How many times larger pictures come out."""
        return int(np.prod([getattr(step, "scale", 1) for step in self.steps]))

    def step(self, index: int, domain: Domain) -> PictureStep | FaceStep:
        """A step for the pictures of a domain; for photographs it is loaded when one comes."""
        if domain == "portraits" or not self._differs[index]:
            return self.steps[index]
        if index not in self._for_photos:
            choice = self.choices[index]
            model = choice.model(self.device, "photos")
            self._for_photos[index] = choice.build(model, self.device)
        return self._for_photos[index]

    def run(self, take: Callable[[], Raster], used: Sequence[Used] | None = None) -> Enhanced:
        """Enhance one picture.

        take: gives the picture away; its pixels are overwritten, and freed before larger ones are
        made. used: the steps of an earlier run's sidecar, to be repeated.
        """
        state = _State(take(), self)
        rows: list[dict[str, Any]] = []
        for index, choice in enumerate(self.choices):
            step = self.step(index, state.domain)
            started, size = time.perf_counter(), [state.picture.width, state.picture.height]
            row = _apply(state, choice, step, None if used is None else used[index])
            rows.append(
                {
                    "name": choice.kind,
                    "model": step.model.name,
                    "architecture": step.model.architecture,
                    "stand_in": step.model.stand_in,
                    "weights_sha256": step.model.sha256,
                    "licence": step.model.licence,
                    "params": choice.dump(),
                    **row,
                    "in_size": size,
                    "out_size": [state.picture.width, state.picture.height],
                    "device": str(self.device),
                    "dtype": getattr(choice, "precision", "float32"),
                    "seconds": round(time.perf_counter() - started, 3),
                }
            )
        comparison, faces = Comparison(), len(state.quads)
        if state.evaluator is not None:
            if not self.guard.on:  # no step has measured the faces
                state.last = state.measurements()
            comparison = compare(state.first, state.last, state.evaluator, self.guard)
        return Enhanced(state.picture, rows, state.domain, faces, state.evaluator, comparison)


@dataclass(slots=True)
class _State:
    """A picture between two steps."""

    picture: Raster
    chain: Chain
    quads: list[Quad] = field(init=False)
    domain: Domain = field(init=False)
    evaluator: FaceEvaluator | None = field(init=False)
    luma: bool = field(init=False)
    """Whether faces are compared in luma: a step of the chain gives this picture colours."""
    first: list[FaceMeasurement] = field(init=False)
    """The faces of the source."""
    last: list[FaceMeasurement] = field(init=False)
    """The faces after the last step."""

    def __post_init__(self) -> None:
        self.quads = [
            quad
            for quad in find_faces(self.picture, self.chain.detection)
            if _lies_inside(self.picture, quad)
        ]
        limits, evaluators = self.chain.guard, self.chain.evaluators
        if limits.domain != "auto":
            self.domain = limits.domain
        elif self.quads:
            self.domain = evaluators.domain_of(cut_face(self.picture, self.quads[0], SIDE))
        else:
            self.domain = "photos"
        self.evaluator = evaluators.for_domain(self.domain) if self.quads else None
        self.luma = any(
            choice.colours
            and choice.strength != 0
            and self.chain.step(index, self.domain).declines(
                self.picture, self.domain, force=self.chain.force
            )
            is None
            for index, choice in enumerate(self.chain.choices)
        )
        self.first = self.last = self.measurements()

    def crops(self) -> list[np.ndarray]:
        """The aligned faces (SIDE, SIDE, 3)."""
        return [cut_face(self.picture, quad, SIDE) for quad in self.quads]

    def measurements(self) -> list[FaceMeasurement]:
        """Identity and age of every face; none without an evaluator."""
        return [] if self.evaluator is None else [self.measure(face) for face in self.crops()]

    def measure(self, face: np.ndarray) -> FaceMeasurement:
        """Identity and age of an aligned face (s, s, 3)."""
        assert self.evaluator is not None
        return self.evaluator.measure(_luma(face) if self.luma else face)

    @property
    def guard(self) -> FaceEvaluator | None:
        """The evaluator, if the guard is on and there is a face."""
        return self.evaluator if self.chain.guard.on else None


def _apply(
    state: _State, choice: StepChoice, step: PictureStep | FaceStep, used: Used | None
) -> dict[str, Any]:
    """Apply one step; returns its figures for the sidecar."""
    reason = "strength 0" if choice.strength == 0 else None
    if reason is None and isinstance(step, FaceStep) and not state.quads:
        reason = "no face found"
    if reason is None:
        reason = step.declines(state.picture, state.domain, force=state.chain.force)
    if isinstance(step, PictureStep):
        if reason is not None:
            state.picture = _enlarged(state.picture, step.scale)
            state.quads = [quad.scaled(step.scale) for quad in state.quads]
            return {"strength": 0.0, "skipped_reason": _with_enlargement(reason, step.scale)}
        return _whole(state, choice, step, used)
    if reason is not None:
        return {"strength": 0.0, "skipped_reason": reason}
    return _faces(state, choice, step)


def _whole(
    state: _State, choice: StepChoice, step: PictureStep, used: Used | None
) -> dict[str, Any]:
    before, crops = state.picture, state.crops()
    made: Made = step.apply(before, None if used is None else used.get("used"))
    quads = [quad.scaled(step.scale) for quad in state.quads]
    allowed = Allowed(choice.strength, Comparison())
    if (guard := state.guard) is not None:
        after = [cut_face(made.picture, quad, SIDE) for quad in quads]

        def measure(strength: float) -> list[FaceMeasurement]:
            pairs = zip(crops, after, strict=True)
            return [state.measure(_blend(one, other, strength)) for one, other in pairs]

        allowed = _largest_allowed(
            choice.strength, measure, state.first, state.last, guard, state.chain.guard
        )
        state.last = allowed.faces
    strength = allowed.strength
    if strength == 0:
        state.picture = _enlarged(before, step.scale)
    elif strength < 1:
        state.picture = _mixed(before, made.picture, strength, step.scale)
    else:
        state.picture = made.picture
    state.quads = quads
    row: dict[str, Any] = {
        "strength": strength,
        "used": made.used,
        "guard": allowed.comparison.dump(),
    }
    if strength == 0:
        row["skipped_reason"] = _with_enlargement(f"the guard: {allowed.fault}", step.scale)
    elif allowed.fault is not None:
        row["held_back"] = allowed.fault
    return row


def _faces(state: _State, choice: StepChoice, step: FaceStep) -> dict[str, Any]:
    """Every face by itself, in its place."""
    rows = [_face(state, choice, step, index) for index in range(len(state.quads))]
    strengths = [row["strength"] for row in rows]
    row: dict[str, Any] = {"strength": max(strengths), "faces": rows}
    if not any(strengths):
        row["skipped_reason"] = rows[0].get("held_back", "no face could be restored")
    return row


def _face(state: _State, choice: StepChoice, step: FaceStep, index: int) -> dict[str, Any]:
    picture, guard, quad = state.picture, state.guard, state.quads[index]
    face = to_floats(cut_face(picture, quad, step.side))
    change = ((step.restore(face) - face) * HALF_RANGE)[0].permute(1, 2, 0).numpy()
    if guard is None:
        change_face(picture, change, quad, choice.strength)
        return {"strength": choice.strength}
    before = cut_face(picture, quad, SIDE)

    def measure(strength: float) -> list[FaceMeasurement]:
        return [state.measure(changed_crop(before, change, strength))]

    first, last = [state.first[index]], [state.last[index]]
    allowed = _largest_allowed(choice.strength, measure, first, last, guard, state.chain.guard)
    if allowed.strength == 0:
        return {"strength": 0.0, "held_back": f"the guard: {allowed.fault}"}
    state.last = [*state.last[:index], *allowed.faces, *state.last[index + 1 :]]
    change_face(picture, change, quad, allowed.strength)
    row = {"strength": allowed.strength, **allowed.comparison.dump()}
    return row if allowed.fault is None else row | {"held_back": allowed.fault}


@dataclass(frozen=True, slots=True)
class Allowed:
    """The strength of a step that the guard allows, and the faces at it.

    fault: why the largest strength was not allowed, None if it was.
    """

    strength: float
    comparison: Comparison
    faces: list[FaceMeasurement] = field(default_factory=list[FaceMeasurement])
    fault: str | None = None


def _largest_allowed(
    strength: float,
    measure: Callable[[float], list[FaceMeasurement]],
    first: list[FaceMeasurement],
    last: list[FaceMeasurement],
    evaluator: FaceEvaluator,
    limits: GuardLimits,
) -> Allowed:
    """The first strength of the backoff at which the faces stay within the limits; 0 if none is.

    They are compared with the faces before the step (`last`) and with those of the source
    (`first`): small drifts of several steps may not add up to a large one.
    """
    fault = None
    for share in limits.backoff:
        faces = measure(share * strength)
        comparison = compare(last, faces, evaluator, limits)
        if comparison.fault is None:
            overall = compare(first, faces, evaluator, limits)
            if overall.fault is None:
                return Allowed(share * strength, comparison, faces, fault)
            comparison = replace(comparison, fault=f"{overall.fault}, against the source")
        fault = comparison.fault if fault is None else fault
    return Allowed(0.0, compare(last, last, evaluator, limits), last, fault)


def _lies_inside(picture: Raster, quad: Quad) -> bool:
    try:
        cut_face(picture, quad, SIDE)
    except PictureError:
        return False
    return True


def _blend(one: np.ndarray, other: np.ndarray, strength: float) -> np.ndarray:
    mixed = one.astype(np.float32) + strength * (other.astype(np.float32) - one)
    return np.rint(np.clip(mixed, 0, 255)).astype(np.uint8)


def _luma(face: np.ndarray) -> np.ndarray:
    """A face (s, s, 3) without its colours."""
    light = np.rint(face @ np.asarray(REC_601)).astype(np.uint8)
    return np.repeat(light[..., None], 3, axis=2)


def _enlarged(picture: Raster, scale: int) -> Raster:
    """The picture at the size that a skipped step would give, by bicubic enlargement."""
    if scale == 1:
        return picture
    alpha = None if picture.alpha is None else enlarged_plane(picture.alpha, scale)
    return Raster(enlarged_plane(picture.pixels, scale), alpha)


def _mixed(before: Raster, after: Raster, strength: float, scale: int) -> Raster:
    """Blend strip by strip, into `after`."""
    rows, white = max(STRIP // after.width, 1), white_of(after.pixels)
    for top in range(0, after.height, rows):
        strip = after.pixels[top : top + rows]
        plain = enlarged_rows(before.pixels, top, top + strip.shape[0], scale).astype(np.float32)
        strip[:] = np.rint(np.clip(plain + strength * (strip - plain), 0, white))
    return after


def _with_enlargement(reason: str, scale: int) -> str:
    return reason if scale == 1 else f"{reason}; enlarged {scale} times by bicubic instead"


def require_steps(choices: Sequence[StepChoice]) -> None:
    """UsageError for a chain of nothing."""
    if not choices:
        raise UsageError("no step was named", hint="write `ddcolor,esrgan,gfpgan`, or some of them")
