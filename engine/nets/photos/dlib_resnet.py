"""dlib's face descriptor as a torch network: 29 convolutions, 128 numbers, gradients pass.

The weights are read from the file that dlib itself reads (`engine.weights.formats.dlib_dat`), or
from face-api's 8-bit copy of them. Two faces of one person are less than 0.6 apart (Euclidean).
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Self

from torch import Tensor, nn

from engine.core.errors import WeightsError
from engine.nets.loading import built
from engine.nets.photos.layers import DlibTrunk, centred_levels, folded
from engine.weights.formats.dlib_dat import dlib_counts, read_dlib
from engine.weights.formats.tfjs import Named
from engine.weights.packages import packaged_file

SIZE, PADDING = 150, 0.25
"""Pixels of the chip and its margin around dlib's mean face: `crops.dlib_chip`."""
WIDTH = 128
STEM, BLOCKS = 32, (32,) * 3 + (64,) * 4 + (128,) * 3 + (256,) * 4
HALVING = frozenset({13})  # the last block halves without growing
SCALE = 256.0
FIRST_BLOCK = 3  # its place in the trunk, behind stem, ReLU and pooling
FACE_API = (
    *("conv32_1", "conv32_2", "conv32_3"),
    *("conv64_down", "conv64_1", "conv64_2", "conv64_3"),
    *("conv128_down", "conv128_1", "conv128_2"),
    *("conv256_down", "conv256_1", "conv256_2", "conv256_down_out"),
)
"""What face-api calls the blocks."""
NAME = "dlib's face descriptor"


class DlibResNet(nn.Module):
    """Chips (b, 3, 150, 150) in [-1, 1] to descriptors (b, 128), not of unit length."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk = DlibTrunk(STEM, BLOCKS, HALVING)
        self.dense = nn.Linear(BLOCKS[-1], WIDTH, bias=False)

    @classmethod
    def from_state(cls, state: Mapping[str, Tensor]) -> Self:
        """The network that holds the tensors of `dlib_state` or `face_api_state`."""
        return built(cls, state, name=NAME)

    def forward(self, chip: Tensor) -> Tensor:
        return self.dense(self.trunk(centred_levels(chip, SCALE)))


def load_dlib_resnet(file: Path | None = None) -> DlibResNet:
    """The network with dlib's own weights, from `file` or from `face_recognition_models`."""
    path = packaged_file("dlib-descriptor") if file is None else file
    return DlibResNet.from_state(dlib_state(read_dlib(path)))


def dlib_state(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """What `dlib_dat` read under our keys, each convolution with its scaling folded in."""
    names = _convolutions()
    if dlib_counts(tensors) != {"conv": len(names), "affine": len(names), "dense": 1}:
        raise WeightsError(
            f"these weights are not those of {NAME}: they have other layers",
            hint="check that the file is `dlib_face_recognition_resnet_model_v1.dat`",
        )
    state = {"dense.weight": tensors["dense.0.weight"]}
    for number, name in enumerate(names):
        conv, affine = f"conv.{number}", f"affine.{number}"
        weight, bias = tensors[f"{conv}.weight"], tensors[f"{conv}.bias"]
        gamma, beta = tensors[f"{affine}.gamma"], tensors[f"{affine}.beta"]
        if not len(gamma) == len(beta) == len(bias):
            raise WeightsError(
                f"these weights are not those of {NAME}: layer {number} has other channels",
                hint="check that the file is `dlib_face_recognition_resnet_model_v1.dat`",
            )
        state[f"{name}.weight"], state[f"{name}.bias"] = folded(weight, bias, gamma, beta)
    return state


def face_api_state(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """face-api's `face_recognition_model` under our keys; descriptors .04 from dlib's own."""
    source = Named(tensors, net="face-api's face descriptor")
    state = {"dense.weight": source.dense("fc")}
    stored = ["conv32_down", *(f"{block}/conv{k}" for block in FACE_API for k in (1, 2))]
    for name, key in zip(_convolutions(), stored, strict=True):
        weight, bias = source.conv(f"{key}/conv/filters"), source.vector(f"{key}/conv/bias")
        gamma, beta = source.vector(f"{key}/scale/weights"), source.vector(f"{key}/scale/biases")
        if not len(weight) == len(bias) == len(gamma) == len(beta):
            raise WeightsError(
                f"these weights are not those of face-api's face descriptor: `{key}` differs",
                hint="check that the file is `face_recognition_model-weights_manifest.json`",
            )
        state[f"{name}.weight"], state[f"{name}.bias"] = folded(weight, bias, gamma, beta)
    source.finish()
    return state


def _convolutions() -> list[str]:
    """Our names of the convolutions, in the order in which both formats store them."""
    blocks = range(FIRST_BLOCK, FIRST_BLOCK + len(BLOCKS))
    return ["trunk.0", *(f"trunk.{block}.conv_{k}" for block in blocks for k in (1, 2))]
