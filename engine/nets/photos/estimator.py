"""Ages from dlib's chips of a face, and the one estimator that reads the CC0 network."""

from collections.abc import Callable, Iterable, Iterator
from functools import partial

import torch
from torch import Tensor

from engine.nets.loading import channels_last, frozen
from engine.nets.photos.age_cc0 import AGE_SIZE, AGES, WEIGHTS, YOUNGEST, AgeCc0, load_age_cc0
from engine.nets.photos.crops import Crop, dlib_chip

Place = Callable[[Tensor], Crop]
"""Where a crop lies in a picture whose face has points (1, 68, 2)."""
Cut = Callable[[Place], Tensor]
"""Cuts crops (b, 3, size, size) in [-1, 1] out of b faces."""
MARGINS = (0.1, 0.2, 0.3, 0.4)
"""Margins around dlib's mean face at which the CC0 network sees a face, in widths of that face."""
AT_ONCE = 16
"""Views that a network sees at once: FaceRes and face-api take 1.2 and 2 times as long on 64."""
SLOPE, OFFSET = 1.121, -1.09
"""From the years of the CC0 network over these margins to corrected ones: `1.121 years - 1.09`.

Fitted on the 517 `train` people of the 2015 portraits (ages 25 to 93, mean 57) by
`benchmarks/relabel_photos.py --fit`, whose raw estimates are `.687 age + 12.1` with a spread of 7.8
years and 5.9 years too low on average. The line is the expected age given the estimate if all ages
from 18 to 90 were equally likely: a plain regression, as the mixture of `tm relabel` has one, draws
everybody to the portraits' mean of 57. 95 % intervals over people: slope 1.06 to 1.18, offset -4.4
to 2.0. On the same people the error is 7.4 years, the bias -.7.
"""


def mean_shares(
    logits: Callable[[Tensor], Tensor], cut: Cut, size: int, margins: tuple[float, ...]
) -> Tensor:
    """The mean distribution (b, n) over dlib's chips of several margins and the mirrored ones.

    logits: a network from chips (b, 3, size, size) to (b, n).
    """
    places = [partial(dlib_chip, size=size, padding=margin) for margin in margins]
    shares = [
        in_parts(logits, views).float().softmax(dim=1) for views in mirrored_views(cut, places)
    ]
    return torch.cat([torch.stack(both.chunk(2)) for both in shares]).mean(dim=0)


def mirrored_views(cut: Cut, places: Iterable[Place]) -> Iterator[Tensor]:
    """For each place the crops of b faces and behind them the mirrored ones: (2 b, 3, size, size).

    Channels stand last in memory, in which form convolutions on a CPU are up to twice as fast.
    """
    for place in places:
        crops = cut(place)
        yield torch.cat([crops, crops.flip(3)]).contiguous(memory_format=torch.channels_last)


def in_parts(net: Callable[[Tensor], Tensor], views: Tensor) -> Tensor:
    """What `net` makes of views, a few at a time: on a CPU larger batches outgrow its caches."""
    return torch.cat([net(part) for part in views.split(AT_ONCE)])


class Cc0Estimator:
    """The CC0 age network over all views of a face.

    It is in no fit, loss or gain of the photo model, so it may evaluate that.
    """

    name = WEIGHTS

    def __init__(
        self, device: torch.device | str = "cpu", net: AgeCc0 | None = None,
        margins: tuple[float, ...] = MARGINS,
    ) -> None:  # fmt: skip
        self.device = torch.device(device)
        self.net = channels_last(frozen(load_age_cc0() if net is None else net)).to(self.device)
        self.margins = margins

    def logits(self, chips: Tensor) -> Tensor:
        """Logits (b, 81) of the ages .25, 1, 2, ... 80 of chips (b, 3, 64, 64) in [-1, 1]."""
        return self.net(chips.to(self.device))

    @torch.inference_mode()
    def raw_years(self, picture: Tensor, points: Tensor) -> float:
        """Expected years of the face with points (68, 2) in a picture (1, 3, h, w) in [-1, 1].

        They are pulled to the middle: they change by about two thirds of a year for a true one.
        """

        def cut(place: Place) -> Tensor:
            return place(points.float()[None]).cut(picture)

        (shares,) = mean_shares(self.logits, cut, AGE_SIZE, self.margins).cpu()
        return float(shares @ torch.arange(AGES, dtype=shares.dtype).clamp(min=YOUNGEST))

    def years(self, picture: Tensor, points: Tensor) -> float:
        """Years by the line of `SLOPE` and `OFFSET`, as `raw_years` takes them."""
        return SLOPE * self.raw_years(picture, points) + OFFSET
