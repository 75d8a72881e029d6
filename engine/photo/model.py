"""The fitted prior: age functions of shape, colour, hair and detail, and their file.

Each quantity is a linear function of six terms: 1, z and a quadratic that goes on straight outside
the knots (Lanitis, Taylor and Cootes 2002 use quadratics of age), and the same three times the
appearance code. Only differences between two ages are ever applied (Burt and Perrett 1995).
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from engine.core.errors import WeightsError
from engine.photo.bands import COUNT as BANDS
from engine.photo.features import CELLS, CODE_GRID, COLOUR_SIZE
from engine.photo.frame import HEIGHT, POINTS, WIDTH, Floats
from engine.photo.refiner import RefinerNet
from engine.weights.checkpoint import Checkpoint
from engine.weights.native import read_native, save_native

KIND, REFINER = "photo", "refiner"
CENTRE, SPREAD = 57.0, 15.0
"""Ages are (age - 57) / 15 in the fit: median and about the spread of the portraits."""
KNOTS = (30.0, 80.0)
"""Beyond these the quadratic goes on as its tangent."""
TERMS = 6
UNTIL_GREY = 37.0
"""Hair keeps its colour until this age; the portraits have few people below it."""
PARTS = ("shape", "colour", "folds", "hair", "detail", "lines")
"""What changes with age: places, broad colour of skin, colour finer than that, hair, the energy of
detail, and drawn lines."""
LARGEST = 4 << 20
CODES = POINTS * 2 + CODE_GRID[0] * CODE_GRID[1]
SHAPES: dict[str, tuple[int, ...]] = {
    "mean_points": (POINTS, 2),
    "shape": (TERMS, POINTS, 2),
    "colour": (TERMS, COLOUR_SIZE[1], COLOUR_SIZE[0], 3),
    "detail": (TERMS, CELLS[1], CELLS[0], BANDS),
    "hair": (TERMS, 3),
    "code": (CODES + 1,),
    "gain": (2, len(PARTS), 2),
}
BOUNDS = {
    "mean_points": 2.0 * max(WIDTH, HEIGHT),
    "shape": 400.0,
    "colour": 200.0,
    "detail": 20.0,
    "hair": 300.0,
    "code": 1000.0,
    "gain": 30.0,
}


@dataclass(frozen=True, slots=True, eq=False)
class PhotoModel:
    """Arrays of the prior, float32, all in units of the frame and of Lab.

    mean_points (73, 2); shape (6, 73, 2); colour (6, 160, 128, 3) less that of the cheeks; detail
    (6, 80, 64, 4) log energies; hair (6, 3); code (467,): weights and offset of the appearance
    code; gain (2, 6, 2): factors of the difference towards older and younger, of each of PARTS, for
    appearance codes of -1 and 1; refiner: the network on top, if there is one.
    """

    mean_points: Floats
    shape: Floats
    colour: Floats
    detail: Floats
    hair: Floats
    code: Floats
    gain: Floats
    refiner: RefinerNet | None = field(default=None, kw_only=True)

    def appearance(self, inputs: Floats) -> float:
        """The person's own code, -1..1, from `features.code_inputs`; it replaces a sex label."""
        return float(np.tanh(inputs @ self.code[:-1] + self.code[-1]))

    def difference(self, name: str, start: float, goal: float, code: float) -> Floats:
        """The fitted change of `shape`, `colour`, `detail` or `hair` from one age to another."""
        change = age_terms(goal, code) - age_terms(start, code)
        return np.tensordot(change, getattr(self, name), 1).astype(np.float32)

    def gains(self, older: bool, code: float) -> dict[str, float]:
        """The factor of each of PARTS in a direction, for an appearance code in -1..1."""
        low, high = self.gain[0 if older else 1].astype(float).T
        share = (float(np.clip(code, -1, 1)) + 1) / 2
        return dict(zip(PARTS, (low + share * (high - low)).tolist(), strict=True))

    def refined_until(self, start: float, goal: float) -> float:
        """The age up to which the refiner changes a face of an age `start`."""
        return goal

    def hair_known(self, start: float, goal: float) -> float:
        """How far the change of the hair is this person's own and not that of most people, 0..1."""
        return 0.0

    def hair_at(self, age: float, code: float) -> Floats:
        """Mean Lab of hair at an age; it never darkens with age: the oldest dye it."""
        ages = np.arange(UNTIL_GREY, 101.0)
        curve = np.stack([age_terms(a, code) @ self.hair for a in ages])
        curve[:, 0] = np.maximum.accumulate(curve[:, 0])
        return np.array([np.interp(age, ages, channel) for channel in curve.T], np.float32)


def uniform_gain(older: float, younger: float) -> Floats:
    """Gains (2, 6, 2) that are the same for every part and appearance."""
    gain = np.array([older, younger], np.float32)
    return np.broadcast_to(gain[:, None, None], SHAPES["gain"]).copy()


def age_terms(age: float, code: float) -> NDArray[np.float64]:
    """The six terms (6,) of the age functions."""
    z, inner = (age - CENTRE) / SPREAD, (float(np.clip(age, *KNOTS)) - CENTRE) / SPREAD
    quadratic = inner * inner + 2 * inner * (z - inner)
    basis = np.array([1.0, z, quadratic])
    return np.concatenate([basis, code * basis])


def photo_checkpoint(model: PhotoModel, card: Mapping[str, Any]) -> Checkpoint:
    """What a file of the model holds."""
    state = {
        name: torch.from_numpy(np.ascontiguousarray(getattr(model, name), np.float32))
        for name in SHAPES
    }
    parts = {"photo": state}
    if model.refiner is not None:
        parts[REFINER] = model.refiner.state_dict()
    return Checkpoint(
        kind=KIND,
        parts=parts,
        latent_avg=None,
        step=None,
        ema=False,
        facts={"frame": [WIDTH, HEIGHT], "knots": list(KNOTS), "centre": CENTRE, "spread": SPREAD},
        card=dict(card),
    )


def save_photo_model(path: Path, model: PhotoModel, card: Mapping[str, Any]) -> None:
    """Write the model with its card, maps in half precision."""
    save_native(path, photo_checkpoint(model, card), half=True)


def load_photo_model(path: Path) -> PhotoModel:
    """Read a model file; WeightsError unless it is complete, finite, of size, and of this frame."""
    return photo_model_of(path, read_photo_checkpoint(path))


def read_photo_checkpoint(path: Path) -> Checkpoint:
    """What a file of a photo model holds; WeightsError for another file."""
    if not path.is_file():
        raise WeightsError(f"there is no photo model at `{path}`")
    if path.stat().st_size > LARGEST:
        raise WeightsError(f"`{path}` is larger than any photo model")
    checkpoint = read_native(path)
    if checkpoint is None or checkpoint.kind != KIND:
        raise WeightsError(f"`{path}` holds no photo model")
    return checkpoint


def photo_model_of(
    path: Path, checkpoint: Checkpoint, *, beside: Collection[str] = ()
) -> PhotoModel:
    """The model in what was read of a file; errors as of `load_photo_model`.

    beside: other parts that the file may have.
    """
    if set(checkpoint.parts) - set(beside) - {REFINER} != {"photo"}:
        raise WeightsError(f"`{path}` holds no photo model")
    facts = {"frame": [WIDTH, HEIGHT], "knots": list(KNOTS), "centre": CENTRE, "spread": SPREAD}
    if dict(checkpoint.facts) != facts:
        raise WeightsError(f"the photo model in `{path}` was fitted in another frame")
    state = checkpoint.parts["photo"]
    if set(state) != set(SHAPES):
        odd = ", ".join(sorted(set(state) ^ set(SHAPES))[:4])
        raise WeightsError(f"`{path}` lacks or adds arrays of a photo model: {odd}")
    arrays: dict[str, Floats] = {}
    for name, shape in SHAPES.items():
        tensor = state[name]
        if tuple(tensor.shape) != shape or not tensor.is_floating_point():
            raise WeightsError(f"`{name}` in `{path}` is {tuple(tensor.shape)}, not {shape}")
        array = tensor.float().numpy()
        if not np.isfinite(array).all() or np.abs(array).max() > BOUNDS[name]:
            raise WeightsError(f"`{name}` in `{path}` holds numbers that no photo model has")
        arrays[name] = array
    points, gain = arrays["mean_points"], arrays["gain"]
    if points.min() < 0 or (points.max(axis=0) > (WIDTH, HEIGHT)).any() or gain.min() < 0:
        raise WeightsError(f"the mean shape or the gain in `{path}` is out of bounds")
    weights = checkpoint.parts.get(REFINER)
    net = None if weights is None else RefinerNet.from_state(weights, str(path))
    return PhotoModel(**arrays, refiner=net)
