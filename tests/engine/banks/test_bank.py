"""A bank is sorted by age, has the published bins, and belongs to one network."""

from dataclasses import replace

import pytest
import torch

from engine.banks.bank import Bank, sorted_bank
from engine.core.errors import WeightsError


def test_rows_ages_and_sources_are_sorted_together(bank):
    assert bank.ages.tolist() == sorted(bank.ages.tolist())
    assert [float(name.split(".")[0]) for name in bank.sources] == bank.ages.tolist()


def test_bins_are_those_of_the_published_banks():
    ages = torch.tensor([18.0, 22.9, 23.0, 78.0, 82.9, 17.0, 2.0])
    bank = sorted_bank(torch.eye(7), ages, (), embedder="x", digest=None)
    bins = {name: bank.ages[rows.start : rows.stop].tolist() for name, rows in bank.bins().items()}
    assert bins == {
        "0-2": [2.0],
        "13-17": [17.0],
        "18-22": [18.0, pytest.approx(22.9)],
        "23-27": [23.0],
        "78-82": [78.0, pytest.approx(82.9)],
    }


def test_a_range_of_ages_is_closed_on_both_sides(bank):
    rows = bank.within(20, 22)
    assert bank.ages[rows.start : rows.stop].tolist() == [20, 21, 22]
    assert list(bank.within(200, 300)) == []
    assert list(bank.within(22, 20)) == []


def test_the_network_that_built_it_is_accepted(bank, identity_net):
    replace(bank, digest=identity_net.digest).require(identity_net)


def test_another_network_is_refused_and_both_are_named(bank, identity_net):
    with pytest.raises(WeightsError, match="dddddddddddddddd") as caught:
        bank.require(identity_net)
    assert identity_net.digest in str(caught.value)
    named = replace(bank, embedder="ir-se50", digest=identity_net.digest)
    with pytest.raises(WeightsError, match="`ir-se50`.*`nano-identity`"):
        named.require(identity_net)


def test_a_published_bank_is_checked_by_name_and_width(bank, identity_net):
    replace(bank, digest=None).require(identity_net)
    wide = Bank(torch.eye(9), torch.arange(9.0), (), "nano-identity", None)
    with pytest.raises(WeightsError, match="have 9 numbers.*8"):
        wide.require(identity_net)


@pytest.mark.parametrize(
    ("embeddings", "ages", "sources", "size", "fault"),
    [
        (torch.eye(3), torch.tensor([3.0, 2.0, 4.0]), (), 5, "sorted by age"),
        (torch.eye(3), torch.arange(2.0), (), 5, "embeddings and ages"),
        (torch.eye(3), torch.arange(3.0), ("a",), 5, "1 sources do not go with 3 rows"),
        (torch.eye(3), torch.arange(3.0), (), 0, "at least a year"),
    ],
)
def test_inconsistent_banks_are_refused(embeddings, ages, sources, size, fault):
    with pytest.raises(ValueError, match=fault):
        Bank(embeddings, ages, sources, "x", None, size)
