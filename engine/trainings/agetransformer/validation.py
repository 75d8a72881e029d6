"""Validation of an AgeTransformer on held-out faces."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from engine.data.anchors import Anchors
from engine.data.labelled import LabelledFaces
from engine.losses.texture import texture_l1
from engine.metrics.age import age_response, spearman
from engine.metrics.gradients import SCALES, gradient_distance
from engine.metrics.pixels import psnr
from engine.nets.protocols import AgeEstimator, IdentityNetwork
from engine.trainings.autoencoder.task import side_by_side
from engine.trainings.predictions import BATCH

ORDERED = 0.95
"""Spearman's rho over the target ages from which a face counts as ageing in order."""
SHOWN = 4
FEATURE_DISTANCE, COST = "feature_distance", "cost"
AGE_SCALE = 10.0
"""Age error in years that costs as much as an identity similarity of 0."""


@dataclass(frozen=True, slots=True, eq=False)
class AgeValidation:
    """The validation set, an age estimator that is in no loss, and the identity network."""

    faces: LabelledFaces
    anchors: Anchors
    age_evaluator: AgeEstimator | None
    identity: IdentityNetwork | None

    def metrics(self, generator: nn.Module, device: torch.device) -> dict[str, float]:
        """Metrics of everybody at every age: the known ages, or else the anchors."""
        if self.faces.per_scene > 1:
            return self._against_truth(generator, device)
        return self._by_labels(generator, device)

    def strips(self, generator: nn.Module, device: torch.device) -> np.ndarray:
        """A few faces, uint8 RGB: the photograph, then every age; below, the truth if known."""
        rows = self._photos()[:SHOWN]
        photos, outputs = self.faces.pictures(rows), self._aged(generator, rows, device)
        strips: list[np.ndarray] = []
        for row, photo, output in zip(rows.tolist(), photos, outputs, strict=True):
            strips.append(side_by_side(torch.cat([photo[None], output])))
            if self.faces.per_scene > 1:
                truth = self.faces.pictures(self._scene(row))
                strips.append(side_by_side(torch.cat([photo[None], truth])))
        return np.concatenate(strips)

    def _against_truth(self, generator: nn.Module, device: torch.device) -> dict[str, float]:
        rows = self._photos()
        output = self._aged(generator, rows, device).flatten(0, 1)
        photo = self.faces.pictures(rows.repeat_interleave(self.faces.per_scene))
        truth = self.faces.pictures(torch.arange(len(self.faces)))
        scales = min(SCALES, int(math.log2(truth.shape[-1] // 3)))  # as many as small pictures have
        gradient = gradient_distance(output, truth, scales=scales)
        texture = texture_l1(output, truth)
        metrics = {
            FEATURE_DISTANCE: float(texture + gradient.mean()),
            "texture": float(texture),
            "gradient": float(gradient.mean()),
            "gradient_unchanged": float(gradient_distance(photo, truth, scales=scales).mean()),
            "psnr": float(psnr(output, truth).mean()),
            "psnr_unchanged": float(psnr(photo, truth).mean()),
        }
        if self.age_evaluator is None:
            return metrics
        ages = torch.from_numpy(self.faces.ages)
        years, true_years = (self._years(some, device) for some in (output, truth))
        each = self.faces.per_scene
        return metrics | {
            "age_mae": float((years - ages).abs().mean()),
            "age_mae_truth": float((true_years - ages).abs().mean()),
            "in_order": _in_order(ages.view(-1, each), years.view(-1, each)),
        }

    def _by_labels(self, generator: nn.Module, device: torch.device) -> dict[str, float]:
        """Age error at the anchors, identity, and reconstruction error.

        `cost`, where an independent age estimator is given: all of them, and what is missing of a
        change of estimated age as large as the one that was asked for.
        """
        rows = self._photos()
        photo = self.faces.pictures(rows)
        own = self.anchors.weights(torch.from_numpy(self.faces.ages)[rows])[:, None]
        same = self._outputs(generator, photo, own, device)[:, 0]
        error = float((same - photo).abs().mean())
        metrics = {"reconstruction": error}
        output = self._aged(generator, rows, device)
        if self.age_evaluator is not None:
            target = torch.tensor(self.anchors.years).expand(len(rows), -1)
            years = self._years(output.flatten(0, 1), device).view(len(rows), -1)
            metrics["age_mae"] = float((years - target).abs().mean())
            metrics["in_order"] = _in_order(target, years)
            metrics["age_response"] = age_response(
                self.faces.ages[rows], self.anchors.years, self._years(photo, device), years
            )
            metrics[COST] = error + metrics["age_mae"] / AGE_SCALE
            metrics[COST] += 1 - metrics["age_response"]
        if self.identity is not None:
            source = self._embedded(photo, device)[:, None]
            aged = self._embedded(output.flatten(0, 1), device).view(*output.shape[:2], -1)
            metrics["identity"] = float((aged * source).sum(dim=2).mean())
            if COST in metrics:
                metrics[COST] += 1 - metrics["identity"]
        return metrics

    def _photos(self) -> Tensor:
        """The source rows: one age of each photograph."""
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
            target = self.anchors.weights(
                torch.stack([ages[self._scene(r)] for r in rows.tolist()])
            )
        else:
            target = torch.eye(len(self.anchors)).expand(len(rows), -1, -1)
        return self._outputs(generator, self.faces.pictures(rows), target, device)

    def _outputs(
        self, generator: nn.Module, photos: Tensor, target: Tensor, device: torch.device
    ) -> Tensor:
        few = max(1, BATCH // target.shape[1])
        outputs = [
            generator(photo.to(device), weights.to(device)).float().cpu()
            for photo, weights in zip(photos.split(few), target.split(few), strict=True)
        ]
        return torch.cat(outputs)

    def _years(self, pictures: Tensor, device: torch.device) -> Tensor:
        assert self.age_evaluator is not None
        return torch.cat(
            [self.age_evaluator.years(some.to(device)).cpu() for some in pictures.split(BATCH)]
        )

    def _embedded(self, pictures: Tensor, device: torch.device) -> Tensor:
        assert self.identity is not None
        return torch.cat(
            [self.identity.embed(some.to(device)).cpu() for some in pictures.split(BATCH)]
        )


def _in_order(target: Tensor, years: Tensor) -> float:
    """Share of faces (n, ages) whose estimated ages are in the order of their target ages."""
    rhos = [spearman(a.numpy(), b.numpy()) for a, b in zip(target, years, strict=True)]
    return float(np.mean([rho >= ORDERED for rho in rhos]))
