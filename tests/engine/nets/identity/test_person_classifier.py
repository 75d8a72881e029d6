import pytest
import torch

from engine.core.errors import WeightsError
from engine.nets.identity.ir_se50 import ArcFace, ArcFaceSpec
from engine.nets.identity.person_classifier import PersonClassifier
from engine.nets.nano.identity import IdentitySpec, NanoIdentity

NARROW = (4, 5, 6, 8)
SHALLOW = (1, 1, 1, 1)
BACKBONES = {
    "nano": lambda: NanoIdentity(IdentitySpec(size=32, embedding=6, widths=(8, 12))),
    "arcface": lambda: ArcFace(ArcFaceSpec(size=32, embedding=6, widths=NARROW, depths=SHALLOW)),
}
both = pytest.mark.parametrize("backbone", list(BACKBONES))


@both
def test_a_classifier_is_read_off_its_state_dict(backbone):
    torch.manual_seed(0)
    net = PersonClassifier(BACKBONES[backbone]()).eval()
    again = PersonClassifier.from_state(net.state_dict())
    pictures = torch.randn(3, 3, net.size, net.size)
    assert again.size == 32
    assert net(pictures).shape == (3, 2)
    torch.testing.assert_close(again(pictures), net(pictures))


@both
def test_a_bare_recogniser_is_no_classifier(backbone):
    # The ancestor loaded any file and went on with a random network.
    with pytest.raises(WeightsError):
        PersonClassifier.from_state(BACKBONES[backbone]().state_dict())


@both
@pytest.mark.parametrize("key", ["classifier.bias", "feature_extractor.something"])
def test_every_key_must_fit(backbone, key):
    state = PersonClassifier(BACKBONES[backbone]()).state_dict()
    if key in state:
        del state[key]
    else:
        state[key] = torch.zeros(1)
    with pytest.raises(WeightsError, match=key.rpartition(".")[2]):
        PersonClassifier.from_state(state)


def test_a_backbone_that_lost_its_stride_is_refused():
    state = PersonClassifier(BACKBONES["arcface"]()).state_dict()
    state["feature_extractor.output_layer.3.weight"] = torch.zeros(6, NARROW[-1] * 14 * 14)
    with pytest.raises(WeightsError, match="lost its first stride"):
        PersonClassifier.from_state(state)
