"""The parameters of one face at one age: the whole input of the painters.

Lengths are in face units, strengths about 0..1, colours display RGB in 0..1.
"""

from dataclasses import dataclass, replace

import numpy as np

from engine.worlds.portraits.scene import Scene


@dataclass(frozen=True, slots=True)
class Skull:
    """Outline of the head, ears and body."""

    top_y: float
    chin_y: float
    temple_w: float
    cheek_w: float
    jaw_w: float
    chin_w: float
    ear_size: float
    ear_drop: float
    neck_w: float
    shoulder_w: float


@dataclass(frozen=True, slots=True)
class Eyes:
    """Both eyes, mirrored."""

    x: float
    width: float
    height: float
    tilt: float
    iris_r: float
    crease: float
    hood: float
    lash: float
    iris: np.ndarray
    white: np.ndarray
    gaze_x: float = 0.0
    gaze_y: float = 0.0


@dataclass(frozen=True, slots=True)
class Brows:
    """Both eyebrows, mirrored."""

    y: float
    thickness: float
    arch: float
    tilt: float
    droop: float
    density: float
    grey: float


@dataclass(frozen=True, slots=True)
class Nose:
    """The nose; `y` is its lower end."""

    y: float
    width: float
    bridge: float
    tip: float
    droop: float


@dataclass(frozen=True, slots=True)
class Mouth:
    """The mouth; `gap` is how far the lips are apart."""

    y: float
    width: float
    upper: float
    lower: float
    droop: float
    colour: np.ndarray
    smile: float = 0.0
    gap: float = 0.0


@dataclass(frozen=True, slots=True)
class Relief:
    """What stands out of the head."""

    cheek_apple: float
    cheek_fat: float
    temple_hollow: float
    brow_ridge: float
    chin_boss: float
    eye_bag: float
    jowl: float
    double_chin: float


@dataclass(frozen=True, slots=True)
class Skin:
    """Colour and surface of the skin; a mole is (x, y, radius, strength)."""

    colour: np.ndarray
    blush: float
    nose_blush: float
    eye_shadow: float
    roughness: float
    mottle: float
    spots: float
    freckles: float
    gloss: float
    moles: tuple[tuple[float, float, float, float], ...]


@dataclass(frozen=True, slots=True)
class Lines:
    """Strength of the lines of age."""

    forehead: float
    frown: float
    crow_feet: float
    under_eye: float
    nasolabial: float
    marionette: float
    lip: float
    cheek: float


@dataclass(frozen=True, slots=True)
class Hair:
    """Hair and beard; `grey` is the share of grey strands, `end_y` where the hair ends."""

    colour: np.ndarray
    grey: float
    beard_grey: float
    cover: float
    crown_cover: float
    line_y: float
    recession: float
    parting_gap: float
    lift: float
    end_y: float
    long: float
    shortness: float
    fringe: float
    parting: float
    wave: float
    curl: float
    gloss: float
    stubble: float
    beard: float


@dataclass(frozen=True, slots=True)
class Face:
    """One face."""

    skull: Skull
    eyes: Eyes
    brows: Brows
    nose: Nose
    mouth: Mouth
    relief: Relief
    skin: Skin
    lines: Lines
    hair: Hair


def express(face: Face, view: Scene) -> Face:
    """The face with the expression of a photograph."""
    smile, joy = view.smile, max(view.smile, 0.0)
    eyes, mouth, relief, lines = face.eyes, face.mouth, face.relief, face.lines
    return replace(
        face,
        eyes=replace(
            eyes,
            height=eyes.height * (1 - 0.20 * joy) * (1 + view.lids),
            gaze_x=view.gaze_x,
            gaze_y=view.gaze_y,
        ),
        brows=replace(face.brows, y=face.brows.y - view.brow_raise - 0.015 * joy),
        mouth=replace(
            mouth,
            y=mouth.y - 0.02 * smile,
            width=mouth.width * (1 + 0.19 * smile),
            upper=mouth.upper * (1 - 0.18 * joy),
            lower=mouth.lower * (1 - 0.12 * joy),
            smile=smile,
            gap=0.16 * view.mouth_open,
        ),
        relief=replace(
            relief,
            cheek_apple=relief.cheek_apple + 0.06 * joy,
            eye_bag=relief.eye_bag + 0.015 * joy,
        ),
        lines=replace(
            lines,
            nasolabial=lines.nasolabial + 0.35 * joy,
            crow_feet=lines.crow_feet * (1 + 0.6 * joy),
        ),
    )
