import numpy as np
import pytest

from engine.evaluators.dlib import ImpostorTable, described, pairwise


@pytest.fixture(scope="module")
def measured(photographs):
    """Three adults in two photographs each."""
    return [described(album.pictures[:3, 1], album.points[:3, 1]) for album in photographs]


def test_distances_are_euclidean(rng):
    one, other = (rng.normal(size=(n, 128)).astype(np.float32) for n in (3, 4))
    slow = [[np.linalg.norm(a - b) for b in other] for a in one]
    assert pairwise(one, other) == pytest.approx(np.array(slow), abs=1e-5)


def test_d0_is_the_mean_distance_of_different_people_in_a_group():
    vectors = np.zeros((5, 128), np.float32)
    vectors[:, 0] = [0, 0.5, 1, 3, 9]
    people = np.array([1, 1, 2, 3, 4])
    table = ImpostorTable.of(vectors, people, ["a", "a", "a", "b", "b"])
    # Person 1 is 1 and 0.5 from person 2; person 3 is 6 from person 4.
    assert table.groups["a"] == (pytest.approx(0.75), 2, 2)
    assert table.groups["b"] == (pytest.approx(6), 2, 1)
    assert table.identity(np.array([0, 0.75, 3]), ["a", "a", "b"]) == pytest.approx([1, 0, 0.5])


def test_a_group_of_one_is_measured_by_everyone():
    vectors = np.zeros((3, 128), np.float32)
    vectors[:, 0] = [0, 1, 2]
    table = ImpostorTable.of(vectors, np.array([1, 2, 3]), ["a", "a", "b"])
    assert set(table.groups) == {"a"}
    assert table.distance("b") == table.everyone.distance == pytest.approx(4 / 3)


def test_one_person_has_no_impostors():
    with pytest.raises(ValueError, match="at least two people"):
        ImpostorTable.of(np.zeros((2, 128), np.float32), np.array([1, 1]), ["a", "a"])


def test_dlib_detects_small_portraits_and_verifies_people(measured):
    one, other = measured
    assert one.detected.all()
    apart = pairwise(one.vectors, other.vectors)
    impostors = apart[~np.eye(3, dtype=bool)]
    assert np.diag(apart).mean() < impostors.mean()


def test_an_undetected_face_is_described_by_its_true_points(photographs):
    album = photographs[0]
    # dlib does not see a face upside down, and its descriptor turns a face upright by the points.
    turned = np.rot90(album.pictures[:1, 1], 2, axes=(1, 2))
    by_points, blind = described(turned, 95 - album.points[:1, 1]), described(turned)
    assert not by_points.detected.any()
    assert not blind.detected.any()
    truth = described(album.pictures[:1, 1], album.points[:1, 1])
    near = np.linalg.norm(by_points.vectors - truth.vectors)
    assert near < 0.5 * np.linalg.norm(blind.vectors - truth.vectors)


def test_the_number_of_processes_changes_nothing(photographs, measured):
    album = photographs[0]
    again = described(album.pictures[:3, 1], album.points[:3, 1], workers=2)
    assert np.array_equal(again.vectors, measured[0].vectors)
    assert np.array_equal(again.detected, measured[0].detected)
