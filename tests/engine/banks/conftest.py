"""Small identity networks, and folders of aligned pictures."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from engine.banks.bank import sorted_bank
from engine.images.saving import save_png
from engine.nets.loading import frozen
from engine.nets.nano.identity import IdentitySpec, NanoIdentity
from engine.nets.protocols import NanoIdentityNetwork, weights_digest

CPU = torch.device("cpu")


def nano(seed=0):
    """A tiny nano identity network, another one for another seed."""
    torch.manual_seed(seed)
    net = frozen(NanoIdentity(IdentitySpec(size=16, embedding=8, widths=(4, 6))))
    return NanoIdentityNetwork(net, weights_digest(net.state_dict()))


@pytest.fixture
def identity_net():
    return nano()


@pytest.fixture
def other():
    return nano(seed=1)


@pytest.fixture
def faces(tmp_path):
    """Six aligned pictures named by age."""
    draw = np.random.default_rng(0)
    for index, age in enumerate((40, 21, 22, 23, 19, 60)):
        pixels = draw.integers(0, 256, (32, 32, 3), dtype=np.uint8)
        save_png(tmp_path / "faces" / f"{age}_{index}.png", pixels, {})
    return tmp_path / "faces"


@pytest.fixture
def bank():
    """40 faces of the ages 18 to 57, unsorted, of width 8."""
    draw = torch.Generator().manual_seed(0)
    embeddings = F.normalize(torch.randn(40, 8, generator=draw), dim=1)
    ages = 18 + torch.randperm(40, generator=draw).float()
    names = tuple(f"{int(age)}.png" for age in ages)
    return sorted_bank(embeddings, ages, names, embedder="nano-identity", digest="d" * 16)
