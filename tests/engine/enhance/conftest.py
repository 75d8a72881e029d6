"""Tiny real networks in the published containers, and evaluators with set results."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from PIL import Image

from engine.enhance.guard import FaceMeasurement
from engine.nets.nano.enhancers import NanoColour, NanoFace
from engine.nets.nano.unet import NanoUNet, UNetSpec
from engine.weights.checkpoint import Checkpoint
from engine.weights.formats.spandrel import spandrel
from engine.weights.native import save_native
from engine.worlds.portraits import identity, render, scene

PERSON = 903_000


@dataclass
class Fixed:
    """An evaluator and its factory: a changed face has the identity `cosine` to before."""

    cosine: float = 1.0
    drawn: str = "portraits"
    identity_by: str = "fixed"
    age_by: str | None = "fixed"
    why_no_age: str | None = None

    def domain_of(self, face):
        return self.drawn

    def for_domain(self, domain):
        return self

    def measure(self, face):
        return FaceMeasurement(face.astype(float), 40.0)

    def _change(self, one, other):
        return float(np.abs(one.identity - other.identity).mean())

    def similarity(self, one, other):
        return self.cosine if self._change(one, other) else 1.0


class Linear(Fixed):
    """Identity falls with every level that a face changes by."""

    def __init__(self, loss):
        super().__init__()
        self.loss = loss

    def similarity(self, one, other):
        return 1 - self.loss * self._change(one, other)


class Ageing(Fixed):
    """The age rises a year for every level of the mean of a face."""

    def measure(self, face):
        return FaceMeasurement(face.astype(float), 30 + float(face.mean()))


@pytest.fixture(scope="session")
def portrait():
    """A drawn person at 40, (192, 192, 3)."""
    return render(identity(PERSON), 40, scene(PERSON * 1_000), 192).picture


@pytest.fixture
def album(tmp_path, portrait):
    """Three portraits of two people in folders, one of them grey, and a text file."""
    folder = tmp_path / "old"
    for name, pixels in (
        ("ann/20_1.png", portrait),
        ("ann/21_2.jpg", portrait[:, ::-1]),
        ("Жан/35_1.png", np.repeat(portrait.mean(axis=2, keepdims=True), 3, axis=2)),
    ):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.ascontiguousarray(pixels).astype(np.uint8)).save(folder / name)
    (folder / "notes.txt").write_text("no picture")
    (folder / "broken.png").write_bytes(b"\x89PNG nothing")
    return folder


def compact(scale=2, width=8, depth=2, seed=0):
    torch.manual_seed(seed)
    net = spandrel().architectures.Compact.Compact(num_feat=width, num_conv=depth, upscale=scale)
    for p in net.parameters():
        p.data.mul_(0.3)
    return net


@pytest.fixture
def compact_file(tmp_path):
    path = tmp_path / "tiny.pth"
    torch.save({"params": compact().state_dict()}, path)
    return path


def tiny_unet(planes_in, planes_out, seed=0):
    torch.manual_seed(seed)
    net = NanoUNet(UNetSpec(planes_in, planes_out, 4, (4, 6)))
    torch.nn.init.normal_(net.last.weight, std=0.5)
    return net


@pytest.fixture
def face_file(tmp_path):
    """A restorer of drawn faces at 64 px that visibly changes them."""
    path = tmp_path / "face.safetensors"
    state = NanoFace(tiny_unet(3, 3)).net.state_dict()
    facts = {"size": 64, "domain": "portraits", "scale": 1}
    save_native(path, Checkpoint("native", {"face": state}, facts=facts))
    return path


@pytest.fixture
def colour_file(tmp_path):
    path = tmp_path / "colour.safetensors"
    state = NanoColour(tiny_unet(1, 2)).net.state_dict()
    facts = {"size": 64, "domain": "portraits"}
    save_native(path, Checkpoint("native", {"colour": state}, facts=facts))
    return path
