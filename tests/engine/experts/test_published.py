"""The published experts, small and random, in the files that they come in."""

import numpy as np
import pytest
import torch
from torchvision.models.resnet import Bottleneck, ResNet

from engine.core.errors import MissingWeightsError, WeightsError
from engine.experts.base import EXPERTS, AgePrediction, Faces
from engine.experts.kinds.mivolo import MiVoloExpert, views
from engine.experts.kinds.resnet50 import ResNetTable
from engine.experts.kinds.vgg16 import VggTable
from engine.nets.age.dex_vgg import Dex, DexSpec, expected_age
from engine.nets.age.mivolo import AgeScale, MiVolo, MiVoloSpec, imagenet
from engine.nets.age.resnet50 import FACE_MEAN, AgeResNet
from engine.weights.load import read_checkpoint, read_content

CPU = torch.device("cpu")
BLOCKS = [1, 2, 1, 1]
TO_CAFFE = {"conv1": "1x1_reduce", "conv2": "3x3", "conv3": "1x1_increase"}


@pytest.fixture
def faces():
    draw = np.random.default_rng(0)
    return Faces([draw.integers(0, 256, (64, 64, 3), np.uint8) for _ in range(2)])


def with_statistics(net, size=64):
    """Running statistics unlike the initial ones."""
    torch.manual_seed(0)
    net.train()
    with torch.no_grad():
        for _ in range(2):
            net(torch.randn(4, 3, size, size) * 40)
    return net.eval()


def torchvision_net(caffe=False):
    torch.manual_seed(1)
    net = ResNet(Bottleneck, BLOCKS, num_classes=101, width_per_group=64)
    if caffe:  # its strides stand on the first convolution, and its pooling rounds up
        for block in net.modules():
            if isinstance(block, Bottleneck) and block.stride != 1:
                block.conv1.stride, block.conv2.stride = block.conv2.stride, (1, 1)
        net.maxpool = torch.nn.MaxPool2d(3, 2, ceil_mode=True)
    return with_statistics(net)


def under_caffe_names(state):
    renamed = dict(read_content(state).part("age"))
    renamed["classage.weight"] = renamed["classage.weight"][:, :, None, None]
    return {**renamed, "classifier.weight": torch.zeros(3, 2048, 1, 1)}


def resnet(state):
    found = read_content(state)
    return AgeResNet.from_state(found.part("age"), found.facts["layout"])


@torch.inference_mode()
def test_a_resnet_in_torchvisions_layout_is_torchvisions_resnet():
    theirs, face = torchvision_net(), torch.rand(2, 3, 224, 224) * 2 - 1
    ours = resnet(theirs.state_dict())
    assert ours.spec.layout == "torchvision"
    torch.testing.assert_close(ours(face), theirs(imagenet(face)), rtol=1e-3, atol=1e-3)


@torch.inference_mode()
def test_a_resnet_in_caffes_layout_has_its_strides_pooling_and_mean_where_caffe_has_them():
    theirs, face = torchvision_net(caffe=True), torch.rand(2, 3, 224, 224) * 2 - 1
    ours = resnet(under_caffe_names(theirs.state_dict()))
    assert ours.spec.layout == "caffe"
    fed = (face + 1) * 127.5 - torch.tensor(FACE_MEAN).view(1, 3, 1, 1)
    torch.testing.assert_close(ours(face), theirs(fed), rtol=1e-3, atol=1e-3)


def test_a_resnet_expert_reads_its_file_and_answers_with_its_distribution(tmp_path, faces):
    path = tmp_path / "resnet.pth"
    state = torchvision_net().state_dict()
    torch.save({"state_dict": {f"module.{key}": value for key, value in state.items()}}, path)
    ages = ResNetTable(weights=str(path)).load(CPU).predict(faces)
    with torch.inference_mode():
        logits = resnet(state)(faces.at(224))
    torch.testing.assert_close(ages.years, expected_age(logits), rtol=1e-4, atol=1e-3)


def dex():
    torch.manual_seed(2)
    return Dex(DexSpec(size=64, widths=(4, 4, 6, 6, 8), hidden=12)).eval()


def test_both_vgg16_files_are_one_network_with_their_own_normalisation(tmp_path, faces):
    net, ours, theirs = dex(), tmp_path / "dex.pth", tmp_path / "model_best_loss"
    torch.save({"state_dict": net.state_dict()}, ours)
    heads = {"fc6": "fc1.0", "fc7": "fc2.0", "fc8_101": "cls"}
    renamed = {}
    for key, value in net.state_dict().items():
        layer, _, rest = key.partition(".")
        if layer in heads:
            renamed[f"{heads[layer]}.{rest}"] = value
        else:
            stage, index = layer.removeprefix("conv").split("_")
            renamed[f"conv.{int(stage) - 1}.conv{index}.{rest}"] = value
    torch.save(renamed, theirs)
    with torch.inference_mode():
        plain, normal = net.age(faces.at(64)), net.age(imagenet(faces.at(64)))
    ages = VggTable(weights=str(ours)).load(CPU).predict(faces)
    torch.testing.assert_close(ages.years, plain, rtol=1e-4, atol=1e-3)
    ages = VggTable(weights=str(theirs)).load(CPU).predict(faces)
    torch.testing.assert_close(ages.years, normal, rtol=1e-4, atol=1e-3)


class Brightness(torch.nn.Module):
    """A MiVOLO whose age is the mean brightness of the face."""

    def __init__(self, with_body):
        super().__init__()
        self.spec = MiVoloSpec(size=32, with_body=with_body)
        self.unused = torch.nn.Parameter(torch.zeros(1))
        self.bodies = []

    def age(self, face, scale, body=None):
        self.bodies.append(body)
        side = face[..., :16].mean(dim=(1, 2, 3)) + face[..., :4].mean(dim=(1, 2, 3))
        return scale.years(side)


def test_the_spread_of_mivolo_is_that_over_its_views():
    flat = np.full((32, 32, 3), 200, np.uint8)
    lopsided = np.repeat(np.linspace(0, 255, 32).astype(np.uint8)[None, :, None], 32, 0).repeat(
        3, 2
    )
    net = Brightness(with_body=False)
    ages = MiVoloExpert(net, AgeScale(0, 100, 50), "x").predict(Faces([flat, lopsided]))
    assert len(net.bodies) == 4
    assert ages.spread[0] == pytest.approx(0, abs=1e-3)
    assert ages.confidence[0] == pytest.approx(1, abs=1e-3)
    assert ages.spread[1] > 5
    assert ages.confidence[1] < ages.confidence[0]


def test_mivolo_takes_a_letterboxed_body_and_black_without_one():
    body = np.full((64, 32, 3), 255, np.uint8)
    face = np.zeros((32, 32, 3), np.uint8)
    net = Brightness(with_body=True)
    MiVoloExpert(net, AgeScale(0, 100, 50), "x").predict(Faces([face, face], [body, None]))
    bodies = net.bodies[0]
    assert bodies.shape == (2, 3, 32, 32)
    assert (bodies[0, :, :, 8:24] == 1).all()
    assert (bodies[0, :, :, :8] == -1).all()
    assert (bodies[1] == -1).all()
    torch.testing.assert_close(net.bodies[1], bodies.flip(3))


def test_a_view_closer_and_one_further_keep_the_size():
    face = torch.rand(1, 3, 40, 40)
    assert [tuple(view.shape) for view in views(face, 0.05)] == [(1, 3, 40, 40)] * 4
    assert len(views(face, 0.0)) == 2


def test_a_mivolo_without_its_age_scale_is_refused(tmp_path):
    state = MiVolo(MiVoloSpec(size=32, with_body=False)).state_dict()
    torch.save({"state_dict": state, "min_age": 1}, tmp_path / "other.pth.tar")
    with pytest.raises(WeightsError, match="lacks max_age, avg_age"):
        read_checkpoint(tmp_path / "other.pth.tar")


@pytest.mark.parametrize("kind", ["mivolo", "resnet50", "vgg16", "janus"])
def test_a_missing_published_expert_has_a_hint(kind):
    with pytest.raises(MissingWeightsError) as error:
        EXPERTS[kind]().path()
    assert error.value.hint


@pytest.mark.parametrize("kind", list(EXPERTS))
def test_every_expert_declares_its_preprocessing_and_domain(kind):
    table = EXPERTS[kind]()
    assert table.name == kind
    assert table.domain in ("portraits", "photos")
    assert " px" in table.preprocessing
    assert type(table).model_validate(table.dump()) == table


def test_confidence_falls_with_entropy():
    shares = torch.zeros(3, 101)
    shares[0, 30] = 1
    shares[1] = 1
    shares[2, 20:41] = 1
    ages = AgePrediction.of_distribution(shares)
    torch.testing.assert_close(ages.years, torch.tensor([30.0, 50.0, 30.0]))
    assert ages.spread[1] == pytest.approx(850**0.5, rel=1e-4)  # of the uniform 0..100
    assert ages.confidence[0] == 1
    assert ages.confidence[1] == pytest.approx(0, abs=1e-6)
    assert 0 < ages.confidence[2] < 1


def test_a_face_is_resized_once_for_all_experts(faces):
    assert faces.at(48) is faces.at(48)
    assert faces.at(48).shape == (2, 3, 48, 48)
