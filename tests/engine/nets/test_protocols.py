"""Networks of different families behind one protocol, and found by their names."""

import pytest
import torch
import torch.nn.functional as F

from engine.core.errors import UsageError, WeightsError
from engine.nets.age.dex_vgg import Dex, DexSpec
from engine.nets.identity.ir_se50 import ArcFace, ArcFaceSpec
from engine.nets.loading import frozen
from engine.nets.named import (
    identity_network_of,
    load_age_estimator,
    load_identity_network,
    load_landmark_detector,
    load_lpips,
)
from engine.nets.nano.age import AgeSpec, NanoAge
from engine.nets.nano.identity import IdentitySpec, NanoIdentity
from engine.nets.nano.landmarks import LandmarksSpec, NanoLandmarks
from engine.nets.protocols import (
    ArcFaceIdentity,
    DexEstimator,
    LpipsDistance,
    NanoAgeEstimator,
    NanoIdentityNetwork,
    NanoLandmarkDetector,
    weights_digest,
)
from engine.weights.checkpoint import Checkpoint
from engine.weights.native import save_native

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def _nothing_shipped(monkeypatch):
    """Names mean what a test puts into its weights folder, not what the package brings."""
    monkeypatch.setattr("engine.weights.find.shipped_weights", dict)


@pytest.fixture
def arcface(fill):
    spec = ArcFaceSpec(size=112, embedding=24, widths=(4, 8, 12, 16), depths=(1, 1, 2, 1))
    with torch.no_grad():
        return identity_network_of(fill(ArcFace(spec)).state_dict())


@pytest.fixture
def nano():
    spec = IdentitySpec(size=16, embedding=8, widths=(4, 6))
    return identity_network_of(NanoIdentity(spec).state_dict())


def kept(folder, name, part, net):
    """Put a network into the weights folder as ours."""
    save_native(folder / f"{name}.safetensors", Checkpoint("native", {part: net.state_dict()}))


def test_the_family_is_read_off_the_weights(arcface, nano):
    assert isinstance(arcface, ArcFaceIdentity)
    assert isinstance(nano, NanoIdentityNetwork)
    assert (arcface.name, arcface.width, nano.name, nano.width) == (
        "ir-se50",
        24,
        "nano-identity",
        8,
    )


@pytest.mark.parametrize("family", ["arcface", "nano"])
@pytest.mark.parametrize("size", [256, 128, 300, 512])
def test_portraits_of_any_size_become_unit_vectors_with_gradients(family, size, request):
    identity_net = request.getfixturevalue(family)
    pictures = torch.rand(2, 3, size, size).requires_grad_()
    found = identity_net.embed(pictures)
    assert found.shape == (2, identity_net.width)
    torch.testing.assert_close(found.norm(dim=1), torch.ones(2))
    found[:, 0].sum().backward()
    assert pictures.grad.abs().sum() > 0
    assert not any(parameter.requires_grad for parameter in identity_net.net.parameters())


def test_arcface_sees_the_published_crop_of_a_portrait(arcface):
    portrait = torch.rand(1, 3, 256, 256)
    torch.testing.assert_close(arcface.embed(portrait), arcface.net.face_embedding(portrait))


def test_a_region_is_never_cropped_again(arcface):
    """The ancestor cut the face crop out of a mouth."""
    crop = torch.rand(1, 3, 112, 112)
    torch.testing.assert_close(arcface.embed_crops(crop), arcface.net(crop))
    framed = crop.clone()
    framed[:, :, :10] = 1
    assert not torch.allclose(arcface.embed_crops(framed), arcface.embed_crops(crop))
    wide = torch.rand(1, 3, 40, 70)
    resized = F.interpolate(wide, size=(112, 112), mode="bilinear", antialias=True)
    torch.testing.assert_close(arcface.embed_crops(wide), arcface.net(resized))


def test_nano_crops_are_resized_to_the_network(nano):
    assert nano.embed_crops(torch.rand(1, 3, 40, 70)).shape == (1, 8)


def test_the_digest_is_that_of_the_values(nano):
    state = nano.net.state_dict()
    again = {key: state[key].clone() for key in reversed(list(state))}
    assert weights_digest(again) == nano.digest
    again["embed.weight"][0, 0] += 1e-6
    assert weights_digest(again) != nano.digest


def test_readers_answer_in_years_and_pixels(fill):
    pictures = torch.rand(2, 3, 64, 64)
    dex = frozen(Dex(DexSpec(32, widths=(2, 2, 2, 2, 2), hidden=4)))
    age = frozen(NanoAge(AgeSpec(size=16, widths=(4, 6))))
    assert torch.equal(DexEstimator(dex).years(pictures), dex.age(pictures))
    assert torch.equal(NanoAgeEstimator(age).years(pictures), age.age(pictures))
    points = frozen(NanoLandmarks(LandmarksSpec(size=16, widths=(4, 6), hidden=8)))
    assert torch.equal(NanoLandmarkDetector(points).points(pictures), points.points(pictures))


def test_lpips_goes_by_its_backbone():
    distance = LpipsDistance(lambda one, other: (one - other).square().mean(dim=(1, 2, 3)))
    assert distance.name == "lpips-alex"
    assert LpipsDistance(distance.net, "vgg").name == "lpips-vgg"
    assert distance(torch.ones(2, 3, 4, 4), torch.zeros(2, 3, 4, 4)).tolist() == [1, 1]


def test_lpips_without_its_backbone_says_where_to_get_it():
    with pytest.raises(WeightsError, match="`lpips-alex` are not in"):
        load_lpips(CPU)


def test_a_name_finds_its_network(tmp_path, nano):
    folder = tmp_path / "weights"
    age = NanoAge(AgeSpec(size=16, widths=(4, 6)))
    points = NanoLandmarks(LandmarksSpec(size=16, widths=(4, 6), hidden=8))
    kept(folder, "nano-identity", "identity", nano.net)
    kept(folder, "nano-age", "age", age)
    kept(folder, "nano-landmarks", "landmarks", points)
    assert load_identity_network("nano-identity", CPU).digest == nano.digest
    assert load_age_estimator("nano-age", CPU).name == "nano-age"
    assert load_landmark_detector("nano-landmarks", CPU).name == "nano-landmarks"


def test_a_file_of_another_name_serves_by_what_it_holds(tmp_path, arcface):
    kept(tmp_path, "mine", "identity", arcface.net)
    found = load_identity_network(str(tmp_path / "mine.safetensors"), CPU)
    assert (found.name, found.digest) == ("ir-se50", arcface.digest)


def test_a_name_is_kept_for_its_own_network(tmp_path, arcface):
    kept(tmp_path / "weights", "nano-identity", "identity", arcface.net)
    with pytest.raises(UsageError, match="called `nano-identity` are those of `ir-se50`"):
        load_identity_network("nano-identity", CPU)


def test_a_file_without_such_a_network_says_what_it_holds(tmp_path, nano):
    kept(tmp_path, "mine", "identity", nano.net)
    with pytest.raises(WeightsError, match="cannot give `age`: .*`identity` has no `age`"):
        load_age_estimator(str(tmp_path / "mine.safetensors"), CPU)


def test_weights_that_are_not_here_say_how_to_get_them():
    with pytest.raises(WeightsError, match="`ir-se50` are not in"):
        load_identity_network("ir-se50", CPU)
