"""Miners in recipes: every registered one builds and mines; profiles; zeros stay."""

import pytest
import torch
import torch.nn.functional as F
from pydantic import TypeAdapter, ValidationError
from torch._subclasses.fake_tensor import DataDependentOutputException, FakeTensorMode

from engine.core.table import Table
from engine.miners.base import MINERS, MinerValue
from engine.miners.profiles import PROFILES
from engine.miners.semi_hard import SemiHard

CPU = torch.device("cpu")
CHOICE = TypeAdapter(MinerValue)


class Recipe(Table):
    miner: MinerValue


@pytest.mark.parametrize("kind", list(MINERS))
def test_every_miner_pads_and_masks(kind, crowd, draws):
    miner = CHOICE.validate_python({"kind": kind, "k": 5}).build(crowd, CPU)
    anchors = F.normalize(torch.randn(3, 6, generator=torch.Generator().manual_seed(0)), dim=1)
    impostors = miner.mine(anchors, torch.tensor([20.0, 40.0, 200.0]), draws(3))
    assert impostors.embeddings.shape == (3, 5, 6)
    assert impostors.mask.shape == (3, 5)
    assert torch.equal(impostors.mask.sum(dim=1), impostors.k_effective)
    assert impostors.k_effective.tolist()[2] == 0
    lengths = impostors.embeddings.norm(dim=2)
    torch.testing.assert_close(lengths, impostors.mask.float())
    assert torch.equal(
        impostors.mask, impostors.mask.sort(dim=1, descending=True, stable=True).values
    )
    assert {
        "candidate_count",
        "sim_mean",
        "sim_std",
        "sim_p50",
        "sim_p75",
        "sim_p90",
        "k_effective",
        "relaxed",
    } <= set(impostors.metrics)


@pytest.mark.parametrize("kind", list(MINERS))
def test_no_miner_reads_a_value_on_the_host(kind, crowd, draws):
    """Fake tensors have no values: reading one raises."""
    with FakeTensorMode(allow_non_fake_inputs=True) as fake:
        with pytest.raises(DataDependentOutputException):
            bool(fake.from_tensor(torch.ones(1)).sum() > 0)
        miner = CHOICE.validate_python({"kind": kind, "k": 5}).build(crowd, CPU)
        anchors, ages = (fake.from_tensor(torch.ones(shape)) for shape in ((3, 6), (3,)))
        impostors = miner.mine(anchors, ages, draws(3))
    assert impostors.embeddings.shape == (3, 5, 6)


@pytest.mark.parametrize("kind", list(MINERS))
def test_every_miner_survives_a_round_trip(kind):
    recipe = Recipe.model_validate({"miner": {"kind": kind, "k": 7, "ages": "38..42"}})
    assert Recipe.model_validate(recipe.dump()) == recipe


@pytest.mark.parametrize(
    ("name", "k", "low", "high", "top_m", "temperature"),
    [
        ("baseline", 64, 0.20, 0.70, 512, 0.07),
        ("soft", 48, 0.25, 0.65, 512, 0.07),
        ("soft-0.60", 48, 0.25, 0.60, 768, 0.12),
        ("soft32", 32, 0.25, 0.65, 512, 0.07),
    ],
)
def test_profiles(name, k, low, high, top_m, temperature):
    choice = CHOICE.validate_python(name)
    assert choice == SemiHard(k=k, low=low, high=high, top_m=top_m)
    assert PROFILES[name].temperature == temperature


def test_keys_beside_a_profile_override_it_zero_included():
    choice = CHOICE.validate_python({"profile": "soft", "low": 0.0, "radius": 0, "k": 8})
    assert choice == SemiHard(k=8, low=0.0, high=0.65, radius=0)


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        ("softer", "unknown miner profile `softer`, known: baseline, soft"),
        ({"kind": "semihard"}, "did you mean `semi_hard`?"),
        ({"profile": "soft", "hihg": 0.5}, "did you mean `high`?"),
    ],
)
def test_a_typo_gets_a_suggestion(value, fault):
    with pytest.raises(ValidationError, match=fault):
        CHOICE.validate_python(value)
