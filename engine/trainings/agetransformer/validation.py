"""How an AgeTransformer does on faces it never learned from, while it trains."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from engine.data.anchors import Anchors
from engine.data.labelled import LabelledFaces
from engine.losses.texture import texture_l1
from engine.metrics.age import spearman
from engine.metrics.gradients import SCALES, gradient_distance
from engine.metrics.pixels import psnr
from engine.nets.protocols import AgeEstimator, IdentityNetwork
from engine.trainings.autoencoder.task import side_by_side
from engine.trainings.predictions import TOGETHER

ORDERED = 0.95
"""Spearman's rho over the ages asked for from which a face counts as ageing in order."""
SHOWN = 4
FEATURE_DISTANCE, COST = "feature_distance", "cost"
TEN_YEARS = 10.0
"""Age error that costs as much as being somebody else."""


@dataclass(frozen=True, slots=True, eq=False)
class AgeExam:
    """The check set, and who judges: an age reader that is in no loss, and who somebody is."""

    faces: LabelledFaces
    anchors: Anchors
    scorer: AgeEstimator | None
    identity: IdentityNetwork | None

    def figures(self, generator: nn.Module, device: torch.device) -> dict[str, float]:
        """Everybody at every age: the known ones, or else the anchors."""
        if self.faces.per_scene > 1:
            return self._against_truth(generator, device)
        return self._by_labels(generator, device)

    def strips(self, generator: nn.Module, device: torch.device) -> np.ndarray:
        """A few faces, uint8 RGB: the photograph, then every age; under it the truth if known."""
        rows = self._photos()[:SHOWN]
        photos, outputs = self.faces.pictures(rows), self._aged(generator, rows, device)
        strips: list[np.ndarray] = []
        for row, photo, made in zip(rows.tolist(), photos, outputs, strict=True):
            strips.append(side_by_side(torch.cat([photo[None], made])))
            if self.faces.per_scene > 1:
                truth = self.faces.pictures(self._scene(row))
                strips.append(side_by_side(torch.cat([photo[None], truth])))
        return np.concatenate(strips)

    def _against_truth(self, generator: nn.Module, device: torch.device) -> dict[str, float]:
        rows = self._photos()
        output = self._aged(generator, rows, device).flatten(0, 1)
        photo = self.faces.pictures(rows.repeat_interleave(self.faces.per_scene))
        truth = self.faces.pictures(torch.arange(len(self.faces)))
        scales = min(SCALES, int(math.log2(truth.shape[-1] // 3)))  # what small pictures have
        near = gradient_distance(output, truth, scales=scales)
        texture = texture_l1(output, truth)
        figures = {
            FEATURE_DISTANCE: float(texture + near.mean()),
            "texture": float(texture),
            "gradient": float(near.mean()),
            "gradient_unchanged": float(gradient_distance(photo, truth, scales=scales).mean()),
            "psnr": float(psnr(output, truth).mean()),
            "psnr_unchanged": float(psnr(photo, truth).mean()),
        }
        if self.scorer is None:
            return figures
        ages = torch.from_numpy(self.faces.ages)
        told, read = (self._years(some, device) for some in (output, truth))
        each = self.faces.per_scene
        return figures | {
            "age_mae": float((told - ages).abs().mean()),
            "age_mae_truth": float((read - ages).abs().mean()),
            "in_order": _in_order(ages.view(-1, each), told.view(-1, each)),
        }

    def _by_labels(self, generator: nn.Module, device: torch.device) -> dict[str, float]:
        """Age error at the anchors, likeness to the photograph, and how well it comes back."""
        rows = self._photos()
        photo = self.faces.pictures(rows)
        own = self.anchors.weights(torch.from_numpy(self.faces.ages)[rows])[:, None]
        again = self._drawn(generator, photo, own, device)[:, 0]
        apart = float((again - photo).abs().mean())
        figures = {COST: apart, "reconstruction": apart}
        output = self._aged(generator, rows, device)
        if self.scorer is not None:
            years = torch.tensor(self.anchors.years).expand(len(rows), -1)
            told = self._years(output.flatten(0, 1), device).view(len(rows), -1)
            figures["age_mae"] = float((told - years).abs().mean())
            figures["in_order"] = _in_order(years, told)
            figures[COST] += figures["age_mae"] / TEN_YEARS
        if self.identity is not None:
            who = self._embedded(photo, device)[:, None]
            same = self._embedded(output.flatten(0, 1), device).view(*output.shape[:2], -1) * who
            figures["identity"] = float(same.sum(dim=2).mean())
            figures[COST] += 1 - figures["identity"]
        return figures

    def _photos(self) -> Tensor:
        """The rows that are aged: one age of each photograph."""
        each = self.faces.per_scene
        scenes = torch.arange(len(self.faces) // each)
        return scenes * each + scenes % each

    def _scene(self, row: int) -> Tensor:
        each = self.faces.per_scene
        return torch.arange(each) + row // each * each

    def _aged(self, generator: nn.Module, rows: Tensor, device: torch.device) -> Tensor:
        """The faces in these rows at every age: (n, ages, 3, s, s) on the CPU."""
        if self.faces.per_scene > 1:
            ages = torch.from_numpy(self.faces.ages)
            asked = self.anchors.weights(torch.stack([ages[self._scene(r)] for r in rows.tolist()]))
        else:
            asked = torch.eye(len(self.anchors)).expand(len(rows), -1, -1)
        return self._drawn(generator, self.faces.pictures(rows), asked, device)

    def _drawn(
        self, generator: nn.Module, photos: Tensor, asked: Tensor, device: torch.device
    ) -> Tensor:
        few = max(1, TOGETHER // asked.shape[1])
        told = [
            generator(photo.to(device), weights.to(device)).float().cpu()
            for photo, weights in zip(photos.split(few), asked.split(few), strict=True)
        ]
        return torch.cat(told)

    def _years(self, pictures: Tensor, device: torch.device) -> Tensor:
        assert self.scorer is not None
        told = [self.scorer.years(some.to(device)).cpu() for some in pictures.split(TOGETHER)]
        return torch.cat(told)

    def _embedded(self, pictures: Tensor, device: torch.device) -> Tensor:
        assert self.identity is not None
        told = [self.identity.embed(some.to(device)).cpu() for some in pictures.split(TOGETHER)]
        return torch.cat(told)


def _in_order(asked: Tensor, told: Tensor) -> float:
    """Share of faces (n, ages) whose told ages are in the order of those asked for."""
    rhos = [spearman(a.numpy(), b.numpy()) for a, b in zip(asked, told, strict=True)]
    return float(np.mean([rho >= ORDERED for rho in rhos]))
