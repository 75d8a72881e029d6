import dataclasses

import numpy as np
import pytest

from engine.photo.features import FaceFeatures, features_of, view_of
from engine.photo.fit import FitSettings, calibrated_ages, fit_photo_model, robust_regression
from engine.photo.model import SHAPES, TERMS, age_terms


def made_up_faces(count, model, base, seed=0):
    """Faces whose detail, hair and shape follow age exactly, with sharpness as a nuisance."""
    generator = np.random.default_rng(seed)
    ages = generator.uniform(32, 84, count)
    sharp = generator.normal(0, 1, count)
    faces = []
    for age, nuisance in zip(ages, sharp, strict=True):
        z = (age - 57) / 15
        faces.append(
            dataclasses.replace(
                base,
                shape=model.mean_points + np.float32([0.0, 0.5 * z]),
                detail=base.detail + np.float32(0.2 * z + 0.3 * nuisance),
                hair=np.float32([35 + 12 * z, 4, 8]),
                hair_pixels=2000.0,
                nuisance=np.float32([nuisance, *generator.normal(0, 1, 6)]),
                code=base.code + generator.normal(0, 0.1, base.code.shape).astype(np.float32),
                skin=np.ones_like(base.skin),
            )
        )
    return faces, ages


@pytest.fixture(scope="module")
def fitted():
    from tests.engine.photo.conftest import drawn_portrait, small_model

    model = small_model()
    base = features_of(view_of(*drawn_portrait(), model.mean_points), model.mean_points)
    faces, ages = made_up_faces(60, model, base)
    loose = FitSettings(shape_ridge=1.0)  # sixty faces are too few for the ridge of shape
    fit = fit_photo_model(faces, ages, np.zeros(60), model.mean_points, settings=loose)
    return fit, faces, ages, model


def test_features_have_the_shapes_they_name(portrait, model):
    face = features_of(view_of(*portrait, model.mean_points), model.mean_points)
    assert isinstance(face, FaceFeatures)
    assert face.colour.shape == SHAPES["colour"][1:]
    assert face.detail.shape == SHAPES["detail"][1:]
    assert face.skin.shape == SHAPES["colour"][1:3]
    assert face.hair_pixels > 150
    assert face.hair[0] < 35


def test_the_fit_recovers_what_age_does(fitted):
    model = fitted[0]
    assert model.difference("detail", 42, 72, 0.0)[20:60, 16:48].mean() == pytest.approx(
        0.4, abs=0.05
    )
    assert model.difference("hair", 42, 72, 0.0)[0] == pytest.approx(24, abs=2)
    assert model.difference("shape", 42, 72, 0.0)[30] == pytest.approx((0, 1.0), abs=0.15)


def test_sharpness_does_not_pass_for_age(fitted):
    model, _, ages, _ = fitted
    # Had the nuisance been left in, its chance correlation with age would show in the detail.
    assert np.abs(model.difference("detail", 42, 72, 0.0)[20:60, 16:48] - 0.4).max() < 0.12
    assert len(set(ages)) == 60


def test_the_same_data_give_the_same_model(fitted):
    model, faces, ages, truth = fitted
    loose = FitSettings(shape_ridge=1.0)
    again = fit_photo_model(faces, ages, np.zeros(60), truth.mean_points, settings=loose)
    for name in SHAPES:
        assert np.array_equal(getattr(again, name), getattr(model, name))


def test_outliers_hardly_move_the_fit():
    generator = np.random.default_rng(3)
    ages = generator.uniform(30, 80, 80)
    design = np.stack([age_terms(age, 0.0) for age in ages])
    values = (2.0 * design[:, 1] + generator.normal(0, 0.1, 80))[:, None]
    clean, _ = robust_regression(design, values, np.ones_like(values))
    values[ages.argmax()] += 40
    spoiled, _ = robust_regression(design, values, np.ones_like(values))
    least_squares = np.linalg.lstsq(design[:, :3], values, rcond=None)[0]
    assert spoiled[1, 0] == pytest.approx(clean[1, 0], abs=0.2)
    assert abs(least_squares[1, 0] - clean[1, 0]) > 0.5


def test_noise_is_not_confident():
    generator = np.random.default_rng(4)
    design = np.stack([age_terms(age, 0.0) for age in generator.uniform(30, 80, 100)])
    values = np.column_stack([generator.normal(0, 1, (100, 50)), 2 * design[:, 1:2]])
    _, sure = robust_regression(design, values, np.ones_like(values))
    assert sure[0, -1] > 0.95
    assert np.median(sure[0, :-1]) < 0.5
    assert design.shape[1] == TERMS


def test_labels_that_err_do_not_flatten_the_slope():
    generator = np.random.default_rng(5)
    true = generator.normal(55, 12, 4000)
    errors = np.full(4000, 6.0)
    labels = true + generator.normal(0, 6.0, 4000)
    plain = np.polyfit(labels, true, 1)[0]
    assert plain < 0.85
    assert np.polyfit(calibrated_ages(labels, errors), true, 1)[0] == pytest.approx(1.0, abs=0.05)
    assert calibrated_ages(true, np.zeros(4000)) == pytest.approx(true)


def test_settings_of_the_fit_count_or_are_refused():
    generator = np.random.default_rng(6)
    design = np.column_stack(
        [np.stack([age_terms(age, 0.0) for age in generator.uniform(30, 80, 60)]), np.ones(60)]
    )
    values = 2 * design[:, 1:2] + generator.normal(0, 1, (60, 1))
    values[design[:, 1].argsort()[:5]] += 30
    plain = FitSettings()
    stiff = plain.model_copy(update={"ridge": tuple(100 * one for one in plain.ridge)})
    trusting = plain.model_copy(update={"huber": 1e6})
    slopes = [
        robust_regression(design, values, np.ones_like(values), one)[0][1, 0]
        for one in (plain, stiff, trusting)
    ]
    assert abs(slopes[1]) < 0.7 * abs(slopes[0])
    assert abs(slopes[0] - 2) + 0.5 < abs(slopes[2] - 2)
    with pytest.raises(ValueError, match="unknown nuisance `smell`"):
        FitSettings(nuisances=("smell",))
