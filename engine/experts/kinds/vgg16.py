"""VGG-16 as DEX: the expectation over 101 classes (Rothe et al. 2018)."""

from typing import Literal

import torch
from torch import Tensor, nn

from engine.core.digest import file_sha256
from engine.experts.base import EXPERTS, Expert, ExpertTable
from engine.experts.network import NetworkExpert
from engine.nets.age.dex_vgg import Dex
from engine.nets.loading import frozen
from engine.weights.load import read_checkpoint


@EXPERTS.register("vgg16")
class VggTable(ExpertTable):
    """Photographs; 224 px bilinear. DEX as SAM publishes it is fed RGB in [-1, 1] (SAM's own ageing
    loss); the VGG-16 of the AgeTransformer repository RGB with ImageNet's normalisation, which is
    what that repository intends (its code applies it to BGR in 0..255).
    """

    domain = "photos"
    preprocessing = "aligned face, 224 px, RGB in [-1, 1] (AgeTransformer's file: ImageNet)"
    kind: Literal["vgg16"] = "vgg16"
    weights: str = "dex"

    def load(self, device: torch.device) -> Expert:
        path = self.path()
        checkpoint = read_checkpoint(path)
        net = Dex.from_state(checkpoint.part("age"))
        seen = nn.Sequential(ImageNetInput(), net) if checkpoint.kind == "vgg16" else net
        return NetworkExpert(frozen(seen).to(device), net.spec.size, file_sha256(path))


class ImageNetInput(nn.Module):
    """Pictures in [-1, 1] as networks from ImageNet expect them."""

    def forward(self, picture: Tensor) -> Tensor:
        from engine.nets.age.mivolo import imagenet

        return imagenet(picture)
