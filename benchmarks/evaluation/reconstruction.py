"""Exam of encoder and generator: whether a picture comes back as the same person, and as sharp."""

from collections.abc import Sequence

import numpy as np

from engine.evaluators.dlib import Described, ImpostorTable
from engine.metrics.bootstrap import mean_interval
from engine.metrics.energy import BANDS, REGIONS
from engine.metrics.gradients import gradient_distance
from engine.metrics.pixels import psnr
from engine.metrics.strata import Stratum, age_band
from engine.nets.perceptual.features import FeatureDistance
from evaluation.album import Album, Pixels, measured, person_energies
from evaluation.figures import Examined, Figure

ASKED_IDENTITY, ASKED_FOUND, ASKED_ENERGY = 0.5, 0.95, (0.8, 1.25)


def examine_reconstruction(
    album: Album,
    outputs: Pixels,
    seen: Described,
    truth: Described,
    other_photo: Described,
    strangers: ImpostorTable[Stratum],
    perceptual: Sequence[FeatureDistance] = (),
) -> Examined:
    """Compare outputs (people, ages, s, s, 3) with the pictures they were made of.

    seen, truth, other_photo: dlib on the outputs, on the pictures, and on another photo of the same
    people at the same ages, whose identity is what a likeness is worth; all in the album's order.
    """
    people = np.repeat(album.people, len(album.ages))
    strata = [one for row in album.strata for one in row]
    identities = strangers.identity(np.linalg.norm(seen.vectors - truth.vectors, axis=1), strata)
    others = np.linalg.norm(other_photo.vectors - truth.vectors, axis=1)
    quality = measured(psnr, outputs, album.pictures).ravel()
    gradients = measured(gradient_distance, outputs, album.pictures).ravel()
    figures = [
        Figure.at_least(
            "reconstruction: identity by dlib, 1 - d/d0",
            float(identities.mean()),
            ASKED_IDENTITY,
            truth=1.0,
            interval=mean_interval(identities, groups=people),
            note=f"another photo of the person {strangers.identity(others, strata).mean():.3f}",
        ),
        Figure.at_least(
            "reconstruction: dlib finds a face",
            float(seen.detected.mean()),
            ASKED_FOUND,
            truth=float(truth.detected.mean()),
        ),
        Figure("reconstruction: PSNR in dB", float(quality.mean())),
        Figure("reconstruction: gradient distance", float(gradients.mean()), truth=0.0),
    ]
    for distance in perceptual:
        apart = measured(distance, outputs, album.pictures)
        name = f"reconstruction: distance by {distance.name}"
        figures.append(Figure(name, float(apart.mean()), truth=0.0))
    rows = _energies(album, outputs)
    for region in REGIONS:
        for band in BANDS:
            ratios = [float(row[f"{region} {band}"]) for row in rows]
            # The one furthest from 1 in either direction: it decides for all age bands.
            worst = max(ratios, key=lambda ratio: abs(np.log(max(ratio, 1e-9))))
            name = f"reconstruction: energy of {region}, {band}, worst age band"
            figures.append(Figure.within(name, worst, *ASKED_ENERGY, truth=1.0))
    return Examined(figures, {"energy, output / truth, medians": rows})


def _energies(album: Album, outputs: Pixels) -> list[dict[str, float | str]]:
    ratios = person_energies(outputs, album.pictures, album.points)
    bands = np.array([age_band(float(age)) for age in album.ages])
    return [
        {
            "ages": str(band),
            **{name: float(np.nanmedian(told[:, bands == band])) for name, told in ratios.items()},
        }
        for band in dict.fromkeys(bands.tolist())
    ]
