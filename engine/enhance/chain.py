"""One picture through the steps of a chain, each held back by the guard as far as it must be."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch

from engine.core.errors import PictureError, UsageError
from engine.data.domains import Domain
from engine.enhance.base import FaceStep, Made, PictureStep, StepChoice
from engine.enhance.faces import change_face, changed_crop, cut_face, find_faces
from engine.enhance.guard import (
    SIDE,
    EvaluatorFactory,
    FaceEvaluator,
    FaceMeasurement,
    Guarding,
    Verdict,
    judged,
)
from engine.enhance.models import Model
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
    """A finished picture: its steps as JSON, and its faces before and after."""

    picture: Raster
    steps: list[dict[str, Any]]
    domain: Domain
    faces: int
    witness: FaceEvaluator | None
    verdict: Verdict
    """Of the whole chain, against the source."""


class Chain:
    """Built steps and the guard over them; used from one thread at a time."""

    def __init__(
        self,
        choices: Sequence[StepChoice],
        device: torch.device,
        *,
        guarding: Guarding,
        detection: Detection,
        summon: EvaluatorFactory,
        force: bool = False,
    ) -> None:
        self.device, self.guarding, self.detection = device, guarding, detection
        self.force = force
        self.choices = list(choices)
        self.steps = [choice.build(choice.model(device), device) for choice in choices]
        self.witnesses = summon()

    @property
    def models(self) -> list[Model]:
        """The networks of the steps."""
        return [step.model for step in self.steps]

    @property
    def scale(self) -> int:
        """How many times larger pictures come out."""
        return int(np.prod([getattr(step, "scale", 1) for step in self.steps]))

    def run(self, take: Callable[[], Raster], used: Sequence[Used] | None = None) -> Enhanced:
        """Enhance the picture that `take` gives away: its pixels may be written to, and nobody else
        holds them while larger ones are made. `used` repeats an earlier run.
        """
        state = _State(take(), self)
        told: list[dict[str, Any]] = []
        for index, (choice, step) in enumerate(zip(self.choices, self.steps, strict=True)):
            began, size = time.perf_counter(), [state.picture.width, state.picture.height]
            before = None if used is None else used[index]
            row = _do(state, choice, step, before)
            told.append(
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
                    "dtype": "float32",
                    "seconds": round(time.perf_counter() - began, 3),
                }
            )
        verdict = Verdict(None, None, None)
        if state.witness is not None:
            if not self.guarding.on:  # nobody has looked on the way
                state.last = state.looks()
            verdict = judged(state.first, state.last, state.witness, self.guarding)
        return Enhanced(state.picture, told, state.domain, len(state.quads), state.witness, verdict)


@dataclass(slots=True)
class _State:
    """A picture on its way."""

    picture: Raster
    chain: Chain
    quads: list[Quad] = field(init=False)
    domain: Domain = field(init=False)
    witness: FaceEvaluator | None = field(init=False)
    first: list[FaceMeasurement] = field(init=False)
    """The faces of the source."""
    last: list[FaceMeasurement] = field(init=False)
    """The faces as they stand."""

    def __post_init__(self) -> None:
        self.quads = [
            quad
            for quad in find_faces(self.picture, self.chain.detection)
            if _crop(self.picture, quad) is not None
        ]
        limits, witnesses = self.chain.guarding, self.chain.witnesses
        if limits.domain != "auto":
            self.domain = limits.domain
        elif self.quads:
            self.domain = witnesses.domain_of(cut_face(self.picture, self.quads[0], SIDE))
        else:
            self.domain = "photos"
        self.witness = witnesses.of(self.domain) if self.quads else None
        self.first = self.last = self.looks()

    def crops(self) -> list[np.ndarray]:
        return [cut_face(self.picture, quad, SIDE) for quad in self.quads]

    def looks(self) -> list[FaceMeasurement]:
        return [] if self.witness is None else [self.witness.look(face) for face in self.crops()]

    @property
    def guard(self) -> FaceEvaluator | None:
        """Who holds steps back, if anybody does."""
        return self.witness if self.chain.guarding.on else None


def _do(
    state: _State, choice: StepChoice, step: PictureStep | FaceStep, used: Used | None
) -> dict[str, Any]:
    """One step over the state; returns what the sidecar says of it."""
    reason = "strength 0" if choice.strength == 0 else None
    if reason is None and isinstance(step, FaceStep) and not state.quads:
        reason = "no face found"
    if reason is None:
        reason = step.declines(state.picture, state.domain, force=state.chain.force)
    if isinstance(step, PictureStep):
        if reason is not None:
            state.picture = _plain(state.picture, step.scale)
            state.quads = [quad.scaled(step.scale) for quad in state.quads]
            return {"strength": 0.0, "skipped_reason": _enlarged_all_the_same(reason, step.scale)}
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
    strength, verdict, fault = choice.strength, Verdict(None, None, None), None
    if state.guard is not None:
        after = [cut_face(made.picture, quad, SIDE) for quad in quads]
        strength, verdict, fault = _held(state, choice, crops, after)
    if strength == 0:
        state.picture = _plain(before, step.scale)
    elif strength < 1:
        state.picture = _mixed(before, made.picture, strength, step.scale)
    else:
        state.picture = made.picture
    state.quads = quads
    row: dict[str, Any] = {"strength": strength, "used": made.used, "guard": verdict.told()}
    if strength == 0:
        row["skipped_reason"] = _enlarged_all_the_same(f"the guard: {fault}", step.scale)
    elif fault is not None:
        row["held_back"] = fault
    return row


def _held(
    state: _State, choice: StepChoice, before: list[np.ndarray], after: list[np.ndarray]
) -> tuple[float, Verdict, str | None]:
    """The largest strength at which the faces stay who they are, 0 if none does; and why."""
    assert state.guard is not None
    fault = None
    for share in state.chain.guarding.ladder:
        strength = share * choice.strength
        blends = [_blend(one, other, strength) for one, other in zip(before, after, strict=True)]
        looks = [state.guard.look(face) for face in blends]
        verdict = _kept(state.first, state.last, looks, state)
        if verdict.fault is None:
            state.last = looks
            return strength, verdict, fault
        fault = verdict.fault if fault is None else fault
    return 0.0, judged(state.last, state.last, state.guard, state.chain.guarding), fault


def _kept(
    first: Sequence[FaceMeasurement],
    last: Sequence[FaceMeasurement],
    looks: Sequence[FaceMeasurement],
    state: _State,
) -> Verdict:
    """The verdict on a step; small drifts of several steps may not add up to a large one."""
    assert state.guard is not None
    verdict = judged(last, looks, state.guard, state.chain.guarding)
    if verdict.fault is None:
        whole = judged(first, looks, state.guard, state.chain.guarding)
        if whole.fault is not None:
            verdict = replace(verdict, fault=f"{whole.fault}, against the source")
    return verdict


def _faces(state: _State, choice: StepChoice, step: FaceStep) -> dict[str, Any]:
    """Every face by itself, in its place."""
    rows = [_face(state, choice, step, index) for index in range(len(state.quads))]
    strengths = [row["strength"] for row in rows]
    row: dict[str, Any] = {"strength": max(strengths), "faces": rows}
    if not any(strengths):
        row["skipped_reason"] = rows[0].get("held_back", "no face could be restored")
    return row


def _face(state: _State, choice: StepChoice, step: FaceStep, index: int) -> dict[str, Any]:
    picture, guard, limits = state.picture, state.guard, state.chain.guarding
    quad = state.quads[index]
    face = to_floats(cut_face(picture, quad, step.side))
    change = ((step.restore(face) - face) * HALF_RANGE)[0].permute(1, 2, 0).numpy()
    if guard is None:
        change_face(picture, change, quad, choice.strength)
        return {"strength": choice.strength}
    before, fault = cut_face(picture, quad, SIDE), None
    for share in limits.ladder:
        strength = share * choice.strength
        after = guard.look(changed_crop(before, change, strength))
        verdict = _kept([state.first[index]], [state.last[index]], [after], state)
        if verdict.fault is None:
            state.last = [*state.last[:index], after, *state.last[index + 1 :]]
            change_face(picture, change, quad, strength)
            told = {"strength": strength, **verdict.told()}
            return told if fault is None else told | {"held_back": fault}
        fault = verdict.fault if fault is None else fault
    return {"strength": 0.0, "held_back": f"the guard: {fault}"}


def _crop(picture: Raster, quad: Quad) -> np.ndarray | None:
    try:
        return cut_face(picture, quad, SIDE)
    except PictureError:
        return None


def _blend(one: np.ndarray, other: np.ndarray, strength: float) -> np.ndarray:
    mixed = one.astype(np.float32) + strength * (other.astype(np.float32) - one)
    return np.rint(np.clip(mixed, 0, 255)).astype(np.uint8)


def _plain(picture: Raster, scale: int) -> Raster:
    """What is left of a step that is not taken: the size it would give, by bicubic enlargement."""
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


def _enlarged_all_the_same(reason: str, scale: int) -> str:
    return reason if scale == 1 else f"{reason}; enlarged {scale} times by bicubic instead"


def require_steps(choices: Sequence[StepChoice]) -> None:
    """UsageError for a chain of nothing."""
    if not choices:
        raise UsageError("no step was named", hint="write `ddcolor,esrgan,gfpgan`, or some of them")
