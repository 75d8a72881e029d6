import numpy as np
import pytest
from skimage.data import astronaut

from engine.faces.crop import crop_face
from engine.faces.paste import colour_gain, oval, paste_face
from engine.geometry.ffhq import Quad

CENTRE, HALF = np.array([250.0, 180.0]), 130.0


def quad(turn=0.0, half=HALF):
    across = half * np.array([np.cos(turn), np.sin(turn)])
    down = np.array([-across[1], across[0]])
    return Quad.of(
        [
            CENTRE - across - down,
            CENTRE - across + down,
            CENTRE + across + down,
            CENTRE + across - down,
        ]
    )


@pytest.mark.parametrize("turn", [0.0, 0.3, -1.2])
def test_pasting_a_crop_back_changes_little(turn):
    photo = astronaut()
    face = crop_face(photo, quad(turn), 512)
    back = paste_face(photo, face, quad(turn))
    scale = back.shape[0] / photo.shape[0]
    assert scale == pytest.approx(512 / 260, rel=0.01)
    import cv2

    small = cv2.resize(back, photo.shape[1::-1], interpolation=cv2.INTER_AREA).astype(float)
    error = np.abs(small - photo)
    assert error.mean() < 1.5
    assert error[100:260, 170:330].mean() < 3


def test_what_lies_outside_the_quad_is_untouched():
    photo = astronaut()
    pasted = paste_face(photo, np.zeros((200, 200, 3), np.uint8), quad())
    inside = np.zeros(photo.shape[:2], bool)
    inside[50:311, 120:381] = True
    assert pasted.shape == photo.shape
    assert np.array_equal(pasted[~inside], photo[~inside])
    assert pasted[180, 250].max() == 0


def test_the_seam_is_no_edge():
    ramp = np.linspace(80, 160, 512)
    photo = np.repeat((ramp[None] / 2 + ramp[:, None] / 2)[..., None], 3, axis=2).astype(np.uint8)
    # Twice too bright: colours are matched by a quarter at most, the rest has to fade out.
    brighter = np.clip(crop_face(photo, quad(), 260).astype(int) * 2, 0, 255).astype(np.uint8)
    added = paste_face(photo, brighter, quad()).astype(int) - photo
    assert added.max() > 40
    for axis in (0, 1):
        assert np.abs(np.diff(added, axis=axis)).max() <= 8


def test_colours_follow_the_rim_and_no_further_than_allowed():
    portrait = np.full((64, 64, 3), 100, np.uint8)
    for theirs, expected in ((110, 110), (255, 125)):
        gain = colour_gain(portrait, np.full((64, 64, 3), theirs, np.uint8))
        assert (portrait * gain).mean() == pytest.approx(expected, abs=0.5)


def test_the_oval_is_whole_inside_and_gone_at_the_border():
    mask = oval(128)
    assert mask[64, 64] == 1
    assert max(mask[0].max(), mask[-1].max(), mask[:, 0].max(), mask[:, -1].max()) == 0
    assert np.abs(np.diff(mask, axis=0)).max() < 0.15


def test_a_quad_that_sticks_out_of_the_photo_is_pasted_as_far_as_it_goes():
    photo = astronaut()
    corner = quad().moved(-250, -180)
    pasted = paste_face(photo, np.zeros((260, 260, 3), np.uint8), corner)
    assert pasted[0, 0].max() == 0
    assert np.array_equal(pasted[300:, 300:], photo[300:, 300:])
