"""Banks whose ages and cosines are known, and draws for a batch."""

import math

import pytest
import torch
import torch.nn.functional as F

from engine.banks.bank import sorted_bank
from engine.runtime.draws import Draws

WIDTH = 6


@pytest.fixture
def bank_of():
    """Make a bank of (age, cosine to the first axis); no two rows are equal."""

    def make(rows):
        embeddings = torch.zeros(len(rows), 1 + len(rows))
        for place, (_, cosine) in enumerate(rows):
            embeddings[place, 0] = cosine
            embeddings[place, 1 + place] = math.sqrt(1 - cosine**2)
        ages = torch.tensor([float(age) for age, _ in rows])
        return sorted_bank(embeddings, ages, (), embedder="x", digest=None)

    return make


@pytest.fixture
def draws():
    """Make the draws of a batch at a step."""
    return lambda count, step=0: Draws(7, step, range(count))


@pytest.fixture
def mined(draws):
    """Mine for embeddings that are all the first axis."""

    def mine(bank, choice, ages, step=0):
        anchors = F.one_hot(torch.zeros(len(ages), dtype=torch.long), bank.width).float()
        miner = choice.build(bank, torch.device("cpu"))
        return miner.mine(anchors, torch.tensor(ages), draws(len(ages), step))

    return mine


@pytest.fixture
def crowd():
    """300 faces of the ages 15 to 75, their cosines spread."""
    draw = torch.Generator().manual_seed(0)
    embeddings = F.normalize(torch.randn(300, WIDTH, generator=draw), dim=1)
    ages = 15 + 60 * torch.rand(300, generator=draw)
    return sorted_bank(embeddings, ages, (), embedder="x", digest=None)
