"""The traits of a person: geometry, colours, hair, marks and style of ageing."""

from dataclasses import dataclass

import numpy as np

# Face geometry: how strongly it shows is set by the gains in `ageing`.
GEOMETRY = (
    "face_width",
    "face_height",
    "jaw",
    "chin",
    "cheek",
    "forehead",
    "eye_width",
    "eye_height",
    "eye_gap",
    "eye_tilt",
    "lid",
    "brow_height",
    "brow_thickness",
    "brow_arch",
    "brow_tilt",
    "nose_length",
    "nose_width",
    "nose_bridge",
    "nose_tip",
    "mouth_width",
    "upper_lip",
    "lower_lip",
    "mouth_height",
    "ear",
    "sex",
)
COLOUR = ("melanin", "undertone", "iris_hue", "iris_light", "hair_dark", "hair_red", "lip_red")
HAIR = ("hair_length", "fringe", "parting", "curl", "volume", "hairline", "beard")
MARKS = ("freckles", "mole_x", "mole_y", "second_mole_x", "second_mole_y")
STYLE_TRAITS = ("greying", "wrinkling", "thinning", "fat", "sagging")
TRAITS = (*GEOMETRY, *COLOUR, *HAIR, *MARKS, *STYLE_TRAITS)
LIMIT = 2.0

_INDEX = {name: index for index, name in enumerate(TRAITS)}


@dataclass(frozen=True, slots=True, eq=False)
class Identity:
    """One person: a seed and a float32 vector ordered as `TRAITS`, about N(0, 1) within +-2."""

    seed: int
    vector: np.ndarray

    def __getitem__(self, trait: str) -> float:
        return float(self.vector[_INDEX[trait]])

    @property
    def style(self) -> dict[str, float]:
        """The person's own way of ageing: the five `STYLE_TRAITS`."""
        return {trait: self[trait] for trait in STYLE_TRAITS}

    @property
    def sex(self) -> str:
        """`male` or `female`; the size of the trait is its strength."""
        return "male" if self["sex"] > 0 else "female"

    def changed(self, **traits: float) -> "Identity":
        """The same person with some traits set to other values."""
        vector = self.vector.copy()
        for trait, value in traits.items():
            vector[_INDEX[trait]] = value
        return Identity(self.seed, _frozen(vector))

    def layout(self) -> np.random.Generator:
        """Random stream for what does not change with age: small moles, the course of lines."""
        return np.random.default_rng(np.abs(self.vector[:8] * 1e4).astype(np.int64))


def identity(seed: int) -> Identity:
    """The person of a seed."""
    random = np.random.default_rng([7, seed])
    normal = random.standard_normal(len(TRAITS)).tolist()
    drawn = {trait: _cut(value) for trait, value in zip(TRAITS, normal, strict=True)}
    side = 1.0 if random.random() > 0.5 else -1.0
    drawn["sex"] = side * (1 + 0.3 * abs(drawn["sex"]))
    drawn["melanin"] = random.uniform(-LIMIT, LIMIT)
    # Hair and eyes follow the skin, loosely: dark skin goes with dark, curly hair and brown eyes.
    depth = max(drawn["melanin"], -0.6)
    drawn["hair_dark"] = _cut((0.8 - 0.2 * max(depth, 0)) * drawn["hair_dark"] + depth + 0.3)
    drawn["iris_light"] = _cut(drawn["iris_light"] - 1.2 * max(drawn["melanin"], 0.0))
    drawn["curl"] = _cut(0.9 * drawn["curl"] + 0.7 * max(drawn["melanin"], 0.0) - 0.2)
    drawn["hair_length"] = _cut(0.75 * drawn["hair_length"] - 0.9 * drawn["sex"])
    vector = np.array([drawn[trait] for trait in TRAITS], np.float32)
    return Identity(seed, _frozen(vector))


def _cut(value: float) -> float:
    return min(max(value, -LIMIT), LIMIT)


def _frozen(vector: np.ndarray) -> np.ndarray:
    vector.setflags(write=False)
    return vector
