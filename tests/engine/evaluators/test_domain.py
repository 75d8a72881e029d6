"""The domain of pictures and models."""

import pytest
import torch

from engine.core.errors import PictureError, WeightsError
from engine.evaluators.domain import TrainingDomain
from engine.nets.nano.ageing import NanoAgeing, NanoAgeingSpec
from engine.nets.nano.base import BaseSpec
from engine.nets.nano.encoder import NanoEncoder, NanoEncoderSpec
from engine.nets.nano.generator import NanoGenerator, NanoGeneratorSpec
from engine.nets.timemachine import TimeMachine
from engine.weights.checkpoint import Checkpoint

BASE = BaseSpec(size=32, luma=20, colour=8, detail=20, window=(12, 10))


@pytest.fixture(scope="module")
def machine():
    """A nano model whose linear codes were fitted to flat grey pictures of any brightness."""
    torch.manual_seed(0)
    encoder = NanoEncoder(NanoEncoderSpec(BASE, 16, (4, 4, 4), 8))
    sam = NanoAgeing(NanoAgeingSpec(BASE, 16, (4, 4, 4), 8))
    decoder = NanoGenerator(NanoGeneratorSpec(BASE, 16, 4, 4))
    pictures = torch.rand(200, 1, 1, 1) - 0.5 + 0.05 * torch.randn(200, 3, 32, 32)
    for net in (encoder, sam, decoder):
        net.base.fit([pictures])
    average = torch.zeros(decoder.spec.n_latent, 16)
    return TimeMachine(psp=encoder, sam=sam, latent_average=average, decoder=decoder).eval()


def test_an_out_of_domain_face_is_refused(machine):
    known = TrainingDomain("portraits", ood_threshold=1.9)
    known.require(machine, torch.full((1, 3, 32, 32), 0.2))
    outlier = torch.ones(1, 3, 32, 32)
    outlier[..., :16, :] = -1
    with pytest.raises(PictureError, match="out of the domain of these weights") as error:
        known.require(machine, outlier)
    assert error.value.status == "skipped"
    TrainingDomain("photos").require(machine, outlier)


def test_the_domain_is_read_from_facts_and_card():
    facts = {"domain": "portraits", "ood_threshold": 1.5}
    card = {"portraits": {"version": "1"}}
    known = TrainingDomain.of(Checkpoint("native", {}, facts=facts, card=card))
    assert (known.domain, known.ood_threshold) == ("portraits", 1.5)
    assert TrainingDomain.of(Checkpoint("sam", {})) == TrainingDomain("photos", None)


def test_weights_of_another_version_of_the_world_are_refused():
    card = {"portraits": {"version": "0"}}
    with pytest.raises(WeightsError, match="version 0 of the portrait world"):
        TrainingDomain.of(Checkpoint("native", {}, card=card))
