"""Inception v3 of 2015, whose features FID and KID are defined on (Heusel et al. 2017, section 2).

torchvision has the later network of the same name. This one leaves the border out of its
average pooling, pools by the maximum in the last block, has 1008 classes, and takes pictures that
TensorFlow 1 resized.
"""

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models import inception

from engine.nets.loading import built, frozen

SIDE, CLASSES = 299, 1008


class _InceptionA(inception.InceptionA):
    def _forward(self, x: Tensor) -> list[Tensor]:
        return [
            self.branch1x1(x),
            self.branch5x5_2(self.branch5x5_1(x)),
            self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x))),
            self.branch_pool(_average(x)),
        ]


class _InceptionC(inception.InceptionC):
    def _forward(self, x: Tensor) -> list[Tensor]:
        tall = self.branch7x7dbl_3(self.branch7x7dbl_2(self.branch7x7dbl_1(x)))
        return [
            self.branch1x1(x),
            self.branch7x7_3(self.branch7x7_2(self.branch7x7_1(x))),
            self.branch7x7dbl_5(self.branch7x7dbl_4(tall)),
            self.branch_pool(_average(x)),
        ]


class _InceptionE(inception.InceptionE):
    def _forward(self, x: Tensor) -> list[Tensor]:
        wide, deep = self.branch3x3_1(x), self.branch3x3dbl_2(self.branch3x3dbl_1(x))
        return [
            self.branch1x1(x),
            torch.cat([self.branch3x3_2a(wide), self.branch3x3_2b(wide)], dim=1),
            torch.cat([self.branch3x3dbl_3a(deep), self.branch3x3dbl_3b(deep)], dim=1),
            self.branch_pool(self._pooled(x)),
        ]

    def _pooled(self, x: Tensor) -> Tensor:
        return _average(x)


class _LastInceptionE(_InceptionE):
    def _pooled(self, x: Tensor) -> Tensor:
        return F.max_pool2d(x, 3, stride=1, padding=1)


class Inception(nn.Module):
    """Pictures (b, 3, h, w) in [-1, 1] to the features of the last pooling, (b, 2048)."""

    def __init__(self) -> None:
        super().__init__()
        self.net = _published()

    @classmethod
    def from_state(cls, state: Mapping[str, Tensor]) -> "Inception":
        """Take the file of torch-fidelity, which is that of pytorch-fid under another name.

        WeightsError if it is anything else, such as torchvision's own Inception.
        """
        own = {f"net.{key}": value for key, value in state.items()}
        return frozen(built(cls, own, name="the Inception of 2015"))

    def forward(self, pictures: Tensor) -> Tensor:
        # Published statistics are of pixels 0..255 less 128, over 128.
        net, x = self.net, (resized(pictures * 127.5 + 127.5) - 128) / 128
        x = net.Conv2d_2b_3x3(net.Conv2d_2a_3x3(net.Conv2d_1a_3x3(x)))
        x = net.Conv2d_4a_3x3(net.Conv2d_3b_1x1(net.maxpool1(x)))
        x = net.Mixed_6a(net.Mixed_5d(net.Mixed_5c(net.Mixed_5b(net.maxpool2(x)))))
        x = net.Mixed_6e(net.Mixed_6d(net.Mixed_6c(net.Mixed_6b(x))))
        return net.Mixed_7c(net.Mixed_7b(net.Mixed_7a(x))).mean(dim=(2, 3))


def _published() -> inception.Inception3:
    net = inception.Inception3(
        CLASSES,
        aux_logits=False,
        inception_blocks=[
            inception.BasicConv2d,
            _InceptionA,
            inception.InceptionB,
            _InceptionC,
            inception.InceptionD,
            _InceptionE,
            inception.InceptionAux,
        ],
        init_weights=False,
    )
    net.Mixed_7c = _LastInceptionE(2048)
    return net


def resized(pictures: Tensor, side: int = SIDE) -> Tensor:
    """(b, c, h, w) to (b, c, side, side) as TensorFlow 1 did: bilinear, from the top left corner.

    It does not average where it shrinks; that is part of what published figures were made with.
    """
    return _stretched(_stretched(pictures, side, dim=3), side, dim=2)


def _stretched(pictures: Tensor, side: int, *, dim: int) -> Tensor:
    length = pictures.shape[dim]
    scale = torch.tensor(length / side, dtype=torch.float32, device=pictures.device)
    places = torch.arange(side, device=pictures.device) * scale
    low = places.long()
    share = (places - low).view(-1, *(1,) * (3 - dim))
    one = pictures.index_select(dim, low)
    other = pictures.index_select(dim, (low + 1).clamp_max(length - 1))
    return one + (other - one) * share


def _average(x: Tensor) -> Tensor:
    """A mean of 3 x 3 in which what lies beyond the border does not count."""
    return F.avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False)
