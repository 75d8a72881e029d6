"""Points of tilted faces, which the predictor alone takes for less tilted than they are."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

import engine.shipped
from engine.faces.detect import FaceFinder
from engine.faces.files import POINTS_68, installed_dlib_file
from engine.faces.fitting import fit_points

pytestmark = pytest.mark.skipif(
    installed_dlib_file(POINTS_68) is None, reason="dlib's predictor is not installed"
)


@pytest.fixture(scope="module")
def upright():
    file = Path(engine.shipped.__file__).parent / "composites/50_woman.jpg"
    pixels = np.array(Image.open(file).convert("RGB"))
    face = FaceFinder().find(pixels, every=False)[0]
    return pixels, face.box, fit_points(pixels, face.box)


@pytest.mark.parametrize("degrees", [-45, 45])
def test_points_follow_a_tilted_face(upright, degrees):
    pixels, box, points = upright
    centre = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    matrix = cv2.getRotationMatrix2D(centre, degrees, 1.0)
    size = pixels.shape[1], pixels.shape[0]
    turned = np.asarray(cv2.warpAffine(pixels, matrix, size, borderMode=cv2.BORDER_REPLICATE))
    expected = points @ matrix[:, :2].T + matrix[:, 2]
    apart = np.linalg.norm(fit_points(turned, box) - expected, axis=1)
    assert apart.mean() < 0.06 * np.linalg.norm(points[36] - points[45])
