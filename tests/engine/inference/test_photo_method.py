import numpy as np
import pytest

from engine.faces.detect import Face
from engine.inference.photo_method import LARGEST_EVALUATED, _near


@pytest.mark.parametrize("width", [100.0, 800.0])
def test_a_large_face_is_evaluated_on_a_smaller_copy(width):
    picture = np.zeros((3000, 3000, 3), np.uint8)
    box = (1000.0, 900.0, 1000.0 + width, 900.0 + width)
    at = np.array([[1000 + 0.25 * width, 900 + 0.5 * width]], np.float32)
    x, y = (int(v) for v in at[0])
    picture[y - 6 : y + 7, x - 6 : x + 7] = 255
    near, face = _near(picture, Face(box, 1.0, at, "hog", 0, False, 0.0))
    assert face.box[2] - face.box[0] == pytest.approx(min(width, LARGEST_EVALUATED), rel=0.01)
    shrink = (face.box[2] - face.box[0]) / width
    assert near.shape[0] == pytest.approx(3 * width * shrink, abs=2)
    rows, columns = np.nonzero(near[..., 0] > 127)
    assert (columns.mean(), rows.mean()) == pytest.approx(face.landmarks[0], abs=0.5)
