import cv2
import numpy as np
import pytest
import torch

from engine.metrics.gradients import YIQ, gradient_distance
from engine.metrics.pixels import psnr


def softened(pictures, sigma):
    return torch.stack(
        [
            torch.from_numpy(cv2.GaussianBlur(one.permute(1, 2, 0).numpy(), (0, 0), sigma)).permute(
                2, 0, 1
            )
            for one in pictures
        ]
    )


def with_hue(pictures, degrees):
    """Turn the hue, lightness kept."""
    turn, there = np.radians(degrees), np.array(YIQ)
    middle = np.array(
        [[1, 0, 0], [0, np.cos(turn), -np.sin(turn)], [0, np.sin(turn), np.cos(turn)]]
    )
    matrix = torch.from_numpy(np.linalg.inv(there) @ middle @ there).float()
    return torch.einsum("oc,bchw->bohw", matrix, pictures)


CHANGES = {
    "blur": lambda x: softened(x, 2.0),
    "shift": lambda x: x.roll(2, -1),
    "hue": lambda x: with_hue(x, 40),
}


def test_equal_pictures_are_at_zero(faces):
    assert gradient_distance(faces, faces).tolist() == [0.0] * len(faces)


def test_the_distance_is_symmetric(faces):
    other = faces.flip(0)
    torch.testing.assert_close(gradient_distance(faces, other), gradient_distance(other, faces))


def test_the_distance_is_invariant_to_a_constant(faces):
    assert gradient_distance(faces * 0.8, faces * 0.8 + 0.1).max() < 1e-6


@pytest.mark.parametrize("change", CHANGES)
def test_changes_of_the_face_count_more_than_grain_of_the_same_psnr(change, faces, noise):
    changed = CHANGES[change](faces)
    spread = 2 * 10 ** (-psnr(changed, faces) / 20)
    grain = noise(len(faces), 1, *faces.shape[-2:]) * spread.view(-1, 1, 1, 1)
    assert (gradient_distance(changed, faces) > gradient_distance(faces + grain, faces)).all()


def test_more_blur_is_further_away(faces):
    distances = [gradient_distance(softened(faces, sigma), faces) for sigma in (0.7, 1.4, 2.8)]
    assert (distances[0] < distances[1]).all()
    assert (distances[1] < distances[2]).all()


def test_an_edge_that_is_missing_counts_nearly_one():
    # Half black, half white against grey: only the columns beside the edge differ.
    edge = -torch.ones(1, 3, 64, 64)
    edge[..., 32:] = 1
    at_one_scale = gradient_distance(edge, torch.zeros_like(edge), scales=1)
    # 2 of 30 columns of lightness, none of colour.
    assert at_one_scale.item() == pytest.approx(0.5 * 2 / 30, rel=0.02)


def test_small_pictures_are_refused():
    with pytest.raises(ValueError, match="too small"):
        gradient_distance(torch.zeros(1, 3, 32, 32), torch.zeros(1, 3, 32, 32))
