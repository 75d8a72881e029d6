"""What the refiner learns from: dated faces in the frame, as they are and aged by the prior."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engine.core.errors import InputError
from engine.core.progress import Progress, reported
from engine.geometry.landmarks import COUNT, FLIP
from engine.photo.ageing import age_change, frame_offsets
from engine.photo.frame import Floats, Pixels
from engine.photo.model import PhotoModel
from engine.photo.refining import LEFT, SIDE, TOP, refinable, square_of
from engine.photo.subject import PhotoSubject, prepare_subject
from engine.trainings.photo_prior.faces import DatedFace
from engine.trainings.photo_prior.measuring import (
    FAULTS,
    FoundFace,
    fault_record,
    mask_of,
    read_pixels,
)

OFFSETS = 48
"""Cells per side of a square in which offsets are kept: they are smooth."""
LEAST_YEARS = 4.0
"""Least change of age that is learned from."""


@dataclass(frozen=True, slots=True, eq=False)
class AgedCrops:
    """n faces in the square of the refiner, and each at k ages by the prior.

    own (n, 192, 192, 3) uint8; mask (n, 192, 192) uint8, where the refiner may act; points
    (n, 68, 2) in px of the square; ages (n,); aged (n, k, 192, 192, 3) uint8, colours changed but
    shape not; targets (n, k); offsets (n, k, 48, 48, 2) float16, whence each pixel then comes;
    moved (n, k, 68, 2), where the points go.
    """

    own: Pixels
    mask: Pixels
    points: Floats
    ages: Floats
    aged: Pixels
    targets: Floats
    offsets: NDArray[np.float16]
    moved: Floats

    def __len__(self) -> int:
        return len(self.ages)


class Drawn(NamedTuple):
    """A batch: pictures (b, 3, s, s) in [-1, 1], masks (b, 1, s, s), offsets (b, 2, 48, 48),
    points (b, 68, 2) where the shape has moved, ages and targets (b,).
    """

    picture: Tensor
    mask: Tensor
    offsets: Tensor
    points: Tensor
    age: Tensor
    target: Tensor


def aged_at(crops: AgedCrops, rows: Tensor, columns: Tensor, mirrored: Tensor) -> Drawn:
    """Faces (b,) at their ages (b,) by the prior, some of them mirrored (b,)."""
    at, of = rows.numpy(), columns.numpy()
    picture, mask = pictures(crops.aged[at, of]), masks(crops.mask[at])
    offsets = torch.from_numpy(crops.offsets[at, of].astype(np.float32)).permute(0, 3, 1, 2)
    points = torch.from_numpy(crops.moved[at, of])
    swapped = points[:, torch.tensor(FLIP)] * points.new_tensor([-1.0, 1.0])
    swapped = swapped + points.new_tensor([SIDE - 1.0, 0.0])
    other = offsets.flip(3) * offsets.new_tensor([-1.0, 1.0])[:, None, None]
    plane, point = mirrored[:, None, None, None], mirrored[:, None, None]
    return Drawn(
        torch.where(plane, picture.flip(3), picture),
        torch.where(plane, mask.flip(3), mask),
        torch.where(plane, other, offsets),
        torch.where(point, swapped, points),
        torch.from_numpy(crops.ages[at]),
        torch.from_numpy(crops.targets[at, of]),
    )


def pictures(pixels: Pixels) -> Tensor:
    """Pixels (b, s, s, 3) as (b, 3, s, s) in [-1, 1]."""
    return torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 127.5 - 1


def masks(pixels: Pixels) -> Tensor:
    """Masks (b, s, s) of 0..255 as (b, 1, s, s) in 0..1."""
    return torch.from_numpy(pixels)[:, None].float() / 255


def crops_of(
    faces: Sequence[tuple[DatedFace, FoundFace]],
    model: PhotoModel,
    bins: Sequence[tuple[float, float]],
    progress: Progress,
    *,
    person_masks: bool,
) -> tuple[AgedCrops, list[DatedFace]]:
    """The faces that can be measured and aged, and which they are; others are named.

    bins: ages (low, high), from each of which every face gets one target.
    """
    rows: list[tuple[NDArray[np.generic], ...]] = []
    kept: list[DatedFace] = []
    with reported(progress, "Ageing faces by the prior", len(faces)):
        for dated, found in faces:
            try:
                pixels = read_pixels(dated.path)
                mask = mask_of(pixels, found.box) if person_masks else None
                subject = prepare_subject(pixels, found.landmarks, model, person=mask)
                rows.append(_row(subject, dated.age, _targets(dated, bins)))
                kept.append(dated)
            except FAULTS as error:
                progress.remark(f"`{dated.path.name}` {fault_record(error)['reason']}: left out")
            progress.advance(dated.path.name)
    if not rows:
        raise InputError("none of the faces can be aged by the prior", hint="see the remarks above")
    stacks = [np.stack(column) for column in zip(*rows, strict=True)]
    return AgedCrops(*stacks), kept


def _targets(dated: DatedFace, bins: Sequence[tuple[float, float]]) -> list[float]:
    """One age from each bin, the same ones in every run, none next to the face's own."""
    random = np.random.default_rng([31, *dated.path.name.encode()])
    ages = [float(random.uniform(low, high)) for low, high in bins]
    return [
        dated.age + np.copysign(LEAST_YEARS, age - dated.age)
        if abs(age - dated.age) < LEAST_YEARS
        else age
        for age in ages
    ]


def _row(
    subject: PhotoSubject, age: float, targets: Sequence[float]
) -> tuple[NDArray[np.generic], ...]:
    work, corner = subject.work, np.array([LEFT, TOP], np.float32)
    aged: list[Pixels] = []
    offsets: list[NDArray[np.float16]] = []
    moved: list[Floats] = []
    for target in targets:
        change = age_change(subject, age, target).levels
        aged.append(_levels(square_of(np.clip(work.rgb + change, 0, 255), work)))
        gain = subject.model.gains(target > age, subject.code)["shape"]
        field, points = frame_offsets(subject, (age, target), gain)
        square = field[TOP : TOP + SIDE, LEFT : LEFT + SIDE]
        small = cv2.resize(square, (OFFSETS, OFFSETS), interpolation=cv2.INTER_AREA)
        offsets.append(small.astype(np.float16))
        moved.append((points[:COUNT] - corner).astype(np.float32))
    return (
        _levels(square_of(work.rgb, work)),
        _levels(square_of(refinable(work.layers), work) * 255),
        (subject.view.points[:COUNT] - corner).astype(np.float32),
        np.array(age, np.float32),
        np.stack(aged),
        np.array(targets, np.float32),
        np.stack(offsets),
        np.stack(moved),
    )


def _levels(plane: Floats) -> Pixels:
    return np.clip(np.rint(plane), 0, 255).astype(np.uint8)
