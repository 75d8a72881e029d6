"""The ageing model: how a person's traits and an age become a face. Nothing else reads an age.

Everyone passes the same stages of life; the five style traits set when and how strongly each person
greys, wrinkles, thins, gains weight and sags.
"""

from dataclasses import dataclass
from math import exp, tanh

import numpy as np

from engine.worlds.portraits.face import (
    Brows,
    Eyes,
    Face,
    Hair,
    Lines,
    Mouth,
    Nose,
    Relief,
    Skin,
    Skull,
)
from engine.worlds.portraits.palette import blend, hair_colour, iris_colour, skin_colour
from engine.worlds.portraits.traits import GEOMETRY, Identity

# dlib's descriptor depends on eyes, brows, nose and mouth far more than on the outline, which is
# held closer to the mean so that no face turns into a caricature.
OUTLINE_GAIN, FEATURE_GAIN = 1.1, 2.0
OUTLINE = ("face_width", "face_height", "jaw", "chin", "cheek", "forehead", "ear")


@dataclass(frozen=True, slots=True)
class Stage:
    """Where in life a person is: curves that all share, then the person's own."""

    childhood: float  # 1 up to 3.5 years, 0 from 18.5
    youth: float  # 1 up to 14 years, 0 from 34
    prime: float  # 0 up to 24 years, 1 from 54
    years: float  # slow and straight: 0 at 24, 1 at 86
    decline: float  # 0 up to 45 years, 1 from 90
    beard: float  # 0 up to 15 years, 1 from 23
    male: float  # 0 feminine, 1 masculine; children lie between
    greying: float  # share of grey hair
    wrinkling: float
    thinning: float
    weight: float
    sagging: float


def stage(person: Identity, age: float) -> Stage:
    """Where in life a person is at an age."""
    age = float(age)  # a NumPy scalar would make every later array float64
    own = person.style
    childhood, prime, decline = 1 - _rise(age, 3.5, 18.5), _rise(age, 24, 54), _rise(age, 45, 90)
    first_grey = 38 - 7.5 * own["greying"]
    lines = _clip((age - 22 + 6 * own["wrinkling"]) / 48, 0, 1.2)
    loose = _clip((age - 27 + 6 * own["sagging"]) / 48, 0, 1.3)
    bare = 1 / (1 + exp((60 - age - 14 * own["thinning"]) / 12))
    adult_male = 0.5 + 0.5 * tanh(2.1 * person["sex"])
    return Stage(
        childhood=childhood,
        youth=1 - _rise(age, 14, 34),
        prime=prime,
        years=_clip((age - 24) / 62, 0, 1.15),
        decline=decline,
        beard=_rise(age, 15, 23),
        male=adult_male + (0.4 - adult_male) * childhood,
        greying=_clip((age - first_grey) / 22, 0, 1) ** 0.9,
        wrinkling=_clip(lines * (1 + 0.28 * own["wrinkling"]), 0, 1.3),
        thinning=bare * _rise(age, 14, 38),
        weight=own["fat"] * (0.35 + 0.65 * _rise(age, 8, 45)) + 0.3 * prime - 0.45 * decline,
        sagging=_clip(loose * (1 + 0.40 * own["sagging"]), 0, 1.5),
    )


def face_at(person: Identity, age: float) -> Face:
    """The person's face at rest at an age in years."""
    at = stage(person, age)
    shape = {
        name: person[name] * (OUTLINE_GAIN if name in OUTLINE else FEATURE_GAIN)
        for name in GEOMETRY
    }
    skull = _skull(shape, at)
    nose = _nose(shape, at)
    skin = _skin(person, at)
    return Face(
        skull=skull,
        eyes=_eyes(person, shape, at),
        brows=_brows(shape, at),
        nose=nose,
        mouth=_mouth(person, shape, at, skull, nose, skin),
        relief=_relief(shape, at),
        skin=skin,
        lines=_lines(at),
        hair=_hair(person, at, skull),
    )


def _skull(shape: dict[str, float], at: Stage) -> Skull:
    child, youth, sag, fat = at.childhood, at.youth, at.sagging, at.weight
    long = 0.056 * shape["face_height"] + 0.045 * at.male + 0.03 * at.years
    wide = 0.03 * shape["face_width"]
    jaw = 0.043 * shape["jaw"] + wide + 0.07 * at.male
    chin = 0.043 * shape["chin"] + 0.07 * at.male
    return Skull(
        top_y=-1.72 - 0.05 * shape["forehead"] - 0.15 * child,
        chin_y=1.81 + long - 0.29 * child - 0.09 * youth,
        temple_w=1.03 + wide + 0.04 * child + 0.01 * youth - 0.02 * at.decline,
        cheek_w=1.08 + 1.7 * wide + 0.03 * shape["cheek"] + 0.025 * youth + 0.035 * fat,
        jaw_w=0.87 + jaw - 0.02 * child + 0.01 * youth + 0.035 * sag + 0.078 * fat,
        chin_w=0.48 + chin - 0.03 * youth + 0.05 * sag + 0.06 * fat,
        ear_size=1 + 0.08 * shape["ear"] - 0.06 * child + 0.16 * at.years,
        ear_drop=0.09 * at.years,
        neck_w=0.60 + 0.08 * at.male - 0.13 * child - 0.04 * youth + 0.07 * fat,
        shoulder_w=1.75 + 0.2 * at.male - 0.35 * child - 0.08 * youth + 0.06 * fat,
    )


def _eyes(person: Identity, shape: dict[str, float], at: Stage) -> Eyes:
    child, youth, sag = at.childhood, at.youth, at.sagging
    lift = 1 + 0.34 * child + 0.08 * youth - 0.06 * at.prime - 0.08 * sag
    return Eyes(
        x=0.487 + 0.020 * shape["eye_gap"] - 0.01 * child,
        width=(0.227 + 0.014 * shape["eye_width"])
        * (1 + 0.13 * child + 0.02 * youth - 0.04 * at.decline),
        height=(0.101 + 0.009 * shape["eye_height"]) * max(lift, 0.45) * (1 - 0.06 * at.male),
        tilt=0.045 + 0.07 * shape["eye_tilt"] - 0.05 * sag - 0.02 * at.decline,
        iris_r=0.096 * (1 + 0.19 * child + 0.03 * youth),
        crease=0.055 + 0.015 * shape["lid"] - 0.012 * at.prime - 0.03 * min(sag, 1.0),
        hood=0.25 * at.prime + 0.85 * sag,
        lash=1.10 - 0.18 * at.male + 0.10 * at.decline,
        iris=iris_colour(person["iris_light"], person["iris_hue"]),
        white=np.array([0.82, 0.76, 0.73]) - at.years * np.array([0.04, 0.05, 0.09]),
    )


def _brows(shape: dict[str, float], at: Stage) -> Brows:
    child, youth, sag = at.childhood, at.youth, at.sagging
    height = 0.335 + 0.029 * shape["brow_height"] - 0.03 * at.male
    thickness = 0.045 + 0.011 * shape["brow_thickness"] + 0.014 * at.male
    return Brows(
        y=-height - 0.04 * child - 0.02 * youth + 0.04 * sag,
        thickness=max(thickness - 0.014 * child - 0.006 * youth, 0.015),
        arch=0.075 + 0.022 * shape["brow_arch"] - 0.015 * at.male,
        tilt=0.3 + 0.6 * shape["brow_tilt"],
        droop=0.015 * at.prime + 0.07 * sag,
        density=0.93 - 0.28 * child - 0.05 * youth - 0.2 * at.decline,
        grey=_clip(at.greying * 1.0 - 0.35, 0, 0.55),
    )


def _nose(shape: dict[str, float], at: Stage) -> Nose:
    child, youth, old = at.childhood, at.youth, at.years
    width = 0.268 + 0.026 * shape["nose_width"] + 0.02 * at.male
    bridge = 0.18 + 0.025 * shape["nose_bridge"] + 0.03 * at.male
    return Nose(
        y=0.755 + 0.045 * shape["nose_length"] - 0.16 * child - 0.045 * youth + 0.06 * old,
        width=width - 0.035 * child - 0.012 * youth + 0.03 * old,
        bridge=bridge - 0.05 * child - 0.02 * youth,
        tip=0.15 + 0.02 * shape["nose_tip"],
        droop=0.03 * old + 0.01 * at.sagging,
    )


def _mouth(
    person: Identity, shape: dict[str, float], at: Stage, skull: Skull, nose: Nose, skin: Skin
) -> Mouth:
    youth, prime, decline = at.youth, at.prime, at.decline
    upper = (0.086 + 0.015 * shape["upper_lip"]) * (1 - 0.2 * at.male)
    lower = 0.122 + 0.022 * shape["lower_lip"]
    width = 0.385 + 0.03 * shape["mouth_width"] - 0.05 * at.childhood - 0.01 * youth
    # Lips darken light skin and brighten dark skin.
    darkness = (person["melanin"] + 2) / 4
    red = np.array([0.86, 0.54, 0.55]) + darkness * np.array([0.22, 0.04, 0.08])
    red = red * (1 + 0.12 * person["lip_red"] * np.array([1, -0.6, -0.4]))
    pale = min(0.10 + 0.10 * at.male - 0.10 * youth + 0.12 * prime + 0.25 * decline, 0.6)
    return Mouth(
        y=nose.y + (skull.chin_y - nose.y) * (0.335 + 0.015 * shape["mouth_height"]),
        width=width + 0.01 * at.years,
        upper=max(0.035, upper * (1 + 0.10 * youth - 0.12 * prime - 0.36 * decline)),
        lower=max(0.06, lower * (1 + 0.08 * youth - 0.08 * prime - 0.20 * decline)),
        droop=-0.045 + 0.075 * at.sagging,
        colour=blend(skin.colour * red * (1 - 0.05 * at.male), skin.colour * 0.92, pale),
    )


def _relief(shape: dict[str, float], at: Stage) -> Relief:
    youth, prime, decline, sag, fat = at.youth, at.prime, at.decline, at.sagging, at.weight
    return Relief(
        cheek_apple=0.10 + 0.02 * shape["cheek"] + 0.025 * youth - 0.05 * sag - 0.03 * decline,
        cheek_fat=0.05 * at.childhood + 0.045 * youth + 0.06 * fat - 0.05 * prime - 0.07 * decline,
        temple_hollow=0.02 * prime + 0.05 * decline - 0.012 * fat,
        brow_ridge=0.04 + 0.035 * at.male - 0.02 * youth + 0.02 * at.years,
        chin_boss=0.09 + 0.02 * shape["chin"] - 0.015 * youth,
        eye_bag=0.015 + 0.02 * prime + 0.05 * sag,
        jowl=0.02 * prime + 0.15 * sag + 0.012 * fat,
        double_chin=_clip(0.12 + 0.30 * fat + 0.30 * sag - 0.25 * youth, 0, 1.3),
    )


def _skin(person: Identity, at: Stage) -> Skin:
    """Young skin is clear and rosy, the prime weathers it, age turns it pale and ashen."""
    youth, prime, old, decline = at.youth, at.prime, at.years, at.decline
    darkness = (person["melanin"] + 2) / 4
    colour = skin_colour(person["melanin"], person["undertone"])
    colour = colour * (1 + youth * np.array([0.035, 0.030, 0.030]))
    colour = colour * (1 - prime * (1 - 0.5 * darkness) * np.array([0.045, 0.060, 0.070]))
    colour = blend(colour, np.full(3, colour.mean() + 0.14 * darkness), 0.28 * decline)
    fair = person["melanin"] < 0
    return Skin(
        colour=np.clip(colour, 0.03, 1),
        blush=0.055 + 0.11 * youth + 0.03 * at.childhood + 0.02 * prime,
        nose_blush=0.09 + 0.05 * youth + 0.05 * old,
        eye_shadow=0.07 + 0.07 * prime + 0.02 * old + 0.05 * at.sagging - 0.04 * youth,
        roughness=0.12 + 0.08 * prime * (1 + 0.5 * at.male) + 0.22 * decline + 0.68 * at.wrinkling,
        mottle=0.010 + 0.014 * prime + 0.022 * decline,
        spots=0.06 * prime + 0.20 * decline,
        freckles=max(0.0, person["freckles"] - 0.6) * (1 - 0.5 * old) * fair,
        gloss=0.105 + 0.02 * youth - 0.035 * old + 0.02 * darkness,
        moles=tuple(
            (0.38 * person[x], 0.55 + 0.5 * person[y], radius, 0.7 * (1 - 0.6 * at.childhood))
            for x, y, radius in (
                ("mole_x", "mole_y", 0.024),
                ("second_mole_x", "second_mole_y", 0.017),
            )
        ),
    )


def _lines(at: Stage) -> Lines:
    wrinkling, sag = at.wrinkling, at.sagging
    return Lines(
        forehead=wrinkling,
        frown=0.85 * wrinkling - 0.08,
        crow_feet=wrinkling,
        under_eye=0.10 + 0.22 * wrinkling + 0.06 * sag,
        nasolabial=0.12 + 0.28 * wrinkling + 0.34 * sag + 0.08 * at.prime,
        marionette=0.62 * sag + 0.15 * wrinkling - 0.12,
        lip=0.80 * wrinkling - 0.38,
        cheek=0.60 * wrinkling - 0.22,
    )


def _hair(person: Identity, at: Stage, skull: Skull) -> Hair:
    """Men lose the hairline and the crown, women the density and the parting; both lose body."""
    youth, thin, decline = at.youth, at.thinning, at.decline
    # Density goes early and settles; the hairline keeps going.
    worn = 1 - exp(-2.4 * thin)
    recession = thin * (0.30 + 1.05 * at.male)
    length = person["hair_length"]
    curl = _rise(person["curl"], 0.7, 1.4)
    shortness = 1 - _rise(length, -1.5, -0.7)
    body = (0.16 + 0.045 * person["volume"] + 0.13 * curl * (1 - 0.5 * shortness)) * (
        1 - 0.75 * shortness
    )
    fullness = 1 + 0.22 * youth - 0.10 * at.prime - 0.12 * decline - 0.42 * worn
    darkness = person["hair_dark"] - 0.55 * youth - 0.35 * at.childhood + 0.15 * at.prime
    high = 0.05 * person["hairline"] + 0.03 * youth + 0.02 * at.childhood - 0.04 * at.prime
    return Hair(
        colour=hair_colour(darkness, person["hair_red"] + 0.25 * youth),
        grey=at.greying,
        beard_grey=_clip(at.greying * 1.25, 0, 1),
        cover=1 - 0.52 * worn - 0.06 * decline,
        crown_cover=_clip(1.25 - 1.3 * recession, 0, 1),
        line_y=skull.top_y + 0.70 + high - 0.30 * recession - 0.13 * worn,
        recession=recession,
        parting_gap=0.012 + 0.08 * worn * (1 - at.male) + 0.03 * worn,
        lift=max(body * max(fullness, 0.25), 0.025),
        end_y=-0.10 + 0.95 * (length + 2) / 2 - 0.15 * decline,
        long=_rise(length, -0.2, 0.4),
        shortness=shortness,
        fringe=_rise(person["fringe"], 0.1, 0.8) * (1 - min(1.0, 1.4 * recession)),
        parting=person["parting"],
        wave=_rise(person["curl"], -0.2, 0.7) * (1 - 0.6 * curl),
        curl=curl,
        gloss=0.20 + 0.05 * youth - 0.10 * decline - 0.10 * curl,
        stubble=_clip((at.male - 0.55) * 2.4, 0, 1) * at.beard,
        beard=_rise(person["beard"], 0.2, 1.0),
    )


def _rise(value: float, low: float, high: float) -> float:
    """Smooth step from 0 at `low` to 1 at `high`."""
    t = _clip((value - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def _clip(value: float, low: float, high: float) -> float:
    return min(max(value, low), high)
