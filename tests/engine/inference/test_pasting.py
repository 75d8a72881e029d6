"""The portrait in its photo: the background and the hue of the eyes stay."""

from pathlib import Path

import numpy as np
import pytest
import torch

from engine.faces.detect import Face
from engine.geometry.ffhq import Quad
from engine.inference import pasting
from engine.inference.subject import Subject

SIDE = 128


class Halves(torch.nn.Module):
    """Sees a person in the left part of every picture."""

    def __init__(self, share):
        super().__init__()
        self.share = share

    def forward(self, pictures):
        mask = torch.zeros(len(pictures), 1, *pictures.shape[2:])
        mask[..., : int(self.share * pictures.shape[3])] = 1
        return mask


@pytest.fixture
def subject():
    angles = np.linspace(0, 2 * np.pi, 68, endpoint=False)
    points = np.stack([44 + 18 * np.cos(angles), 64 + 24 * np.sin(angles)], axis=1)
    for eye, x in ((range(36, 42), 36), (range(42, 48), 52)):
        around = np.linspace(0, 2 * np.pi, 6, endpoint=False)
        points[list(eye)] = np.stack([x + 5 * np.cos(around), 56 + 4 * np.sin(around)], axis=1)
    box = (20.0, 30.0, 70.0, 90.0)
    face = Face(box, 1.0, points.astype(np.float32), "given", 0, False, 0.0)
    photo = np.full((SIDE, SIDE, 3), (90, 110, 160), np.uint8)
    return Subject(Path("p.png"), "0" * 64, photo, Quad.frame(SIDE, SIDE), face)


def test_background_and_eyes_keep_their_hues(subject, monkeypatch):
    monkeypatch.setattr(pasting, "_segmentation", lambda: Halves(0.7))
    portrait = np.full((SIDE, SIDE, 3), (170, 110, 90), np.uint8)
    result = pasting.pasted(subject, portrait).astype(int)
    assert np.array_equal(result[64, 110], subject.photo[64, 110])  # beyond the person
    assert result[80, 40, 0] > result[80, 40, 2]  # the cheek is the portrait's
    assert result[56, 36, 2] > result[56, 36, 0]  # the eye is as blue as it was
    assert result[56, 36].sum() == pytest.approx(portrait[0, 0].sum(), rel=0.25)


def test_a_segmentation_that_sees_no_face_is_not_believed(subject, monkeypatch):
    monkeypatch.setattr(pasting, "_segmentation", lambda: Halves(0.2))
    portrait = np.full((SIDE, SIDE, 3), (170, 110, 90), np.uint8)
    result = pasting.pasted(subject, portrait).astype(int)
    assert result[64, 90, 0] > result[64, 90, 2]


def test_without_landmarks_the_oval_alone_decides(subject):
    bare = Subject(subject.path, subject.sha256, subject.photo, subject.quad)
    portrait = np.full((SIDE, SIDE, 3), (170, 110, 90), np.uint8)
    assert pasting.pasted(bare, portrait)[56, 36, 0] > 110
