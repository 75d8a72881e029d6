"""The last step: exposure, contrast, saturation and warmth by valence and arousal; gamut fit."""

import numpy as np

from engine.core.luma import REC_709
from engine.worlds.landscapes.mood import Mood
from engine.worlds.landscapes.noise import colour, single

LUMA = single(REC_709)
WARM = colour(0.22, 0.02, -0.26)
STRENGTH = 0.7
"""Share of the step to the target exposure and contrast: 1 would make scenes alike."""
KNEE = 0.86


def graded(picture: np.ndarray, mood: Mood, grain: np.ndarray) -> np.ndarray:
    """Grade a picture (3, side, side) by its valence and arousal; returns values in 0..1.

    grain: (side, side), film grain.
    """
    v, a = mood.valence, mood.arousal
    luma = _luma(picture)
    picture = luma + (picture - luma) * (0.62 + 0.46 * v + 0.13 * a)
    middle, spread = float(luma.mean()), max(float(luma.std()), 1e-3)
    target = 0.29 + 0.26 * v - 0.02 * a, 0.115 + 0.10 * a + 0.03 * v
    gain = (target[1] / spread) ** STRENGTH
    level = middle + STRENGTH * (target[0] - middle)
    picture = (picture - middle) * gain + level
    picture = picture * (1 + WARM * (v - 0.5))
    rows = np.linspace(-1, 1, picture.shape[1], dtype=np.float32)[:, None] ** 2
    picture = picture * (1 - (0.05 + 0.10 * (1 - v)) * 0.5 * (rows + rows.T))
    return fitted(picture + grain)


def fitted(picture: np.ndarray) -> np.ndarray:
    """Fit colours (3, h, w) into 0..1: luma by a soft knee, saturated colours towards grey."""
    luma = _luma(picture)
    soft = KNEE + (1 - KNEE) * np.tanh((luma - KNEE) / (1 - KNEE))
    toe = 0.04 * np.exp(np.minimum(luma, 0.04) / 0.04 - 1)
    kept = np.where(luma > KNEE, soft, np.where(luma < 0.04, toe, luma))
    away = picture - luma
    over = np.maximum(away / np.maximum(1 - kept, 1e-3), -away / np.maximum(kept, 1e-3))
    worst = over.max(axis=0)
    # Saturation is compressed from three quarters of what fits.
    bent = np.where(worst > 0.75, 0.75 + 0.25 * np.tanh((worst - 0.75) / 0.25), worst)
    return np.clip(kept + away * bent / np.maximum(worst, 1e-6), 0, 1)


def _luma(picture: np.ndarray) -> np.ndarray:
    return np.tensordot(LUMA, picture, 1)
