"""The face mesh fits the 68 points without dlib's file, and knows what is no face."""

import cv2
import numpy as np
import pytest
from skimage.data import astronaut

from engine.core.errors import WeightsError
from engine.faces import fitting
from engine.faces.boxes import overlap
from engine.faces.detect import Detection, FaceFinder, Rejected
from engine.faces.fitting import fit_points
from engine.faces.mesh import VERTICES, fit_mesh, fitted_offsets, moved
from engine.faces.rotation import rotated, unrotated_points
from engine.geometry.ffhq import quad_of
from engine.geometry.landmarks import FLIP, eyes, mean_error
from engine.worlds import portraits

MESH = Detection(landmarks="mesh")


@pytest.fixture(scope="module")
def drawn():
    """Drawn people as snapshots, with their true points."""
    seeds = range(400_100, 400_106)
    return [
        portraits.render(
            portraits.identity(seed), 30.0 + seed % 50, portraits.scene(seed, unaligned=1.0), 512
        )
        for seed in seeds
    ]


@pytest.fixture
def without_dlib(monkeypatch):
    """dlib's 68-point model is not installed."""
    monkeypatch.setattr(fitting, "installed_dlib_file", lambda _: None)


def test_every_point_has_its_vertex_and_a_mirrored_one():
    assert len(VERTICES) == 68
    mirrored = [VERTICES[index] for index in FLIP]
    assert all(len(one) == len(other) for one, other in zip(VERTICES, mirrored, strict=True))
    assert len({vertex for one in VERTICES for vertex in one}) >= 68


def test_the_points_of_the_mesh_are_those_of_dlib():
    (dlib,) = FaceFinder().find(astronaut())
    (mesh,) = FaceFinder(MESH).find(astronaut())
    assert mesh.box == dlib.box
    assert 0 < mean_error(mesh.landmarks, dlib.landmarks) < 0.06
    gap = quad_of(mesh.landmarks).against(quad_of(dlib.landmarks))
    assert gap.centre < 0.015
    assert abs(gap.side) < 0.06
    assert abs(gap.angle) < 2.5


def test_the_offsets_bring_the_vertices_nearer(drawn):
    errors = {True: [], False: []}
    for one in drawn:
        (face,) = FaceFinder().find(one.picture, every=False)
        for corrected, own in errors.items():
            points = fit_mesh(one.picture, face.box, corrected=corrected).points
            own.append(mean_error(points, face.landmarks))
    assert np.mean(errors[True]) < 0.9 * np.mean(errors[False])


def test_drawn_faces_are_faces(drawn):
    errors = []
    for one in drawn:
        (face,) = FaceFinder(MESH).find(one.picture, every=False)
        errors.append(mean_error(face.landmarks, one.landmarks))
    assert np.mean(errors) < 0.09


@pytest.mark.parametrize("rotation", [90, 180, 270])
def test_the_mesh_follows_the_rotation_of_the_picture(rotation):
    pixels = astronaut()
    (upright,) = FaceFinder(MESH).find(pixels)
    (face,) = FaceFinder(MESH).find(rotated(pixels, rotation))
    back = unrotated_points(face.landmarks.astype(np.float64), rotation, *pixels.shape[1::-1])
    assert mean_error(back, upright.landmarks) < 0.04


@pytest.mark.parametrize("scale", [0.5, 4.0])
def test_the_mesh_follows_the_size_of_the_picture(scale):
    (face,) = FaceFinder().find(astronaut())
    larger = cv2.resize(astronaut(), None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    box = tuple(edge * scale for edge in face.box)
    points = (fit_mesh(larger, box).points + 0.5) / scale - 0.5
    assert mean_error(points, fit_mesh(astronaut(), face.box).points) < 0.04


def test_a_tilted_face_is_turned_upright_first():
    pixels = astronaut()[:300, 80:380]
    (face,) = FaceFinder(MESH).find(pixels)
    matrix = cv2.getRotationMatrix2D((150, 150), 25, 1)
    tilted = cv2.warpAffine(pixels, matrix, (300, 300), borderMode=cv2.BORDER_REPLICATE)
    wanted = face.landmarks @ matrix[:, :2].T + matrix[:, 2]
    centre = wanted[27]
    side = face.box[2] - face.box[0]
    box = (*(centre - side / 2 + [0, side * 0.1]), *(centre + side / 2 + [0, side * 0.1]))
    assert mean_error(fit_mesh(tilted, box).points, wanted) < 0.05


def test_offsets_are_measured_along_the_eyes_and_mirrored(rng):
    (face,) = FaceFinder().find(astronaut())
    points = face.landmarks.astype(np.float64)
    offsets = rng.normal(0, 0.05, (68, 2))
    even = (offsets + offsets[FLIP] * [-1, 1]) / 2
    turned = points @ np.array([[0, 1], [-1, 0]]) * 3
    vertices = np.stack([points, turned])
    wanted = np.stack([moved(one, even) for one in vertices])
    np.testing.assert_allclose(fitted_offsets(vertices, wanted), even, atol=1e-9)
    step = np.linalg.norm(moved(turned, even) - turned, axis=1) / eyes(turned).distance
    np.testing.assert_allclose(step, np.linalg.norm(even, axis=1))


@pytest.fixture(scope="module")
def negative():
    """A drawn face as a negative, in which HOG sees a face: it takes edges of either sign."""
    seed = 400_107
    scene = portraits.scene(seed, unaligned=1.0)
    return 255 - portraits.render(portraits.identity(seed), 37.0, scene, 512).picture


def test_a_hit_without_a_face_is_rejected_with_its_reason(negative):
    alone = FaceFinder(Detection(min_flag=0)).find(negative, every=False)
    assert len(alone) == 1
    detections = FaceFinder().search(negative, every=False)
    assert detections.faces == []
    assert all(isinstance(one, Rejected) and one.flag < 0.05 for one in detections.rejected)
    best = max(detections.rejected, key=lambda one: one.score)
    assert overlap(best.box, alone[0].box) > 0.6
    x, y = np.mean(np.reshape(best.box, (2, 2)), axis=0)
    assert detections.why_none == (
        f"no face found: what looks like one at ({x:.0f}, {y:.0f}) is none by the face mesh"
    )


def test_a_rejected_hit_does_not_end_the_search(negative):
    scene = np.full((700, 900, 3), 127, np.uint8)
    scene[20:532, 20:532] = negative
    face = cv2.resize(astronaut()[:256, 96:352], (160, 160), interpolation=cv2.INTER_AREA)
    scene[530:690, 700:860] = face
    settings = Detection(long_side=450, doubtful_score=0.3)
    (alone,) = FaceFinder(settings.model_copy(update={"min_flag": 0.0})).find(scene, every=False)
    assert alone.box[0] < 500
    detections = FaceFinder(settings).search(scene, every=False)
    assert detections.rejected
    assert [one.box[0] > 600 for one in detections.faces] == [True]


def test_without_dlibs_model_the_mesh_takes_its_place(without_dlib):
    (face,) = FaceFinder().find(astronaut())
    np.testing.assert_array_equal(
        fit_points(astronaut(), face.box), fit_mesh(astronaut(), face.box).points
    )


def test_another_model_that_is_missing_is_an_error(without_dlib, tmp_path):
    with pytest.raises(WeightsError, match="cannot be loaded by dlib"):
        FaceFinder(landmarks_file=tmp_path / "none.dat").find(astronaut())
