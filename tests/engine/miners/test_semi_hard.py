"""Semi-hard mining: age first, then the band; relaxed in a fixed order, masked beyond."""

import pytest
import torch
import torch.nn.functional as F
from pydantic import ValidationError

from engine.banks.bank import sorted_bank
from engine.core.errors import UsageError
from engine.core.numbers import Span
from engine.miners import age_index
from engine.miners.semi_hard import SemiHard, mine_reference
from engine.runtime.draws import Draws

CPU = torch.device("cpu")


def cosines(impostors, face=0):
    return sorted(
        round(float(one), 4) for one in impostors.embeddings[face][impostors.mask[face]][:, 0]
    )


@pytest.mark.parametrize("window", [None, Span(20, 60)], ids=str)
@pytest.mark.parametrize(
    "choice",
    [
        {"k": 4, "low": 0.2, "high": 0.7, "top_m": 6},
        {"k": 8, "low": 0.25, "high": 0.6, "radius": 1, "widest": 2},
        {"k": 30, "low": 0.5, "high": 0.8, "widest": 3, "floor": 0.3},
        {"k": 5, "low": 0.0, "high": 1.0, "top_m": 512, "widest": 0},
    ],
    ids=str,
)
def test_the_miner_agrees_with_its_reference(crowd, choice, window, draws):
    choice = SemiHard(**choice, ages=window)
    ages = torch.tensor([20.0, 33.3, 42.999, 43.0, 58.0, 60.0])
    anchors = F.normalize(torch.randn(6, 6, generator=torch.Generator().manual_seed(3)), dim=1)
    fast = choice.build(crowd, CPU).mine(anchors, ages, draws(6, 5))
    plain = mine_reference(crowd, choice, anchors, ages, draws(6, 5))
    torch.testing.assert_close(fast.embeddings, plain.embeddings)
    assert torch.equal(fast.mask, plain.mask)
    assert torch.equal(fast.k_effective, plain.k_effective)


def test_age_comes_before_similarity(bank_of, mined):
    """Taking the most similar of all ages first would leave nobody of 40."""
    others = [(60, 0.60 - index / 1000) for index in range(20)]
    right = [(40, 0.30 + index / 1000) for index in range(4)]
    impostors = mined(bank_of(others + right), SemiHard(k=4, top_m=8), [40.0])
    assert cosines(impostors) == [0.30, 0.301, 0.302, 0.303]
    assert float(impostors.metrics["relaxed"]) == 0


def test_k_effective_counts_the_impostors(bank_of, mined):
    impostors = mined(bank_of([(40, 0.3), (41, 0.4), (42, 0.9), (70, 0.4)]), SemiHard(k=4), [40.0])
    assert impostors.k_effective.tolist() == [2]
    assert impostors.mask.tolist() == [[True, True, False, False]]
    assert impostors.embeddings[0, 2:].eq(0).all()
    assert float(impostors.metrics["k_effective"]) == 2


def test_no_impostor_gives_an_empty_mask_and_finite_values(bank_of, mined):
    impostors = mined(bank_of([(40, 0.9), (41, -0.5)]), SemiHard(k=3), [40.0])
    assert impostors.k_effective.tolist() == [0]
    assert not impostors.mask.any()
    assert impostors.embeddings.isfinite().all()
    assert impostors.metrics["sim_mean"].isnan()


def test_the_band_is_closed_and_top_m_takes_the_most_similar(bank_of, mined):
    bank = bank_of([(40, cosine) for cosine in (0.1, 0.25, 0.375, 0.5, 0.75)])
    exact = SemiHard(k=3, low=0.25, high=0.5, floor=0.25)
    assert cosines(mined(bank, exact, [40.0])) == [0.25, 0.375, 0.5]
    hardest = SemiHard(k=2, low=0.25, high=0.5, top_m=2)
    assert cosines(mined(bank, hardest, [40.0])) == [0.375, 0.5]


def test_the_radius_counts_bins_on_each_side(bank_of, mined):
    bank = bank_of([(32, 0.3), (33, 0.31), (38, 0.32), (42.9, 0.33), (43, 0.34), (48, 0.35)])
    near = SemiHard(k=3, radius=0, widest=0, floor=0.2)
    assert cosines(mined(bank, near, [40.0])) == [0.32, 0.33]
    wide = SemiHard(k=6, radius=1, widest=0, floor=0.2)
    assert cosines(mined(bank, wide, [40.0])) == [0.31, 0.32, 0.33, 0.34]


def test_the_stages_relax_in_order():
    stages = SemiHard(low=0.25, radius=1, widest=3, relax_step=0.05, floor=0.05).stages
    assert stages == (
        (1, 0.25),
        (2, 0.25),
        (3, 0.25),
        (3, 0.20),
        (3, 0.15),
        (3, 0.10),
        (3, 0.05),
    )


def test_ages_are_widened_before_the_floor_falls(bank_of, mined):
    bank = bank_of([(40, 0.3), (40, 0.18), (45, 0.35)])
    impostors = mined(bank, SemiHard(k=2, low=0.2, widest=1), [40.0])
    assert cosines(impostors) == [0.3, 0.35]
    assert float(impostors.metrics["relaxed"]) == 1
    assert float(impostors.metrics["band_low"]) == pytest.approx(0.2)
    assert float(impostors.metrics["candidate_count"]) == 1


def test_the_floor_falls_no_further_than_needed(bank_of, mined):
    bank = bank_of([(40, 0.3), (40, 0.18), (40, 0.13), (40, 0.02)])
    impostors = mined(bank, SemiHard(k=2, low=0.2, floor=0.0), [40.0])
    assert cosines(impostors) == [0.18, 0.3]
    assert float(impostors.metrics["band_low"]) == pytest.approx(0.15)


def test_every_face_of_a_batch_is_relaxed_separately(bank_of, mined):
    bank = bank_of([(40, 0.3), (41, 0.4), (60, 0.3), (65, 0.4)])
    impostors = mined(bank, SemiHard(k=2, widest=1), [40.0, 60.0])
    assert [cosines(impostors, face) for face in (0, 1)] == [[0.3, 0.4], [0.3, 0.4]]
    assert float(impostors.metrics["relaxed"]) == 0.5


def test_bounds_of_zero_are_zero(bank_of, mined):
    bank = bank_of([(40, -0.1), (40, 0.05), (40, 0.3)])
    choice = SemiHard(k=3, low=0.0, widest=0, floor=0.0)
    assert choice.stages == ((0, 0.0),)
    assert cosines(mined(bank, choice, [40.0])) == [0.05, 0.3]
    bank = bank_of([(40, -0.1), (40, 0.05), (40, 0.3), (45, -0.2)])
    below = SemiHard(k=2, low=-1, high=0.0, floor=-1, widest=1)
    assert cosines(mined(bank, below, [40.0])) == [-0.2, -0.1]


def test_samples_differ_between_steps_and_repeat_within_one(crowd, draws):
    choice = SemiHard(k=5, low=-1, high=1, floor=-1, widest=0)
    anchors, ages = F.normalize(torch.ones(1, 6), dim=1), torch.tensor([40.0])
    miner = choice.build(crowd, CPU)
    picks = [miner.mine(anchors, ages, draws(1, step)).embeddings for step in (0, 0, 1)]
    assert torch.equal(picks[0], picks[1])
    assert not torch.equal(picks[0], picks[2])
    assert len(picks[0][0].unique(dim=0)) == 5


def test_every_face_in_the_band_has_the_same_probability(bank_of, mined):
    bank = bank_of([(40, 0.3 + index / 100) for index in range(8)])
    counts = torch.zeros(8)
    impostors = mined(bank, SemiHard(k=2, low=0.2), [40.0] * 800)
    for place in range(8):
        counts[place] = (impostors.embeddings[..., 0] - (0.3 + place / 100)).abs().lt(1e-4).sum()
    assert counts.sum() == 1600
    assert (counts - 200).abs().max() < 50


def test_samples_do_not_depend_on_how_the_batch_is_split(crowd):
    miner = SemiHard(k=3, low=-1, floor=-1).build(crowd, CPU)
    anchors = F.normalize(torch.randn(4, 6, generator=torch.Generator().manual_seed(1)), dim=1)
    ages = torch.tensor([20.0, 30, 40, 50])
    whole = miner.mine(anchors, ages, Draws(7, 3, range(4)))
    half = miner.mine(anchors[2:], ages[2:], Draws(7, 3, range(2, 4)))
    assert torch.equal(whole.embeddings[2:], half.embeddings)


def test_the_metrics_are_those_of_the_sample(bank_of, mined):
    bank = bank_of([(40, cosine) for cosine in (0.3, 0.4, 0.5, 0.6)])
    metrics = mined(bank, SemiHard(k=6, floor=0.2), [40.0]).metrics
    values = torch.tensor([0.3, 0.4, 0.5, 0.6])
    assert float(metrics["sim_mean"]) == pytest.approx(0.45)
    assert float(metrics["sim_std"]) == pytest.approx(float(values.std(correction=0)))
    for name, level in (("sim_p50", 0.5), ("sim_p75", 0.75), ("sim_p90", 0.9)):
        assert float(metrics[name]) == pytest.approx(float(values.quantile(level)))
    assert all(value.dim() == 0 for value in metrics.values())


def test_only_rows_in_reach_are_kept(crowd):
    choice = SemiHard(k=4, ages=Span(38, 42), widest=1)
    rows = choice.build(crowd, CPU).rows
    assert rows.ages.min() >= 33
    assert rows.ages.max() < 48
    assert 0 < len(rows) < len(crowd)


def test_impostors_of_other_ages_are_never_compared_however_wide_the_radius(crowd):
    choice = SemiHard(k=4, ages=Span(38, 42), impostors=Span(38, 42), widest=3)
    rows = choice.build(crowd, CPU).rows
    assert 0 < len(rows) == len(crowd.within(38, 42))
    assert (rows.ages.min() >= 38, rows.ages.max() <= 42) == (True, True)
    with pytest.raises(UsageError, match="no impostor for the ages 90..95"):
        SemiHard(k=4, impostors=Span(90, 95)).build(crowd, CPU)


def test_a_miner_has_no_gradient(crowd, draws):
    anchors = F.normalize(torch.randn(2, 6), dim=1).requires_grad_()
    impostors = SemiHard(k=4).build(crowd, CPU).mine(anchors, torch.tensor([30.0, 40.0]), draws(2))
    assert not any(
        value.requires_grad for value in (impostors.embeddings, *impostors.metrics.values())
    )


def test_autocast_changes_nothing(crowd, draws):
    miner = SemiHard(k=4).build(crowd, CPU)
    anchors, ages = F.normalize(torch.randn(2, 6), dim=1), torch.tensor([30.0, 40.0])
    plain = miner.mine(anchors, ages, draws(2))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        cast = miner.mine(anchors, ages, draws(2))
    assert torch.equal(plain.embeddings, cast.embeddings)
    assert torch.equal(plain.metrics["sim_mean"], cast.metrics["sim_mean"])


def test_a_bank_without_a_face_of_the_window_is_refused(crowd):
    with pytest.raises(UsageError, match="no impostor for the ages 100..110"):
        SemiHard(ages=Span(100, 110)).build(crowd, CPU)


@pytest.mark.parametrize(
    ("table", "fault"),
    [
        ({"low": 0.7, "high": 0.6}, "ends before it begins"),
        ({"k": 64, "top_m": 10}, "fewer than `k`, 64"),
        ({"relax_step": 0}, "greater than 0"),
        ({"k": 0}, "greater than or equal to 1"),
    ],
)
def test_invalid_settings_are_refused(table, fault):
    with pytest.raises(ValidationError, match=fault):
        SemiHard(**table)


@pytest.mark.parametrize("whole", [True, False], ids=["bins as a whole", "cells of bins"])
@pytest.mark.parametrize(
    "choice",
    [
        {"k": 4, "low": 0.2, "high": 0.7, "top_m": 6},
        {"k": 8, "low": 0.25, "high": 0.6, "radius": 1, "widest": 2, "top_m": 16},
        {"k": 30, "low": 0.5, "high": 0.8, "widest": 3, "floor": 0.3, "top_m": 40},
        {"k": 5, "low": -1.0, "high": 0.1, "top_m": 5, "widest": 0},
    ],
    ids=str,
)
def test_an_index_of_every_cell_finds_the_same_impostors(crowd, choice, whole, draws, monkeypatch):
    if not whole:
        monkeypatch.setattr(age_index, "FROM", 1)
        monkeypatch.setattr(age_index, "WHOLE", 8)
        monkeypatch.setattr(age_index, "PROBED", 1000)
    ages = torch.tensor([20.0, 33.3, 42.999, 43.0, 58.0, 60.0])
    anchors = F.normalize(torch.randn(6, 6, generator=torch.Generator().manual_seed(3)), dim=1)
    exact, indexed = (
        SemiHard(**choice, engine=engine).build(crowd, CPU).mine(anchors, ages, draws(6, 5))
        for engine in ("exact", "faiss")
    )
    assert torch.equal(exact.k_effective, indexed.k_effective)
    torch.testing.assert_close(
        exact.embeddings, indexed.embeddings, atol=0 if whole else 2e-3, rtol=0
    )


def test_cells_of_a_large_bank_find_most_of_the_most_similar():
    draw = torch.Generator().manual_seed(0)
    people = F.normalize(torch.randn(300, 32, generator=draw), dim=1)
    noise = 0.1 * torch.randn(12_000, 32, generator=draw)
    embeddings = F.normalize(people.repeat(40, 1) + noise, dim=1)
    bank = sorted_bank(embeddings, torch.full((12_000,), 40.0), (), embedder="x", digest=None)
    rows = age_index.AgeRows.of(bank, CPU, SemiHard().reach)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(age_index, "FROM", 1)
        index = age_index.AgeIndex.of(rows)
    assert index.bins[4][1] is not None
    anchors = people[:8]
    found = index.search(anchors, rows.within(torch.full((8,), 40.0), 0), 64, 1.0)
    best = (anchors @ bank.embeddings.T).topk(64, dim=1).indices
    recall = [
        len({*a} & {*b}) / 64 for a, b in zip(best.tolist(), found.places.tolist(), strict=True)
    ]
    assert sum(recall) / len(recall) > 0.9
