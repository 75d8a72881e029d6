"""A person's model: what is fitted of made-up photographs whose truth is known, and its file."""

import dataclasses
from dataclasses import replace

import numpy as np
import pytest
import torch

from engine.core.errors import WeightsError
from engine.photo.features import FaceFeatures
from engine.photo.model import SHAPES, age_terms, load_photo_model, save_photo_model
from engine.photo.personal import (
    PARTS,
    PERSONAL_SHAPES,
    Deviation,
    fit_person,
    load_model,
    personal_checkpoint,
    prediction_errors,
    with_deviation,
)
from engine.photo.refiner import RefinerNet
from engine.weights.native import save_native

ANCHOR = 40.0
NOISE = {"shape": 0.6, "colour": 3.0, "detail": 0.4, "hair": 6.0}
SIZE = {"shape": 1.5, "colour": 6.0, "detail": 0.6, "hair": 18.0}


def curve(age):
    """This person ages late, then fast: 0 at 40, about 1 at 60."""
    return float(np.tanh((age - 52) / 6) - np.tanh((ANCHOR - 52) / 6)) / 2


def maps(part, size=1.0):
    """Where a part departs from the prior: smooth and symmetric."""
    shape = SHAPES[part][1:]
    if part in ("shape", "hair"):
        return size * SIZE[part] * np.ones(shape) * (np.array([0, 1]) if part == "shape" else 1)
    y, x = np.mgrid[-1 : 1 : shape[0] * 1j, -1 : 1 : shape[1] * 1j]
    return (
        size
        * SIZE[part]
        * np.repeat(np.cos(3 * y)[..., None] * np.cos(2 * x)[..., None], shape[2], 2)
    )


def photographs(model, count, seed=0, hidden=0, size=1.0):
    """Features of photographs from 30 to 65, and their ages; `hidden` rows of skin never show."""
    generator = np.random.default_rng(seed)
    ages = np.sort(generator.uniform(30, 65, count))
    looks = {part: generator.normal(0, 1, SHAPES[part][1:]) for part in PARTS}
    code = np.zeros(SHAPES["code"][0] - 1, np.float32)
    terms = [age_terms(age, model.appearance(code)) for age in ages]
    skin = np.ones(SHAPES["colour"][1:3], np.float32)
    skin[:hidden] = 0
    faces = []
    for age, term in zip(ages, terms, strict=True):
        values = {
            part: (
                model.hair_at(age, model.appearance(code))
                if part == "hair"
                else np.tensordot(term, getattr(model, part), 1)
            )
            + looks[part]
            + curve(age) * maps(part, size)
            + generator.normal(0, NOISE[part], SHAPES[part][1:])
            for part in PARTS
        }
        values = {part: value.astype(np.float32) for part, value in values.items()}
        faces.append(
            FaceFeatures(
                **values,
                skin=skin,
                hair_pixels=2000.0,
                nuisance=generator.normal(0, 1, 7).astype(np.float32),
                code=code,
            )
        )
    return faces, ages


@pytest.fixture(scope="module")
def fitted(model):
    faces, ages = photographs(model, 20)
    return fit_person(faces, ages, np.zeros(20), model)


def change(deviation, part, start=42.0, goal=62.0):
    return deviation.at(part, goal) - deviation.at(part, start)


@pytest.mark.parametrize("part", PARTS)
def test_the_persons_own_change_is_found(fitted, part):
    true = (curve(62) - curve(42)) * maps(part)
    made = change(fitted.deviation, part)
    share = float((made * true).sum() / (true**2).sum())
    assert 0.35 < share < 1.2
    assert fitted.hold[part] > 0.9
    left = float(((made - true) ** 2).sum() / (true**2).sum())
    assert left < 0.5


def test_photographs_that_follow_the_prior_leave_it_as_it_is(model):
    faces, ages = photographs(model, 40, size=0.0)
    plain = fit_person(faces, ages, np.zeros(40), model).deviation
    for part, noise in NOISE.items():
        assert float(np.abs(change(plain, part)).mean()) < 0.1 * noise


@pytest.mark.parametrize("settled", [0.0, 0.5, 1.0])
def test_between_the_photographs_the_gain_gives_way_to_the_own_change(model, fitted, settled):
    certainty = np.full(len(PARTS), settled, np.float32)
    person = with_deviation(model, replace(fitted.deviation, certainty=certainty))
    for part, gain in (("detail", 2.0), ("shape", 2.0), ("colour", 2.0)):
        prior = model.difference(part, 42, 62, 0.3) * (gain + (1 - gain) * settled)
        expected = prior + change(fitted.deviation, part)
        made = gain * person.difference(part, 42, 62, 0.3)
        assert made == pytest.approx(expected, abs=2e-4)


def test_beyond_the_photographs_the_gain_holds(model, fitted):
    person = with_deviation(model, fitted.deviation)
    last = float(fitted.deviation.span[1])
    for part in PARTS:
        expected = model.difference(part, last, last + 20, 0.3)
        assert person.difference(part, last, last + 20, 0.3) == pytest.approx(expected, abs=1e-5)
    assert person.hair_known(last, last + 20) == 0
    assert person.hair_known(42, 62) == pytest.approx(fitted.deviation.certainty[-1])


@pytest.mark.parametrize(
    ("settled", "ages", "until"),
    [
        (0.0, (45, 75), 75),
        (1.0, (45, 60), 45),
        (1.0, (60, 45), 60),
        (1.0, (45, 75), 55),  # ten years lie beyond the photographs of 30 to 65
        (0.5, (45, 60), 52.5),
        (1.0, (70, 80), 80),
    ],
)
def test_the_refiner_gives_way_to_what_the_photographs_settle(model, settled, ages, until):
    own = fit_person(*photographs(model, 8), np.zeros(8), model).deviation
    certainty = np.full(len(PARTS), settled, np.float32)
    span = np.array([30, 65], np.float32)
    person = with_deviation(model, replace(own, certainty=certainty, span=span))
    assert person.refined_until(*ages) == pytest.approx(until)
    assert model.refined_until(*ages) == ages[1]


def test_a_persons_file_keeps_the_refiner(model, tmp_path):
    own = fit_person(*photographs(model, 8), np.zeros(8), model).deviation
    whole = with_deviation(replace(model, refiner=RefinerNet()), own)
    save_native(tmp_path / "person.safetensors", personal_checkpoint(whole, {}))
    assert load_model(tmp_path / "person.safetensors").refiner is not None


def test_more_photographs_settle_more(model):
    few, many = (
        fit_person(*photographs(model, count), np.zeros(count), model).deviation.certainty
        for count in (4, 40)
    )
    assert (few < 0.6).all()
    assert (many > few + 0.1).all()
    assert (many <= 1).all()


def test_what_a_nuisance_has_of_age_is_ageing(model, fitted):
    faces, ages = photographs(model, 20)
    longer = [
        replace(face, nuisance=face.nuisance + np.float32(0.3) * (age - 50))
        for face, age in zip(faces, ages, strict=True)
    ]
    made = fit_person(longer, ages, np.zeros(20), model).deviation
    for part in PARTS:
        same = change(fitted.deviation, part)
        assert change(made, part) == pytest.approx(same, abs=1e-3 * float(np.abs(same).max()))


def test_the_gain_of_the_prior_leaves_an_unchanged_age_alone(model, fitted):
    person = with_deviation(model, fitted.deviation)
    stay = person.difference("detail", 50, 50, 0.3)
    assert not stay.any()
    greyer = person.hair_at(62, 0.3) - person.hair_at(42, 0.3)
    expected = model.hair_at(62, 0.3) - model.hair_at(42, 0.3) + change(fitted.deviation, "hair")
    assert greyer == pytest.approx(expected, abs=1e-3)


def test_beyond_the_persons_ages_the_departure_is_held(fitted):
    own = fitted.deviation
    low, high = own.span.tolist()
    for part in PARTS:
        assert np.array_equal(own.at(part, 98), own.at(part, high))
        assert np.array_equal(own.at(part, 5), own.at(part, low))
        assert not np.array_equal(own.at(part, low), own.at(part, high))


def test_unseen_photographs_are_predicted_better_than_by_the_prior(model):
    faces, ages = photographs(model, 28)
    unseen = [3, 9, 15, 21, 25]
    known = [row for row in range(28) if row not in unseen]
    fit = fit_person([faces[row] for row in known], ages[known], np.zeros(len(known)), model)
    person = with_deviation(model, fit.deviation)
    for part in PARTS:
        own, prior, nothing = (
            prediction_errors(
                part,
                [faces[row] for row in known],
                ages[known],
                [faces[row] for row in unseen],
                ages[unseen],
                one,
                model,
            ).sum()
            for one in (person, model, None)
        )
        assert own < 0.98 * prior
        assert nothing > own


def test_what_no_photograph_shows_is_left_to_the_prior(model):
    faces, ages = photographs(model, 14, hidden=80)
    fit = fit_person(faces, ages, np.zeros(14), model)
    moved = np.abs(change(fit.deviation, "colour"))
    assert moved[:70].max() < 0.02
    assert moved[95:].mean() > 0.3


def test_a_photograph_of_somebody_else_hardly_counts(model):
    faces, ages = photographs(model, 14)
    other, _ = photographs(model, 14, seed=8)
    faces[5] = other[5]
    photos = fit_person(faces, ages, np.zeros(14), model).photos
    assert photos[5] == photos.min()
    assert photos[5] < 0.3 * np.median(photos)


def test_a_file_holds_the_person_and_the_prior(model, fitted, tmp_path):
    person = with_deviation(model, fitted.deviation)
    path = tmp_path / "me.safetensors"
    save_native(path, personal_checkpoint(person, {"photos": 20}), half=True)
    loaded = load_model(path)
    assert loaded.ages == pytest.approx(person.ages, abs=0.1)
    for part in PARTS:
        assert loaded.own.at(part, 60) == pytest.approx(person.own.at(part, 60), abs=0.05)
    with pytest.raises(WeightsError, match="holds no photo model"):
        load_photo_model(path)
    save_photo_model(tmp_path / "prior.safetensors", model, {})
    assert not hasattr(load_model(tmp_path / "prior.safetensors"), "own")


@pytest.mark.parametrize(
    "fault", ["lacks or adds", "not \\(2,\\)", "numbers that no person", "no shares"]
)
def test_a_damaged_person_is_refused(model, fitted, tmp_path, fault):
    checkpoint = personal_checkpoint(with_deviation(model, fitted.deviation), {})
    state = dict(checkpoint.parts["personal"])
    if fault.startswith("lacks"):
        del state["hair"]
    elif fault.startswith("not"):
        state["span"] = torch.zeros(3)
    elif fault == "no shares":
        state["certainty"] = torch.full(PERSONAL_SHAPES["certainty"], 1.5)
    else:
        state["hair"] = torch.full(PERSONAL_SHAPES["hair"], float("nan"))
    damaged = dataclasses.replace(
        checkpoint, parts={"photo": checkpoint.parts["photo"], "personal": state}
    )
    save_native(tmp_path / "bad.safetensors", damaged)
    with pytest.raises(WeightsError, match=fault):
        load_model(tmp_path / "bad.safetensors")


def test_a_persons_curves_are_straight_between_knots():
    arrays = {name: np.zeros(shape, np.float32) for name, shape in PERSONAL_SHAPES.items()}
    arrays["curves"][PARTS.index("hair"), :, 0] = np.arange(22)
    arrays["hair"][0] = 2.0
    arrays["span"][:] = 18, 90
    own = Deviation(**arrays)
    assert own.at("hair", 18) == pytest.approx([0, 0, 0])
    assert own.at("hair", 24) == pytest.approx([3, 3, 3])
    assert own.at("hair", 200) == pytest.approx([36, 36, 36])
