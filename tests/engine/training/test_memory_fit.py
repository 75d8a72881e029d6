"""What a training takes, and by which settings it fits."""

import pytest
import torch
from torch import nn

from engine.app.train import forecast_training
from engine.core.errors import UsageError
from engine.training.activations import Activations, count_activations
from engine.training.forecast import Forecast
from engine.training.memory_fit import PROCESS, WORKING, fits, parse_memory, peak_of

MEBIBYTE = 1 << 20


def cost(plain=800, recomputed=80):
    kept = Activations(plain * MEBIBYTE, recomputed * MEBIBYTE)
    return Forecast((), {}, 100 * MEBIBYTE, kept, 0, (), ())


@pytest.mark.parametrize(
    ("text", "size"),
    [("8GB", 8 * 10**9), ("1.5 gib", 3 << 29), ("512MiB", 512 << 20), ("700mb", 7 * 10**8)],
)
def test_sizes_are_read(text, size):
    assert parse_memory(text) == size


@pytest.mark.parametrize("text", ["8", "GB", "-1GB", "0GB", "8 TB", "8GBs", "1e3MB", ""])
def test_what_is_no_size_is_refused(text):
    with pytest.raises(UsageError, match="is no size"):
        parse_memory(text)


def test_recomputing_comes_before_parts_and_the_whole_step_stays():
    ways = fits(cost(), batch=4, accumulate=2, recompute=False)
    assert ways[0].settings == ()
    assert ways[0].peak == PROCESS + 100 * MEBIBYTE + int(WORKING * 800 * MEBIBYTE)
    assert [way.settings for way in ways[1:]] == [
        ("recompute=true",),
        ("batch=2", "accumulate=4"),
        ("batch=1", "accumulate=8"),
        ("recompute=true", "batch=2", "accumulate=4"),
        ("recompute=true", "batch=1", "accumulate=8"),
    ]
    assert fits(cost(), batch=2, accumulate=1, recompute=True)[0].settings == ()
    assert peak_of(cost(), batch=1, of=4, recompute=True) == min(way.peak for way in ways)


def test_a_kind_that_does_not_say_has_no_ways():
    unknown = Forecast((), {}, 1, None, 0, (), ())
    assert fits(unknown, batch=4, accumulate=1, recompute=False) == []


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.one, self.other = nn.Linear(8, 8), nn.Linear(8, 8)

    def forward(self, x):
        return self.other(torch.tanh(self.one(x)))


def test_kept_activations_are_counted_without_values_and_without_weights():
    with torch.device("meta"):
        parts = {"net": nn.Sequential(*(Block() for _ in range(4)))}
    kept = count_activations(lambda nets: nets["net"](torch.zeros(16, 8)).sum(), parts)
    row = 16 * 8 * 4
    # Each block keeps its input and its tanh; recomputed, all inputs and one block.
    assert kept == Activations(plain=4 * 2 * row, recomputed=4 * row + 2 * row)


def test_a_shipped_recipe_says_what_it_takes_and_what_fits():
    forecast = forecast_training("nano/stage2")
    whole, smallest = forecast.ways[0], min(forecast.ways, key=lambda way: way.peak)
    assert forecast.within(whole.peak) is whole
    assert forecast.within(smallest.peak) == smallest
    assert "recompute=true" in smallest.settings
    assert forecast.within(PROCESS) is None
    assert forecast_training("nano/identity").ways == []
