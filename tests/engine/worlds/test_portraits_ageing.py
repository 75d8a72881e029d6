"""The ageing of the portrait world: years show, and each person's own way of ageing shows."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from engine.worlds.portraits import STYLE_TRAITS, identity, render, scene
from engine.worlds.portraits.ageing import face_at, stage

PEOPLE = 60


@cache
def at_age(age):
    """One picture of each person at an age, in the person's own scene."""
    return [
        render(identity(who), age, scene(1000 + who)).picture.astype(float) for who in range(PEOPLE)
    ]


def psnr(first, second):
    return 10 * np.log10(255**2 / np.mean((first - second) ** 2))


def mean_psnr(younger, older):
    return np.mean([psnr(*pair) for pair in zip(at_age(younger), at_age(older), strict=True)])


@pytest.mark.parametrize(("younger", "older"), [(12, 20), (20, 30), (30, 40), (40, 50)])
def test_ten_years_show(younger, older):
    assert mean_psnr(younger, older) <= 33


def test_more_years_show_more():
    assert mean_psnr(20, 30) > mean_psnr(20, 40) > mean_psnr(20, 50)


@pytest.mark.parametrize("trait", STYLE_TRAITS)
@pytest.mark.parametrize("sex", [-1.3, 1.3], ids=["women", "men"])
def test_a_persons_own_way_of_ageing_shows_at_45(trait, sex):
    seen = []
    for who in range(12):
        person, view = identity(who).changed(sex=sex), scene(who)
        low, high = (
            render(person.changed(**{trait: value}), 45, view).picture.astype(float)
            for value in (-2.0, 2.0)
        )
        seen.append(psnr(low, high))
    # Lines are thin: they change fewer pixels than hair, weight and contour do.
    assert np.mean(seen) < (36 if trait == "wrinkling" else 33)


@pytest.mark.parametrize("trait", [trait for trait in STYLE_TRAITS if trait != "fat"])
def test_small_children_do_not_show_how_they_will_age(trait):
    person, view = identity(4), scene(4)
    low, high = (render(person.changed(**{trait: value}), 6, view).picture for value in (-2.0, 2.0))
    assert np.array_equal(low, high)


def saturation(pixels):
    return (pixels.max(-1) - pixels.min(-1)).mean()


def test_fair_hair_turns_grey_too():
    person = identity(0).changed(
        hair_dark=-1.6, hair_length=1.5, fringe=-2.0, curl=-1.0, thinning=-2.0, greying=1.0
    )
    view = replace(scene(3, pose=0.0), light_x=0.0)
    fair, grey = (
        render(person, age, view).picture[14:34, 100:156].astype(float) for age in (25, 65)
    )
    assert saturation(grey) < 0.5 * saturation(fair)


def test_greying_begins_at_the_temples():
    person = identity(0).changed(
        hair_dark=1.5,
        hair_length=1.5,
        fringe=-2.0,
        curl=-1.0,
        thinning=-2.0,
        greying=0.0,
        parting=0.0,
    )
    view = scene(3, pose=0.0)
    young, first_grey = (render(person, age, view).picture.astype(float) for age in (34, 44))
    change = np.abs(first_grey - young).mean(-1)
    temples = np.concatenate([change[70:120, 60:72], change[70:120, 184:196]])
    assert temples.mean() > 1.3 * change[20:34, 110:146].mean()


def test_greying_takes_many_years():
    for who in range(40):
        shares = [stage(identity(who), age).greying for age in range(15, 100)]
        between = sum(0.02 < share < 0.98 for share in shares)
        assert 12 <= between <= 25
        assert shares == sorted(shares)


def test_dark_skin_shows_its_years():
    for who in range(8):
        person, view = identity(who).changed(melanin=1.9, greying=-2.0, thinning=-2.0), scene(who)
        young, old = render(person, 25, view), render(person, 65, view)
        left, top = young.landmarks[36:48].min(0).astype(int) - 12
        right, bottom = young.landmarks[48:68].max(0).astype(int) + 8
        face = [shot.picture[top:bottom, left:right].astype(float) for shot in (young, old)]
        assert psnr(*face) < 26


def test_children_have_rounder_faces_and_larger_eyes():
    for who in range(20):
        child, adult = face_at(identity(who), 5), face_at(identity(who), 30)
        assert child.eyes.iris_r > adult.eyes.iris_r
        assert child.eyes.height > adult.eyes.height
        assert child.skull.chin_y < adult.skull.chin_y
        assert child.nose.y < adult.nose.y
        assert child.skull.neck_w < adult.skull.neck_w


def test_beards_grow_on_grown_men_only():
    man = identity(1).changed(sex=1.5, beard=2.0)
    woman = man.changed(sex=-1.5)
    assert face_at(man, 12).hair.stubble == 0
    assert face_at(man, 35).hair.stubble > 0.9
    assert face_at(woman, 35).hair.stubble == 0
