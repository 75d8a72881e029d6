"""What a bank lacks, for the recipes that would use it."""

import pytest
import torch

from engine.app.bank import shipped_needs
from engine.banks.bank import sorted_bank
from engine.banks.coverage import MinerNeed, coverage_warnings, empty_bins
from engine.core.numbers import Span


def bank_of(*ages):
    rows = torch.eye(len(ages))
    return sorted_bank(rows, torch.tensor(ages, dtype=torch.float32), (), embedder="x", digest=None)


@pytest.mark.parametrize(
    ("ages", "empty"),
    [
        ((20, 37, 53, 70), ["23-32", "38-52", "58-67"]),
        ((18, 22, 27, 30), []),
        ((40,), []),
        ((20, 30), ["23-27"]),
    ],
)
def test_empty_bins_are_named_and_neighbours_joined(ages, empty):
    assert empty_bins(bank_of(*ages)) == empty


def test_a_recipe_is_named_whose_window_holds_too_few():
    bank = bank_of(38, 40, 42, 44)
    needs = [
        MinerNeed("a/few", "x", Span(38, 42), 4),
        MinerNeed("a/enough", "x", Span(38, 42), 3),
        MinerNeed("a/other", "y", Span(38, 42), 48),
        MinerNeed("a/any", "x", None, 48),
    ]
    (warning,) = coverage_warnings(bank, needs)
    assert (
        "`a/few` takes 4 impostors of 38..42 years for each face, and the bank holds 3" in warning
    )


def test_the_shipped_recipes_name_what_they_need():
    needs = {need.recipe: need for need in shipped_needs()}
    assert needs["mytm/stage1"] == MinerNeed("mytm/stage1", "ir-se50", Span(35, 45), 48)
    assert needs["nano/oneshot_40"].embedder == "nano-identity"
