from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from engine.core.errors import PictureError
from engine.faces.detect import Face
from engine.inference.photo_method import LARGEST_EVALUATED, PhotoMethod, _near


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


def test_a_failure_at_one_age_ends_the_others_before_it_is_told():
    method = object.__new__(PhotoMethod)
    begun, ended = [], []

    def at_age(prepared, subject, stem, plan, age, sitter):
        begun.append(age)
        if age == 30:
            raise PictureError("cannot be aged")
        ended.append(age)
        return {"seconds": 0.0}, None

    method.__dict__ |= {
        "_workers": ThreadPoolExecutor(max_workers=2),
        "_at_age": at_age,
        "sitter": lambda subject, plan: SimpleNamespace(face=None),
        "prepared": lambda photo, face: None,
    }
    plan = SimpleNamespace(ages=range(30, 90), strip=False, film=None)
    with pytest.raises(PictureError, match="cannot be aged"):
        method.rows(SimpleNamespace(photo=None), Path("ann"), plan)
    assert len(begun) == len(ended) + 1
    after = list(ended)
    method._workers.shutdown(wait=True)
    assert ended == after
