"""Faces are detected upright, rotated, small and in profile, with points as published."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from pydantic import ValidationError
from skimage.data import astronaut

from engine.faces.boxes import distinct, grown, overlap
from engine.faces.crop import crop_face
from engine.faces.descriptor import aligned_box
from engine.faces.detect import Detection, FaceFinder
from engine.faces.fitting import fit_points
from engine.faces.rotation import rotated, rotated_box, unrotated_box, unrotated_points
from engine.geometry.ffhq import is_aligned, quad_of
from engine.geometry.landmarks import eyes, mean_error
from engine.images.reading import read_picture

PHOTOS = Path(__file__).parents[3].parent / "shared" / "photos"
needs_photos = pytest.mark.skipif(not PHOTOS.is_dir(), reason="no shared photos here")


def photo(name):
    return read_picture(PHOTOS / name, max_megapixels=10).pixels


def on_canvas(face, width, height, x, y):
    """Paste a picture on a plain textured ground at (x, y)."""
    noise = np.random.default_rng(0).normal(120, 25, (height // 8, width // 8, 3))
    ground = cv2.resize(noise.astype(np.float32), (width, height), interpolation=cv2.INTER_CUBIC)
    ground = np.clip(ground, 0, 255).astype(np.uint8)
    ground[y : y + face.shape[0], x : x + face.shape[1]] = face
    return ground


@needs_photos
@pytest.mark.parametrize("every", [True, False])
def test_migrant_mother_is_aligned_as_the_public_code_aligns_her(every):
    with (PHOTOS / "landmarks.json").open() as file:
        truth = np.array(json.load(file)["migrant_mother_1936.jpg"]["landmarks"], dtype=float)
    faces = FaceFinder().find(photo("migrant_mother_1936.jpg"), every=every)
    assert len(faces) == 1
    assert not faces[0].profile
    errors = np.linalg.norm(faces[0].landmarks - truth, axis=1) / eyes(truth).distance
    assert errors.mean() <= 0.03
    assert errors.max() <= 0.08
    gap = quad_of(faces[0].landmarks).against(quad_of(truth))
    assert gap.centre <= 0.01
    assert abs(gap.side) <= 0.03
    assert abs(gap.angle) <= 1.5


@needs_photos
def test_profiles_are_detected_and_marked_by_the_thorough_search_only():
    pixels = photo("keller_chaplin_1919.jpg")
    assert FaceFinder().find(pixels) == []
    faces = FaceFinder(thorough=True).find(pixels)
    assert [face.detector for face in faces] == ["cnn", "cnn"]
    assert all(face.profile for face in faces)
    centres = sorted((face.box[0] + face.box[2]) / 2 for face in faces)
    assert centres == pytest.approx([441, 517], abs=8)
    assert all(30 < face.size < 60 for face in faces)


@needs_photos
@pytest.mark.parametrize("name", ["detroit_1915.jpg", "buffalo_1908.jpg"])
def test_a_street_has_no_face(name):
    assert FaceFinder().find(photo(name)) == []


@pytest.mark.parametrize("every", [True, False])
def test_the_astronaut_is_detected_once_and_frontal(every):
    (face,) = FaceFinder().find(astronaut(), every=every)
    assert (face.detector, face.rotation, face.profile) == ("hog", 0, False)
    assert abs(face.yaw) < 10
    assert face.landmarks.shape == (68, 2)
    assert face.landmarks.dtype == np.float32
    assert face.score > 0.9


def test_the_aligned_astronaut_counts_as_aligned():
    (face,) = FaceFinder().find(astronaut())
    crop = crop_face(astronaut(), quad_of(face.landmarks), 256)
    assert is_aligned(fit_points(crop, aligned_box(256)), 256)


@pytest.mark.parametrize("rotation", [90, 180, 270])
def test_points_follow_the_rotation_of_the_picture(rotation):
    pixels = astronaut()
    (upright,) = FaceFinder().find(pixels)
    (face,) = FaceFinder().find(rotated(pixels, rotation))
    assert face.rotation == (360 - rotation) % 360
    back = unrotated_points(face.landmarks.astype(np.float64), rotation, *pixels.shape[1::-1])
    assert mean_error(back, upright.landmarks) < 0.02
    assert quad_of(back).against(quad_of(upright.landmarks)).centre < 0.01
    assert abs(face.yaw - upright.yaw) < 5
    assert overlap(unrotated_box(face.box, rotation, *pixels.shape[1::-1]), upright.box) > 0.6


def test_without_rotations_rotated_faces_are_not_detected():
    finder = FaceFinder(Detection(rotations=False))
    assert finder.find(rotated(astronaut(), 90)) == []


def test_every_face_includes_a_small_one_beside_a_large_one():
    small = cv2.resize(astronaut()[:300, 80:380], (220, 220), interpolation=cv2.INTER_AREA)
    scene = on_canvas(cv2.resize(astronaut(), (1024, 1024)), 2400, 1600, 100, 200)
    scene[1000:1220, 1900:2120] = small
    faces = FaceFinder().find(scene)
    assert len(faces) == 2
    assert faces[0].size > 2 * faces[1].size
    (largest,) = FaceFinder().find(scene, every=False)
    assert overlap(largest.box, faces[0].box) > 0.6


def test_a_lone_small_face_in_a_large_picture_is_detected():
    small = cv2.resize(astronaut()[:300, 80:380], (200, 200), interpolation=cv2.INTER_AREA)
    scene = on_canvas(small, 3000, 2000, 1500, 900)
    for every in (True, False):
        (face,) = FaceFinder().find(scene, every=every)
        assert 1500 < face.box[0] < face.box[2] < 1700


@pytest.mark.parametrize("every", [True, False])
def test_a_face_in_a_panorama_is_detected(every):
    wide = np.full((400, 8000, 3), (120, 130, 140), np.uint8)
    wide[50:350, 5200:5500] = astronaut()[:300, 80:380]
    (face,) = FaceFinder().find(wide, every=every)
    assert 5250 < face.box[0] < face.box[2] < 5400


@pytest.mark.parametrize("shape", [(1, 1), (2, 50), (20, 20000), (20000, 20)])
def test_odd_shapes_hold_no_face_and_do_no_harm(shape):
    assert FaceFinder().find(np.full((*shape, 3), 90, np.uint8)) == []


def test_a_face_cut_by_the_border_keeps_finite_points():
    pixels = astronaut()[:, 185:]
    for face in FaceFinder().find(np.ascontiguousarray(pixels)):
        assert np.isfinite(face.landmarks).all()


def test_impossible_settings_are_refused():
    with pytest.raises(ValidationError, match="did you mean `min_score`"):
        Detection.model_validate({"min_scor": 0.1})


def test_rotated_boxes_map_back():
    for rotation in (0, 90, 180, 270):
        box = (3.0, 5.0, 20.0, 40.0)
        assert unrotated_box(rotated_box(box, rotation, 60, 70), rotation, 60, 70) == box


@pytest.mark.parametrize("rotation", [90, 180, 270])
def test_a_marked_pixel_maps_back(rotation):
    pixels = np.zeros((30, 40, 3), np.uint8)
    pixels[7, 11] = 255
    copy = rotated(pixels, rotation)
    y, x = np.argwhere(copy[..., 0] == 255)[0]
    np.testing.assert_array_equal(
        unrotated_points(np.array([[x, y]], float), rotation, 40, 30), [[11, 7]]
    )


def test_of_overlapping_boxes_the_best_stays():
    boxes = [(0.0, 0.0, 10.0, 10.0), (1.0, 1.0, 11.0, 11.0), (30.0, 0.0, 40.0, 10.0)]
    assert distinct(boxes, [0.5, 0.9, 0.1], limit=0.4) == [1, 2]
    inside = [(0.0, 0.0, 30.0, 30.0), (5.0, 5.0, 15.0, 15.0)]
    assert distinct(inside, [1.0, 0.5], limit=0.4) == [0]
    assert overlap(boxes[0], boxes[2]) == 0
    assert grown((0.0, 0.0, 10.0, 20.0), 0.5) == (-5.0, -10.0, 15.0, 30.0)


def test_a_doubtful_detection_is_verified():
    (face,) = FaceFinder().find(astronaut())
    stricter = face.score + 0.05
    (rescued,) = FaceFinder(Detection(min_score=stricter)).find(astronaut())
    assert rescued.box == face.box
    assert rescued.score >= stricter
    nothing = Detection(min_score=stricter, doubtful_score=stricter, rotations=False)
    assert FaceFinder(nothing).find(astronaut()) == []
    assert FaceFinder(Detection(min_score=4.0, rotations=False)).find(astronaut()) == []
