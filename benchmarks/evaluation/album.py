"""The people of an evaluation, each in the same photographs at the same ages."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engine.data.portraits import PortraitSet
from engine.images.ranges import to_pixels, to_tensor
from engine.images.srgb import Pixels
from engine.metrics.energy import energy_ratios
from engine.metrics.strata import Stratum, stratum_of

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
    def similar(self) -> NDArray[np.bool_]:
        """Whether two different people have the same sex and skin: (people, people)."""
        kinds = [stratum_of(int(seed), float(self.ages[0])) for seed in self.people]
        same = np.array([[one == other for other in kinds] for one in kinds])
        return same & ~np.eye(len(kinds), dtype=bool)


def albums(portraits: PortraitSet) -> list[Album]:
    """One album for each photograph of a set whose ages are fixed."""
    plan = portraits.plan
    if plan.fixed is None:
        raise ValueError("an album needs the same ages for everyone: fix them in the plan")
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

    Returns its values in the leading shape of the pictures, (..., *rest of its shape).
    """
    leading = pictures[0].shape[:-3]
    rows = [one.reshape(-1, *one.shape[-3:]) for one in pictures]
    batches: list[NDArray[np.float64]] = []
    with torch.inference_mode():
        for start in range(0, len(rows[0]), batch):
            tensors = [tensor(one[start : start + batch]) for one in rows]
            batches.append(measure(*tensors).double().numpy(force=True))
    values = np.concatenate(batches)
    return values.reshape(*leading, *values.shape[1:])


def outputs_of(network: Callable[[Tensor], Tensor], pictures: Pixels, batch: int = BATCH) -> Pixels:
    """The output of a network for uint8 pictures (..., s, s, 3), uint8 of the same shape."""
    rows = pictures.reshape(-1, *pictures.shape[-3:])
    outputs: list[Pixels] = []
    with torch.inference_mode():
        for start in range(0, len(rows), batch):
            outputs += [to_pixels(one) for one in network(tensor(rows[start : start + batch]))]
    return np.stack(outputs).reshape(pictures.shape)


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
    return {f"{key.region} {key.band}": np.stack([row[key] for row in rows]) for key in rows[0]}
