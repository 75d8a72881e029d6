"""ResNet-50 with a mean-variance head: a distribution over 0..100 (Pan et al. 2018)."""

from typing import Literal

import torch

from engine.core.digest import file_sha256
from engine.experts.base import EXPERTS, Expert, ExpertTable
from engine.experts.network import NetworkExpert
from engine.nets.loading import frozen
from engine.weights.load import read_checkpoint


@EXPERTS.register("resnet50")
class ResNetTable(ExpertTable):
    """Photographs; 224 px bilinear, RGB in 0..255 less VGGFace2's mean (its file's metadata), or
    ImageNet's normalisation where the file is in torchvision's layout.

    The AgeTransformer repository, whose file this is, feeds it BGR and no mean, which is not how a
    network of VGGFace2 was trained; if a file was trained that way, its errors show in `--truth`.
    """

    domain = "photos"
    preprocessing = "aligned face, 224 px, RGB less VGGFace2's mean (torchvision layout: ImageNet)"
    kind: Literal["resnet50"] = "resnet50"
    weights: str = "age-resnet50"

    def load(self, device: torch.device) -> Expert:
        # It imports timm, for ImageNet's constants.
        from engine.nets.age.resnet50 import AgeResNet

        path = self.path()
        checkpoint = read_checkpoint(path)
        layout = checkpoint.facts.get("layout", "caffe")
        net = frozen(AgeResNet.from_state(checkpoint.part("age"), layout)).to(device)
        return NetworkExpert(net, net.spec.size, file_sha256(path))
