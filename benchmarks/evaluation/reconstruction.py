"""Evaluation of encoder and generator: identity and sharpness of the reconstruction."""

from collections.abc import Sequence

import numpy as np

from engine.evaluators.dlib import Described, ImpostorTable
from engine.images.srgb import Pixels
from engine.metrics.bootstrap import mean_interval
from engine.metrics.energy import BANDS, REGIONS
from engine.metrics.gradients import gradient_distance
from engine.metrics.pixels import psnr
from engine.metrics.strata import Stratum, age_band
from engine.nets.perceptual.features import FeatureDistance
from evaluation.album import Album, measured, person_energies
from evaluation.report import Evaluation, Metric

GOAL_IDENTITY, GOAL_FOUND, GOAL_ENERGY = 0.5, 0.95, (0.8, 1.25)


def evaluate_reconstruction(
    album: Album,
    outputs: Pixels,
    described: Described,
    truth: Described,
    other_photo: Described,
    impostors: ImpostorTable[Stratum],
    perceptual: Sequence[FeatureDistance] = (),
) -> Evaluation:
    """Compare reconstructions (people, ages, s, s, 3) with the album.

    described, truth, other_photo: dlib on the outputs, on the album, and on another photo of the
    same people at the same ages as an upper bound of identity; all in the album's order.
    """
    people = np.repeat(album.people, len(album.ages))
    strata = [one for row in album.strata for one in row]
    identities = impostors.identity(
        np.linalg.norm(described.vectors - truth.vectors, axis=1), strata
    )
    others = np.linalg.norm(other_photo.vectors - truth.vectors, axis=1)
    quality = measured(psnr, outputs, album.pictures).ravel()
    gradients = measured(gradient_distance, outputs, album.pictures).ravel()
    metrics = [
        Metric.at_least(
            "reconstruction: identity by dlib, 1 - d/d0",
            float(identities.mean()),
            GOAL_IDENTITY,
            truth=1.0,
            interval=mean_interval(identities, groups=people),
            note=f"another photo of the person {impostors.identity(others, strata).mean():.3f}",
        ),
        Metric.at_least(
            "reconstruction: faces detected by dlib",
            float(described.detected.mean()),
            GOAL_FOUND,
            truth=float(truth.detected.mean()),
        ),
        Metric("reconstruction: PSNR in dB", float(quality.mean())),
        Metric("reconstruction: gradient distance", float(gradients.mean()), truth=0.0),
    ]
    for distance in perceptual:
        values = measured(distance, outputs, album.pictures)
        name = f"reconstruction: distance by {distance.name}"
        metrics.append(Metric(name, float(values.mean()), truth=0.0))
    rows = _energies(album, outputs)
    for region in REGIONS:
        for band in BANDS:
            ratios = [float(row[f"{region} {band}"]) for row in rows]
            # The ratio furthest from 1 in either direction stands for all age bands.
            worst = max(ratios, key=lambda ratio: abs(np.log(max(ratio, 1e-9))))
            name = f"reconstruction: energy of {region}, {band}, worst age band"
            metrics.append(Metric.within(name, worst, *GOAL_ENERGY, truth=1.0))
    return Evaluation(metrics, {"energy, output / truth, medians": rows})


def _energies(album: Album, outputs: Pixels) -> list[dict[str, float | str]]:
    ratios = person_energies(outputs, album.pictures, album.points)
    bands = np.array([age_band(float(age)) for age in album.ages])
    return [
        {
            "ages": str(band),
            **{
                name: float(np.nanmedian(values[:, bands == band]))
                for name, values in ratios.items()
            },
        }
        for band in dict.fromkeys(bands.tolist())
    ]
