"""A model is told what it knows, and refuses the rest."""

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
    seen = torch.rand(200, 1, 1, 1) - 0.5 + 0.05 * torch.randn(200, 3, 32, 32)
    for net in (encoder, sam, decoder):
        net.base.fit([seen])
    average = torch.zeros(decoder.spec.n_latent, 16)
    return TimeMachine(psp=encoder, sam=sam, latent_average=average, decoder=decoder).eval()


def test_what_is_familiar_passes_and_what_is_not_is_told(machine):
    known = TrainingDomain("portraits", ood_threshold=1.9)
    known.require(machine, torch.full((1, 3, 32, 32), 0.2))
    strange = torch.ones(1, 3, 32, 32)
    strange[..., :16, :] = -1
    with pytest.raises(PictureError, match="outside what these weights know") as told:
        known.require(machine, strange)
    assert told.value.status == "skipped"
    TrainingDomain("photos").require(machine, strange)


def test_the_facts_and_the_card_of_a_file_say_what_it_knows():
    facts = {"domain": "portraits", "ood_threshold": 1.5}
    card = {"portraits": {"version": "1"}}
    known = TrainingDomain.of(Checkpoint("native", {}, facts=facts, card=card))
    assert (known.domain, known.ood_threshold) == ("portraits", 1.5)
    assert TrainingDomain.of(Checkpoint("sam", {})) == TrainingDomain("photos", None)


def test_weights_of_another_look_of_the_world_are_refused():
    card = {"portraits": {"version": "0"}}
    with pytest.raises(WeightsError, match="version 0 of the portrait world"):
        TrainingDomain.of(Checkpoint("native", {}, card=card))
