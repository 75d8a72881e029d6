"""Errors of landmarks in eye distances."""

import pytest
import torch

from engine.losses.landmark import eye_distance, landmark_l1


def face(scale=1.0):
    torch.manual_seed(0)
    points = torch.rand(1, 68, 2)
    points[:, 36:42] = torch.tensor([-1.0, 0.0])
    points[:, 42:48] = torch.tensor([1.0, 0.0])
    return scale * points


def test_the_eye_distance_is_that_of_the_centres():
    assert eye_distance(face()).tolist() == [2.0]


def test_a_shift_by_one_eye_distance_along_x_costs_one_half():
    moved = face() + torch.tensor([2.0, 0.0])
    assert float(landmark_l1(moved, face())) == pytest.approx(0.5)


def test_the_size_of_the_face_does_not_matter():
    small = landmark_l1(face() + 0.1, face())
    torch.testing.assert_close(landmark_l1(face(7.0) + 0.7, face(7.0)), small)


def test_the_truth_costs_nothing():
    assert float(landmark_l1(face(), face())) == 0
