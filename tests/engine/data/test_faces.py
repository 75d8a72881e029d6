"""`--landmarks` is `mesh`, `dlib`, a model or a table of points; the recipe's word if left out."""

from pathlib import Path

import pytest
from skimage.data import astronaut

from engine.data.faces import FaceSource
from engine.faces.detect import Detection
from engine.faces.fitting import fit_points
from engine.faces.mesh import fit_mesh

MESH = Detection(landmarks="mesh")


@pytest.mark.parametrize(
    ("recipe", "asked", "fitter", "file"),
    [
        (Detection(), None, "dlib", None),
        (MESH, None, "mesh", None),
        (Detection(), "mesh", "mesh", None),
        (MESH, "dlib", "dlib", None),
        (Detection(), "models/mesh", "dlib", Path("models/mesh")),
        (MESH, Path("other.dat"), "dlib", Path("other.dat")),
    ],
)
def test_what_the_flag_asks_for(recipe, asked, fitter, file):
    source = FaceSource.of(recipe, asked, thorough=True)
    assert (source.detection.landmarks, source.file, source.thorough) == (fitter, file, True)


def test_points_are_fitted_anew_by_the_same_fitter():
    box = (175.0, 75.0, 268.0, 168.0)
    pixels = astronaut()
    by_mesh = FaceSource(MESH).points(pixels, box)
    assert (by_mesh == fit_mesh(pixels, box).points).all()
    by_dlib = FaceSource(file=Path("points.json")).points(pixels, box)
    assert (by_dlib == fit_points(pixels, box)).all()
