"""The networks from TensorFlow.js files compute what their published graphs compute.

The expected numbers were recorded from an interpreter of those graphs
(`../shared/prototypes/photos/tfjs.py`, `faceapi.py`), which shares no code with our networks: with
the published weights where they ship, else with weights that follow from their names.
"""

import numpy as np
import pytest
import torch

from engine.core.errors import WeightsError
from engine.nets.photos import face_api, faceres
from engine.nets.photos.crops import mesh_crop, whole
from engine.nets.photos.facemesh import FaceMesh, load_facemesh
from engine.nets.photos.faceres import FaceRes, faceres_state
from engine.nets.photos.layers import SameConv2d, same_padded
from engine.nets.photos.selfie import load_selfie
from engine.weights.find import find_weights
from engine.weights.native import read_card
from engine.worlds.portraits import identity, render, scene


def drawn(size):
    """A drawn portrait, which does not change as long as the world does not."""
    pixels = render(identity(910_000), 30, scene(910_000_000), size).picture
    return torch.from_numpy(pixels).permute(2, 0, 1)[None] / 127.5 - 1


def faceres_shapes():
    shapes = {
        "conv1/convolution/merged_input": (3, 3, 3, 32),
        "conv1_bn/batchnorm_1/sub": (32,),
        "feats/kernel": (1024, 256),
        "feats/bias": (256,),
        "age_pred/kernel": (256, 100),
        "age_pred/bias": (100,),
        "gender_pred/kernel": (256, 1),
        "gender_pred/bias": (1,),
    }
    for number, (into, out) in enumerate(zip(faceres.WIDTHS, faceres.WIDTHS[1:], strict=False), 1):
        shapes |= {
            f"conv_dw_{number}/depthwise_kernel": (3, 3, into, 1),
            f"conv_dw_{number}_bn/batchnorm_1/mul": (into,),
            f"conv_dw_{number}_bn/batchnorm_1/sub": (into,),
            f"conv_pw_{number}/convolution/merged_input": (1, 1, into, out),
            f"conv_pw_{number}_bn/batchnorm_1/sub": (out,),
        }
    return shapes


def face_api_shapes():
    shapes = {"entry_flow/conv_in/filters": (3, 3, 3, 32), "entry_flow/conv_in/bias": (32,)}

    def separable(key, into, out):
        shapes[f"{key}/depthwise_filter"] = (3, 3, into, 1)
        shapes[f"{key}/pointwise_filter"] = (1, 1, into, out)
        shapes[f"{key}/bias"] = (out,)

    for block, into, out in (
        ("entry_flow/reduction_block_0", 32, 64),
        ("entry_flow/reduction_block_1", 64, 128),
        ("exit_flow/reduction_block", 128, 256),
    ):
        separable(f"{block}/separable_conv0", into, out)
        separable(f"{block}/separable_conv1", out, out)
        shapes[f"{block}/expansion_conv/filters"] = (1, 1, into, out)
        shapes[f"{block}/expansion_conv/bias"] = (out,)
    for block in (0, 1):
        for conv in (0, 1, 2):
            separable(f"middle_flow/main_block_{block}/separable_conv{conv}", 128, 128)
    separable("exit_flow/separable_conv", 256, 512)
    for head, out in (("age", 1), ("gender", 2)):
        shapes[f"fc/{head}/weights"] = (512, out)
        shapes[f"fc/{head}/bias"] = (out,)
    return shapes


def published_bias(tensors):
    """The one bias of FaceRes that was left as published when its numbers were recorded."""
    return tensors | {"gender_pred/bias": torch.tensor([0.243408203125])}


def test_faceres_computes_what_its_graph_computes(filled, ramps):
    net = FaceRes.from_state(faceres_state(published_bias(filled(faceres_shapes()))))
    with torch.inference_mode():
        out = net(ramps(faceres.SIZE))
    assert out.years.item() == pytest.approx(50.0249367, abs=1e-4)
    assert out.male.item() == pytest.approx(0.4200765, abs=1e-5)
    assert out.features.norm().item() == pytest.approx(15.4938116, rel=1e-5)
    wanted = [0.09924397, 0.06011565, 0.12425687, 0.07428574]
    assert out.features[0, :4].tolist() == pytest.approx(wanted, rel=1e-4)


def test_face_api_computes_what_the_prototype_computes(filled, ramps):
    net = face_api.FaceApiAgeGender.from_state(
        face_api.age_gender_state(filled(face_api_shapes(), gain=0.5))
    )
    with torch.inference_mode():
        out = net(ramps(face_api.SIZE))
    assert out.age.item() == pytest.approx(0.2722917, abs=1e-5)
    assert out.male.item() == pytest.approx(0.5417906, abs=1e-5)


@pytest.mark.parametrize("change", ["missing", "extra", "shape", "layout"])
@pytest.mark.parametrize(
    ("shapes", "state", "net"),
    [
        (faceres_shapes(), faceres_state, FaceRes),
        (face_api_shapes(), face_api.age_gender_state, face_api.FaceApiAgeGender),
    ],
    ids=["faceres", "face-api"],
)
def test_weights_of_another_network_are_refused(filled, shapes, state, net, change):
    tensors = filled(shapes)
    key = next(name for name in tensors if "depthwise" in name)
    if change == "missing":
        del tensors[key]
    elif change == "extra":
        tensors["another/kernel"] = torch.zeros(2, 2)
    elif change == "shape":
        tensors[key] = torch.zeros(3, 3, 7, 1)
    else:
        tensors[key] = tensors[key].flatten()
    with pytest.raises(WeightsError, match="not those of") as caught:
        net.from_state(state(tensors))
    assert caught.value.hint


def test_the_shipped_mesh_computes_what_its_graph_computes():
    with torch.inference_mode():
        out = load_facemesh()(drawn(192))
    points = out.points[0]
    assert out.flag.item() == pytest.approx(1.0, abs=1e-5)
    assert points.norm().item() == pytest.approx(3290.27905, rel=1e-6)
    for number, wanted in (
        (0, [95.318016, 134.231506, -7.883173]),
        (152, [94.437584, 167.582367, 11.286933]),
        (467, [130.112289, 87.574677, 1.703344]),
    ):
        assert points[number].tolist() == pytest.approx(wanted, abs=1e-3)


def test_the_shipped_person_mask_is_what_its_graph_computes():
    with torch.inference_mode():
        mask = load_selfie()(drawn(256))[0, 0]
    assert mask.shape == (256, 256)
    assert mask.mean().item() == pytest.approx(0.3776978, abs=1e-5)
    assert mask.std().item() == pytest.approx(0.4807031, abs=1e-5)


CORNERS = {33: 36, 133: 39, 362: 42, 263: 45, 61: 48, 291: 54, 152: 8, 2: 33}
"""Points of the mesh that are points of dlib too: eye corners, mouth corners, chin, nose."""


def test_the_mesh_lies_on_real_faces_and_its_flag_knows_a_tie(real_faces):
    net: FaceMesh = load_facemesh()
    wrong = 0
    for face in real_faces:
        eyes = face.landmarks[36:42].mean(0) - face.landmarks[42:48].mean(0)
        crop = mesh_crop(face.points, 192)
        below = mesh_crop(face.points + torch.tensor([0, 2.2 * np.linalg.norm(eyes)]), 192)
        with torch.inference_mode():
            mesh = net(crop.cut(face.picture))
            wrong += net(below.cut(face.picture)).flag.item() > 0.5
        assert mesh.flag.item() > 0.9
        there = crop.points(mesh.points[:, :, :2].double())[0].numpy()
        apart = [np.linalg.norm(there[a] - face.landmarks[b]) for a, b in CORNERS.items()]
        assert np.mean(apart) / np.linalg.norm(eyes) < 0.12
    assert wrong <= len(real_faces) // 2


def test_the_mask_holds_the_face_and_leaves_the_corners(real_faces):
    net = load_selfie()
    for face in real_faces:
        with torch.inference_mode():
            mask = net(whole(face.picture, 256))[0, 0]
        height, width = face.pixels.shape[:2]
        inside = (face.landmarks[27:] / [width, height] * 256).astype(int).clip(0, 255)
        assert mask[inside[:, 1], inside[:, 0]].min() > 0.9
        assert max(mask[:12, :12].max(), mask[:12, -12:].max()) < 0.1


@pytest.mark.parametrize("name", ["selfie", "facemesh"])
def test_the_cards_hold_licence_and_notice(name):
    card = read_card(find_weights(name))["card"]
    assert card["licence"] == "Apache-2.0"
    assert "The MediaPipe Authors" in card["notice"]
    assert "TERMS AND CONDITIONS" in card["licence_text"]


@pytest.mark.parametrize(("side", "kernel", "stride"), [(8, 3, 2), (7, 3, 2), (9, 5, 2), (8, 3, 1)])
def test_same_padding_is_tensorflows(side, kernel, stride):
    """Output of ceil(side / stride); the odd pixel of padding goes to the end."""
    x = torch.arange(1.0, side + 1).expand(1, 1, side, side)
    padded = same_padded(x, kernel, stride)
    total = padded.shape[3] - side
    assert (padded[0, 0, :, : total // 2] == 0).all()
    conv = SameConv2d(1, 1, kernel, stride)
    assert conv(x).shape == (1, 1, -(-side // stride), -(-side // stride))
    if (side, stride) == (8, 2):
        assert total == 1
        assert padded[0, 0, 0].tolist() == [*range(1, 9), 0]
