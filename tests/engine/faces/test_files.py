"""dlib's files are located without importing the package that carries them."""

import importlib.util
import subprocess
import sys

import numpy as np
import pytest

from engine.core.errors import WeightsError
from engine.faces import dlib_nets
from engine.faces.files import DLIB_FILES, POINTS_68, dlib_file


@pytest.mark.parametrize("purpose", list(DLIB_FILES))
def test_every_file_is_in_the_package(purpose, monkeypatch):
    monkeypatch.delenv("TM_WEIGHTS", raising=False)
    assert dlib_file(purpose).stat().st_size > 100_000


def test_locating_does_not_import_the_package():
    code = (
        "import sys; from engine.faces.files import *; dlib_file(POINTS_68);"
        "assert 'face_recognition_models' not in sys.modules and 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_weights_folder_comes_first(tmp_path, monkeypatch):
    (tmp_path / DLIB_FILES[POINTS_68]).touch()
    monkeypatch.setenv("TM_WEIGHTS", str(tmp_path))
    assert dlib_file(POINTS_68).parent == tmp_path


def test_a_missing_file_names_the_package_and_the_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("TM_WEIGHTS", str(tmp_path))
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(WeightsError, match=r"shape_predictor_68.*is not installed") as caught:
        dlib_file(POINTS_68)
    assert "TM_WEIGHTS" in str(caught.value.hint)


def test_a_damaged_model_file_is_a_weights_error(tmp_path):
    (tmp_path / "bad.dat").write_bytes(b"not a model")
    with pytest.raises(WeightsError, match="cannot be loaded by dlib"):
        dlib_nets.points_68(np.zeros((9, 9), np.uint8), (0, 0, 9, 9), tmp_path / "bad.dat")


def test_a_predictor_of_other_points_is_refused():
    five = dlib_file(POINTS_68).parent / "shape_predictor_5_face_landmarks.dat"
    with pytest.raises(WeightsError, match="places 5 points, not 68"):
        dlib_nets.points_68(np.zeros((9, 9), np.uint8), (0, 0, 9, 9), five)
