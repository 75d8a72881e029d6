"""dlib's descriptor in torch: dlib's own numbers on real faces, and gradients that hold."""

import dlib
import numpy as np
import pytest
import torch

from engine.core.errors import WeightsError
from engine.faces.dlib_nets import face_chip
from engine.faces.embedding import embed_chip
from engine.faces.files import DESCRIPTOR, dlib_file
from engine.images.ranges import to_tensor
from engine.nets.photos.crops import dlib_chip
from engine.nets.photos.dlib_resnet import (
    FACE_API,
    PADDING,
    SIZE,
    DlibResNet,
    dlib_state,
    face_api_state,
    load_dlib_resnet,
)


@pytest.fixture(scope="module")
def net():
    return load_dlib_resnet()


@pytest.fixture(scope="module")
def chips(real_faces):
    """Faces as dlib itself cuts them, and dlib's descriptors of them."""
    own = dlib.face_recognition_model_v1(str(dlib_file(DESCRIPTOR)))
    cut, described = [], []
    for face in real_faces:
        parts = dlib.points([dlib.point(int(x), int(y)) for x, y in face.landmarks])
        shape = dlib.full_object_detection(dlib.rectangle(0, 0, 9, 9), parts)
        cut.append(dlib.get_face_chip(face.pixels, shape, SIZE, PADDING))
        described.append(np.array(own.compute_face_descriptor(cut[-1])))
    return cut, np.stack(described)


def test_twenty_real_faces_have_dlibs_own_descriptors(net, chips):
    cut, described = chips
    assert len(cut) == 20
    with torch.inference_mode():
        ours = net(torch.cat([to_tensor(chip) for chip in cut])).numpy()
    assert np.abs(ours - described).max() < 1e-4


def test_from_the_photograph_on_the_descriptor_is_dlibs_but_for_rounding(net, real_faces):
    """dlib rounds its chip down to whole levels, ours keeps the fractions."""
    for face in real_faces:
        with torch.inference_mode():
            ours = net(dlib_chip(face.points, SIZE, PADDING).cut(face.picture))[0].numpy()
        assert np.linalg.norm(ours - embed_chip(face_chip(face.pixels, face.landmarks))) < 0.02


def test_gradients_move_a_face_towards_another(net, chips):
    one, other = (to_tensor(chip) for chip in chips[0][:2])
    with torch.no_grad():
        target = net(other)
    moving = one.clone().requires_grad_()
    before = (net(moving) - target).norm()
    before.backward()
    assert torch.isfinite(moving.grad).all()
    with torch.no_grad():
        step = moving - 0.02 * moving.grad.sign()
        assert (net(step) - target).norm() < before - 0.05


def shapes():
    """Names and shapes of face-api's copy, as its manifest has them."""
    named = {"fc": (256, 128)}
    before = 3
    for key in ("conv32_down", *(f"{block}/conv{k}" for block in FACE_API for k in (1, 2))):
        width = int(key.removeprefix("conv").split("_")[0])
        side = 7 if key == "conv32_down" else 3
        named[f"{key}/conv/filters"] = (side, side, before, width)
        for part in ("conv/bias", "scale/weights", "scale/biases"):
            named[f"{key}/{part}"] = (width,)
        before = width
    return named


def as_dlib(tensors):
    """The same numbers as dlib's reader would give them."""
    keys = ["conv32_down", *(f"{block}/conv{k}" for block in FACE_API for k in (1, 2))]
    made = {"dense.0.weight": tensors["fc"].t()}
    for number, key in enumerate(keys):
        made[f"conv.{number}.weight"] = tensors[f"{key}/conv/filters"].permute(3, 2, 0, 1)
        made[f"conv.{number}.bias"] = tensors[f"{key}/conv/bias"]
        made[f"affine.{number}.gamma"] = tensors[f"{key}/scale/weights"]
        made[f"affine.{number}.beta"] = tensors[f"{key}/scale/biases"]
    return made


def test_face_apis_copy_gives_what_the_prototype_gives(filled, ramps):
    """Recorded from `../shared/prototypes/photos/dlibres.py` with these very weights."""
    tensors = filled(shapes(), gain=1.0)
    net = DlibResNet.from_state(face_api_state(tensors))
    with torch.inference_mode():
        out = net(ramps(SIZE))[0]
    assert out.norm().item() == pytest.approx(11.471007, rel=1e-4)
    wanted = [0.95931220, -1.25377154, -0.54332232, 1.16920602]
    assert out[:4].tolist() == pytest.approx(wanted, rel=1e-3)


def test_both_sources_become_one_network(filled):
    tensors = filled(shapes())
    one, other = face_api_state(tensors), dlib_state(as_dlib(tensors))
    assert one.keys() == other.keys()
    assert all(torch.equal(one[key], other[key]) for key in one)


@pytest.mark.parametrize(
    "change",
    [
        lambda t: t.pop("conv.28.weight") is None or t.pop("conv.28.bias"),
        lambda t: t.update({"conv.29.weight": t["conv.0.weight"]}),
        lambda t: t.update({"affine.3.gamma": torch.ones(5)}),
        lambda t: t.update({"dense.0.weight": torch.ones(128, 255)}),
        lambda t: t.update({"conv.0.weight": torch.ones(32, 1, 7, 7)}),
    ],
)
def test_weights_of_another_network_are_refused(filled, change):
    tensors = as_dlib(filled(shapes()))
    change(tensors)
    with pytest.raises(WeightsError, match="dlib's face descriptor"):
        DlibResNet.from_state(dlib_state(tensors))


@pytest.mark.parametrize(
    "key", ["fc", "conv64_down/conv1/conv/filters", "conv32_1/conv2/conv/bias"]
)
def test_a_missing_tensor_of_face_api_is_named(filled, key):
    tensors = filled(shapes())
    del tensors[key]
    with pytest.raises(WeightsError, match=f"`{key}` is missing"):
        face_api_state(tensors)
