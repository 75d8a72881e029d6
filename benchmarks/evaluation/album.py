"""The people of an exam: each in the same photographs at the same ages, with their truth."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engine.data.portraits import PortraitSet
from engine.images.ranges import to_pixels, to_tensor
from engine.metrics.energy import energy_ratios
from engine.metrics.strata import Stratum, stratum_of

Pixels = NDArray[np.uint8]
BATCH = 32


@dataclass(frozen=True, slots=True, eq=False)
class Album:
    """One photograph of everyone at every age.

    pictures: uint8 RGB (people, ages, s, s, 3); points: (people, ages, 68, 2) in pixels;
    ages: (ages,) in years; people: (people,) identity seeds.
    """

    pictures: Pixels
    points: NDArray[np.float32]
    ages: NDArray[np.float32]
    people: NDArray[np.int64]

    @property
    def strata(self) -> list[list[Stratum]]:
        """The stratum of every picture, by person and age."""
        return [[stratum_of(int(seed), float(age)) for age in self.ages] for seed in self.people]

    @property
    def alike(self) -> NDArray[np.bool_]:
        """Which two people are of one sex and skin, and not the same: (people, people)."""
        kinds = [stratum_of(int(seed), float(self.ages[0])) for seed in self.people]
        same = np.array([[one == other for other in kinds] for one in kinds])
        return same & ~np.eye(len(kinds), dtype=bool)


def albums(portraits: PortraitSet) -> list[Album]:
    """One album for each photograph of a set whose ages are fixed."""
    plan = portraits.plan
    if plan.fixed is None:
        raise ValueError("an album needs everyone at the same ages: fix them in the plan")
    shape = plan.people, plan.scenes, plan.per_scene
    pictures = portraits.pictures.reshape(*shape, *portraits.pictures.shape[1:])
    points = portraits.landmarks.reshape(*shape, 68, 2)
    ages = np.asarray(plan.fixed, np.float32)
    people = np.arange(plan.first, plan.first + plan.people)
    return [Album(pictures[:, i], points[:, i], ages, people) for i in range(plan.scenes)]


def measured(
    measure: Callable[..., Tensor], *pictures: Pixels, batch: int = BATCH
) -> NDArray[np.float64]:
    """Apply a function of tensors (b, 3, s, s) in [-1, 1] to uint8 pictures (..., s, s, 3).

    Returns its values in the leading shape of the pictures, (..., *rest of its answer).
    """
    leading = pictures[0].shape[:-3]
    rows = [one.reshape(-1, *one.shape[-3:]) for one in pictures]
    answers: list[NDArray[np.float64]] = []
    with torch.inference_mode():
        for start in range(0, len(rows[0]), batch):
            tensors = [tensor(one[start : start + batch]) for one in rows]
            answers.append(measure(*tensors).double().numpy(force=True))
    told = np.concatenate(answers)
    return told.reshape(*leading, *told.shape[1:])


def drawn(make: Callable[[Tensor], Tensor], pictures: Pixels, batch: int = BATCH) -> Pixels:
    """What a network makes of uint8 pictures (..., s, s, 3): uint8 pictures of the same shape."""
    rows = pictures.reshape(-1, *pictures.shape[-3:])
    made: list[Pixels] = []
    with torch.inference_mode():
        for start in range(0, len(rows), batch):
            made += [to_pixels(one) for one in make(tensor(rows[start : start + batch]))]
    return np.stack(made).reshape(pictures.shape)


def tensor(pictures: Pixels) -> Tensor:
    """uint8 RGB (b, s, s, 3) to float32 (b, 3, s, s) in [-1, 1]."""
    return torch.cat([to_tensor(pixels) for pixels in pictures])


def person_energies(
    outputs: Pixels, truths: Pixels, points: NDArray[np.floating]
) -> dict[str, NDArray[np.float64]]:
    """Energy ratios (people, ages) named `region band`, person by person to bound the memory."""
    rows = [
        energy_ratios(tensor(ours), tensor(theirs), face)
        for ours, theirs, face in zip(outputs, truths, points, strict=True)
    ]
    return {
        f"{place.region} {place.band}": np.stack([row[place] for row in rows]) for place in rows[0]
    }
