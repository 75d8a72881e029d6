"""Colours of people: display RGB in 0..1."""

import numpy as np

_SKIN = (
    (0.97, 0.80, 0.72),
    (0.90, 0.70, 0.57),
    (0.74, 0.52, 0.38),
    (0.50, 0.32, 0.22),
    (0.31, 0.20, 0.15),
)
_HAIR = (
    (0.88, 0.74, 0.50),
    (0.68, 0.51, 0.31),
    (0.44, 0.29, 0.18),
    (0.24, 0.16, 0.115),
    (0.12, 0.095, 0.085),
)
_IRIS = (
    (0.24, 0.15, 0.09),
    (0.36, 0.24, 0.12),
    (0.36, 0.38, 0.20),
    (0.33, 0.45, 0.50),
    (0.40, 0.55, 0.70),
)
GREY_HAIR = np.array([0.735, 0.735, 0.74])


def skin_colour(melanin: float, undertone: float) -> np.ndarray:
    """Skin from light (-2) to dark (2)."""
    return _along(_SKIN, melanin) * (1 + 0.035 * undertone * np.array([1, -0.3, -1.0]))


def hair_colour(darkness: float, redness: float) -> np.ndarray:
    """Hair from blond (-2) to black (2); red from a redness of .6 on."""
    red = max(redness - 0.6, 0.0)
    return np.clip(_along(_HAIR, darkness) * (1 + red * np.array([0.25, -0.20, -0.35])), 0.03, 1)


def iris_colour(lightness: float, hue: float) -> np.ndarray:
    """Iris from brown (-2) over green to blue (2)."""
    return _along(_IRIS, lightness + 0.32 * hue)


def blend(colour: np.ndarray, other: np.ndarray, share: float) -> np.ndarray:
    """A share of another colour mixed in."""
    return colour + (other - colour) * share


def _along(stops: tuple[tuple[float, float, float], ...], trait: float) -> np.ndarray:
    """The colour at a trait value: five stops from -2 to 2."""
    return np.array(
        [np.interp(trait, (-2, -1, 0, 1, 2), channel) for channel in zip(*stops, strict=True)]
    )
