"""The deviation of one person from the prior, on made-up numbers whose truth is known."""

import numpy as np
import pytest

from engine.photo.deviation import fit_deviation, kernel

COUNT = 60


def truth(ages, maps, size=1.0):
    ages = np.asarray(ages)
    curves = np.stack([np.sin((ages - 42) / 9), np.cos((ages - 30) / 12)], axis=1)
    return size * curves @ maps / np.sqrt(2)


def photographs(n, size=1.0, noise=1.0, seed=0, low=25, high=60):
    """Values (n, 60) with noise that numbers share, nuisances, and constant looks."""
    generator = np.random.default_rng(seed)
    ages = np.sort(generator.uniform(low, high, n))
    maps = generator.normal(0, 1, (2, COUNT))
    shared = generator.normal(0, 1, (n, 6)) @ generator.normal(0, 1, (6, COUNT)) / np.sqrt(6)
    own = generator.normal(0, 1, (n, COUNT))
    nuisances = generator.normal(0, 1, (n, 4))
    looks = generator.normal(0, 3, COUNT) + nuisances @ generator.normal(0, 0.4, (4, COUNT))
    values = truth(ages, maps, size) + looks + noise * np.sqrt(0.5) * (own + shared)
    return values, ages, nuisances, maps


def error_shares(n, seeds=3, **more):
    """Error of the fitted deviation inside the ages in shares of that of the prior alone."""
    shares = []
    for seed in range(seeds):
        values, ages, nuisances, maps = photographs(n, seed=seed, **more)
        fitted = fit_deviation(values, ages, np.zeros(n), nuisances)
        inside = np.linspace(ages[0], ages[-1], 15)
        made, true = fitted.weights_at(inside) @ values, truth(inside, maps, more.get("size", 1))
        made, true = made - made.mean(axis=0), true - true.mean(axis=0)
        shares.append(((made - true) ** 2).sum() / (true**2).sum())
    return np.sqrt(shares)


def test_more_photographs_come_nearer_to_the_truth():
    few, some, many = (error_shares(n).mean() for n in (5, 12, 60))
    assert few < 1.02, "never worse than the prior alone"
    assert some < 0.75
    assert many < 0.4
    assert many < some < few


def test_noise_is_no_deviation():
    sizes, holds = [], []
    for seed in range(4):
        values, ages, nuisances, _ = photographs(20, size=0.0, seed=seed)
        fitted = fit_deviation(values, ages, np.zeros(20), nuisances)
        made = fitted.weights_at(ages) @ values
        sizes.append(float(np.sqrt(((made - made.mean(axis=0)) ** 2).mean())))
        holds.append(fitted.hold)
    assert np.mean(sizes) < 0.15
    assert np.mean(holds) < 0.7
    values, ages, nuisances, _ = photographs(20)
    assert fit_deviation(values, ages, np.zeros(20), nuisances).hold > 0.9


def test_noisy_photographs_and_narrow_spans_are_believed_less():
    believed = {}
    for name, more in {"plain": {}, "noisy": {"noise": 4.0}, "narrow": {"high": 29}}.items():
        shares = []
        for seed in range(3):
            values, ages, nuisances, maps = photographs(15, seed=seed, **more)
            fitted = fit_deviation(values, ages, np.zeros(15), nuisances)
            made = np.diff(fitted.weights_at([27, 45]) @ values, axis=0)
            true = np.diff(truth([27, 45], maps), axis=0)
            shares.append(float((made * true).sum() / (true**2).sum()))
        believed[name] = np.mean(shares)
    assert believed["plain"] > 0.6
    assert believed["noisy"] < 0.7 * believed["plain"]
    assert believed["narrow"] < 0.7 * believed["plain"]


def test_beyond_the_photographs_the_prior_is_left():
    values, ages, nuisances, _ = photographs(40)
    fitted = fit_deviation(values, ages, np.zeros(40), nuisances)
    near, far, farther = (
        float(np.abs(fitted.weights_at([age]) @ values).mean()) for age in (60, 90, 140)
    )
    assert far < 0.75 * near
    assert farther < 0.2 * near


def test_a_foreign_and_a_mislabelled_photograph_hardly_count():
    values, ages, nuisances, maps = photographs(24, size=1.5)
    before = fit_deviation(values, ages, np.zeros(24), nuisances)
    assert before.photos.min() > 0.4
    foreign = values.copy()
    foreign[7] += np.random.default_rng(9).normal(0, 4, COUNT)
    assert fit_deviation(foreign, ages, np.zeros(24), nuisances).photos[7] < 0.2
    labels = ages.copy()
    labels[2] = 58
    wrong = fit_deviation(values, labels, np.zeros(24), nuisances)
    assert wrong.photos[2] < 0.5
    assert wrong.photos[2] == wrong.photos.min()
    trusting = fit_deviation(values, labels, np.zeros(24), nuisances, np.ones(24))
    inside = np.linspace(30, 57, 10)
    errors = [
        np.square(fit.weights_at(inside) @ values - truth(inside, maps, 1.5)).mean()
        for fit in (wrong, trusting)
    ]
    assert errors[0] < errors[1]


def test_a_nuisance_does_not_pass_for_age():
    generator = np.random.default_rng(2)
    ages = np.sort(generator.uniform(25, 60, 30))
    smile = generator.normal(0, 1, (30, 1))
    values = 3 * smile @ generator.normal(0, 1, (1, COUNT)) + generator.normal(0, 0.3, (30, COUNT))
    known = fit_deviation(values, ages, np.zeros(30), smile)
    unknown = fit_deviation(values, ages, np.zeros(30), np.zeros((30, 1)))
    sizes = [float(np.abs(fit.weights_at(ages) @ values).mean()) for fit in (known, unknown)]
    assert sizes[0] < 0.5 * sizes[1] or sizes[0] < 0.05


def test_labels_that_may_err_are_believed_less():
    values, ages, nuisances, _ = photographs(20)
    sure, unsure = (
        fit_deviation(values, ages, np.full(20, error), nuisances, np.ones(20))
        for error in (0.0, 8.0)
    )
    sizes = [float(np.abs(fit.weights_at(ages) @ values).mean()) for fit in (sure, unsure)]
    assert sizes[1] < sizes[0]


def test_two_photographs_are_too_few():
    with pytest.raises(ValueError, match="three"):
        fit_deviation(np.zeros((2, 4)), np.array([30.0, 40.0]), np.zeros(2), np.zeros((2, 1)))


def test_the_kernel_is_one_at_the_same_age_and_fades():
    values = kernel([40.0], [40.0, 48.0, 90.0], 8.0)[0]
    assert values[0] == 1
    assert 0.4 < values[1] < 0.5
    assert values[2] < 0.001
