"""How one person's looks depart from those that the prior expects at each age, for one quantity.

What is left of a photograph's numbers once the prior's at its age are taken off is the person's
constant looks, what this photograph adds (light, pose, smile; what of their measures goes with age
is ageing and stays), and the deviation sought. The
deviation is a Gaussian process over age with a Matern kernel (Rasmussen and Williams 2006, ch. 2
and 4), so that it fades towards nothing, and the prior alone is left, where photographs are far
apart in age; beyond them `personal.Deviation.at` holds it. The constant is projected out
(restricted likelihood, Patterson and Thompson 1971). How strong and how slow the deviation is,
against the noise of every number, is averaged over a small grid by its marginal likelihood
(empirical Bayes; Morris 1983); doing without any is half of the prior belief. Labels that err blur
the process by its own slope (McHutchon and Rasmussen 2011). Photographs that the others contradict
count less (Lange, Little and Taylor 1989).
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Doubles = NDArray[np.float64]

STRENGTHS = (0.0, 0.1, 0.3, 1.0, 3.0)
"""Variance of the deviation in variances of a photograph's noise."""
YEARS = (8.0, 16.0, 32.0)
"""Length scales: years over which a deviation holds on."""
NUISANCE_STRENGTH = 0.3
"""Variance that each standardised nuisance may explain, in variances of the noise."""
OUTLYING = 2.5
"""Squared residual, in medians of all photographs, from which a photograph counts less."""
ROUNDS = 3


class Posterior(NamedTuple):
    """The fitted deviation of p numbers: at any ages it is `weights_at(ages) @ values`.

    photos: (n,) weights in 0..1; noise: (p,) variances; hold: the chance that there is a deviation.
    """

    ages: Doubles
    solved: tuple[tuple[float, float, float, Doubles], ...]
    photos: Doubles
    noise: Doubles
    hold: float

    def weights_at(self, ages: Sequence[float] | Doubles) -> Doubles:
        """What every photograph adds at k ages: (k, n), to be multiplied with values (n, p)."""
        result = np.zeros((len(ages), len(self.ages)))
        for chance, strength, years, solver in self.solved:
            result += chance * strength * kernel(ages, self.ages, years) @ solver
        return result

    @property
    def signal(self) -> Doubles:
        """Covariance (n, n) of the deviation at the photographs, in variances of the noise."""
        return np.sum([c * s * kernel(self.ages, self.ages, y) for c, s, y, _ in self.solved], 0)

    @property
    def certainty(self) -> float:
        """How much of the change from the lowest to the highest age the photographs settle, 0..1.

        Where there is a deviation: 1 less the variance that is left of it, as a share of what it
        was. That there is none is settled as far as its chance is over the half it had before.
        """
        ends, settled = np.array([self.ages.max(), self.ages.min()]), 0.0
        for chance, strength, years, solver in self.solved:
            before = 2 * (1 - float(kernel(ends[:1], ends[1:], years)[0, 0]))
            if strength == 0:
                settled += chance * max(2 * chance - 1, 0.0)
            elif before > 0:
                change = np.subtract(*kernel(ends, self.ages, years))
                settled += chance * strength * float(change @ solver @ change) / before
        return float(np.clip(settled, 0, 1))


def kernel(
    one: Sequence[float] | Doubles, other: Sequence[float] | Doubles, years: float
) -> Doubles:
    """The Matern kernel of order 3/2 between ages (n,) and (m,), 1 at the same age."""
    distance = np.sqrt(3) * np.abs(np.subtract.outer(np.asarray(one), np.asarray(other))) / years
    return (1 + distance) * np.exp(-distance)


def fit_deviation(
    values: Doubles,
    ages: Doubles,
    errors: Doubles,
    nuisances: Doubles,
    photos: Doubles | None = None,
) -> Posterior:
    """Fit the deviation of values (n, p) of n >= 3 photographs, less the prior's at their ages.

    ages, errors: (n,) years, and how wrong these may be; nuisances: (n, m); photos: (n,) weights
    known already, otherwise they are found. ValueError for fewer photographs.
    """
    if len(values) < 3:
        raise ValueError("a deviation needs three photographs")
    given = photos is not None
    photos = np.ones(len(values)) if photos is None else photos
    posterior = _posterior(values, ages, errors, nuisances, photos)
    for _ in range(0 if given else ROUNDS):
        photos = _photo_weights(values, ages, errors, nuisances, posterior)
        posterior = _posterior(values, ages, errors, nuisances, photos)
    return posterior


def _posterior(
    values: Doubles, ages: Doubles, errors: Doubles, nuisances: Doubles, photos: Doubles
) -> Posterior:
    n = len(values)
    contrasts = _contrasts(n)
    seen = contrasts.T @ values
    squares = (seen**2).sum(axis=0)
    alive = squares >= 1e-9 * squares.max()
    effective = _effective(seen)
    rows: list[tuple[float, float, float, Doubles, Doubles]] = []
    for strength, years in _grid():
        covariance = contrasts.T @ _covariance(ages, errors, nuisances, photos, strength, years)
        covariance = covariance @ contrasts
        solver = np.linalg.solve(covariance, contrasts.T)
        noise = (seen * (solver @ contrasts @ seen)).sum(axis=0) / (n - 1) + 1e-12
        determinant = np.linalg.slogdet(covariance)[1]
        # All numbers of a face move together: as many count as vary independently.
        likelihood = -effective / 2 * ((n - 1) * np.log(noise[alive]).mean() + determinant)
        belief = 0.5 if strength == 0 else 0.5 / (len(_grid()) - 1)
        rows.append((likelihood + np.log(belief), strength, years, contrasts @ solver, noise))
    logs = np.array([row[0] for row in rows])
    chances = np.exp(logs - logs.max())
    chances /= chances.sum()
    solved = tuple((float(c), *row[1:4]) for c, row in zip(chances, rows, strict=True))
    noise = sum(c * row[4] for c, row in zip(chances, rows, strict=True))
    return Posterior(ages, solved, photos, np.asarray(noise), float(1 - chances[0]))


def _covariance(
    ages: Doubles,
    errors: Doubles,
    nuisances: Doubles,
    photos: Doubles,
    strength: float,
    years: float,
) -> Doubles:
    """Covariance (n, n) of the photographs in variances of the noise."""
    apart = _apart_from_age(nuisances, ages)
    scaled = np.clip(apart / (apart.std(axis=0) + 1e-6), -3, 3)
    blur = 3 * strength / years**2 * errors**2
    own = np.diag(1 / np.maximum(photos, 1e-3) + blur)
    return strength * kernel(ages, ages, years) + NUISANCE_STRENGTH * scaled @ scaled.T + own


def _apart_from_age(nuisances: Doubles, ages: Doubles) -> Doubles:
    """Nuisances (n, m) less their lines over age: a nose grows longer, which is no nod."""
    design = np.column_stack([np.ones_like(ages), ages - ages.mean()])
    return nuisances - design @ np.linalg.lstsq(design, nuisances, rcond=None)[0]


def _photo_weights(
    values: Doubles, ages: Doubles, errors: Doubles, nuisances: Doubles, posterior: Posterior
) -> Doubles:
    """Weights (n,) by how well each photograph is predicted from all others."""
    best = max(posterior.solved, key=lambda row: row[0])
    contrasts = _contrasts(len(values))
    plain = _covariance(ages, errors, nuisances, np.ones(len(values)), best[1], best[2])
    precision = contrasts @ np.linalg.solve(contrasts.T @ plain @ contrasts, contrasts.T)
    alone = (precision @ values) ** 2 / posterior.noise / np.diag(precision)[:, None]
    surprise = alone.mean(axis=1)
    return np.minimum(1, OUTLYING * np.median(surprise) / np.maximum(surprise, 1e-9)) ** 2


def _contrasts(n: int) -> Doubles:
    """An orthonormal basis (n, n - 1) of all differences between photographs."""
    return np.linalg.svd(np.eye(n) - 1 / n)[0][:, : n - 1]


def _effective(seen: Doubles) -> float:
    """How many of the numbers vary independently: the participation ratio of their spectrum."""
    scaled = seen / np.maximum(np.sqrt((seen**2).mean(axis=0)), 1e-12)
    spectrum = np.linalg.eigvalsh(scaled @ scaled.T)
    return float(spectrum.sum() ** 2 / max((spectrum**2).sum(), 1e-12))


def _grid() -> list[tuple[float, float]]:
    """Strength and years of every hypothesis; the first one is that of no deviation."""
    return [(0.0, YEARS[0]), *((s, y) for s in STRENGTHS[1:] for y in YEARS)]
