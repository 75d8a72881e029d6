import numpy as np
import torch

from engine.images.ranges import to_pixels, to_tensor


def test_every_level_survives_the_round_trip():
    levels = np.arange(256, dtype=np.uint8).reshape(16, 16, 1).repeat(3, axis=2)
    planes = to_tensor(levels)
    assert planes.shape == (1, 3, 16, 16)
    assert (planes.min(), planes.max()) == (-1, 1)
    assert np.array_equal(to_pixels(planes), levels)


def test_what_is_out_of_range_is_clipped_not_wrapped():
    wild = torch.tensor([-3.0, 3.0]).view(1, 1, 1, 2).expand(1, 3, 1, 2)
    assert to_pixels(wild).tolist() == [[[0] * 3, [255] * 3]]


def test_a_picture_that_may_not_be_written_to_becomes_a_tensor():
    """One pixel wide it is contiguous already, and would not be copied."""
    pixels = np.frombuffer(bytes(5), np.uint8).reshape(5, 1, 1)
    assert to_tensor(pixels).shape == (1, 1, 5, 1)
