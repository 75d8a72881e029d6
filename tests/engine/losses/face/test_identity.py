"""Losses on embeddings against values worked out by hand."""

import math
from dataclasses import replace

import pytest
import torch

from engine.losses.face.age_gap import age_gap_weight
from engine.losses.face.context import References
from engine.losses.face.contrastive_id import ContrastiveId
from engine.losses.face.identity import Identity
from engine.losses.face.identity_margin import IdentityMargin
from engine.losses.face.nearest import around
from engine.losses.face.nearest_id import NearestId
from engine.losses.face.target_id import TargetId

SIXTY = (0.5, math.sqrt(0.75))  # at 60 degrees of (1, 0)


@pytest.fixture
def pass_of(make, legible, written):
    """Loss inputs with given embeddings of the output and of the photo."""

    def build(output, photo=None, *, context=(), **changes):
        photo = output if photo is None else photo
        inputs = make(target_age=changes.pop("target_age", torch.full((len(output),), 40.0)))
        networks = replace(inputs.context, identity=legible, **dict(context))
        some = {
            "source_age": inputs.target_age,
            "same_age": torch.zeros(len(output), dtype=torch.bool),
            **changes,
        }
        return replace(
            inputs, source=written(photo), output=written(output), context=networks, memo={}, **some
        )

    return build


@pytest.mark.parametrize(("years", "weight"), [(0, 1.0), (50, 0.75), (100, 0.5), (120, 0.5)])
def test_the_weight_falls_with_the_age_gap(years, weight):
    ages = torch.tensor([0.0, 120.0])
    there = age_gap_weight(ages, torch.tensor([float(years), 120.0 - years]))
    torch.testing.assert_close(there, torch.full((2,), weight))


def test_identity_is_weighted_by_age_gap_per_sample(pass_of, unit_rows):
    inputs = pass_of(
        unit_rows(SIXTY, SIXTY),
        unit_rows([1], [1]),
        source_age=torch.tensor([20.0, 20.0]),
        target_age=torch.tensor([20.0, 70.0]),
    )
    value, metrics = Identity(weight=1).value(inputs)
    assert value == pytest.approx((0.5 * 1 + 0.5 * 0.75) / 2)
    assert metrics["cosine"] == pytest.approx(0.5)
    assert Identity(weight=1, age_weighted=False).value(inputs)[0] == pytest.approx(0.5)


def test_the_margin_loss_is_0_beyond_the_margin(pass_of, unit_rows):
    inputs = pass_of(unit_rows(SIXTY, [1]), unit_rows([1], [1]))
    value, metrics = IdentityMargin(weight=1, margin=0.88).value(inputs)
    assert value == pytest.approx((0.88 - 0.5) / 2)
    assert metrics["within"] == 0.5


def test_a_margin_of_zero_is_zero(pass_of, unit_rows):
    inputs = pass_of(unit_rows(SIXTY), unit_rows([1]))
    assert IdentityMargin(weight=1, margin=0).value(inputs)[0] == 0


def test_nearest_id_compares_with_the_most_similar_photo_around_the_age(pass_of, unit_rows):
    photos = References(unit_rows([0, 1], SIXTY, [1]), torch.tensor([38.0, 42.0, 60.0]))
    inputs = pass_of(unit_rows([1]), context={"references": photos})
    assert NearestId(weight=1, radius=4).value(inputs)[0] == pytest.approx(0.5)
    assert NearestId(weight=1, radius=3).value(inputs)[0] == pytest.approx(1.0)


def test_nearest_id_masks_targets_beyond_the_persons_ages(pass_of, unit_rows):
    photos = References(unit_rows([0, 1], SIXTY), torch.tensor([20.0, 50.0]))
    targets = torch.tensor([20.0, 50.0, 19.0, 51.0])
    rows = unit_rows([1], [1], [1], [1])
    value, metrics = NearestId(weight=1).value(
        pass_of(rows, context={"references": photos}, target_age=targets)
    )
    assert metrics["share"] == 0.5
    assert value == pytest.approx((1 + 0.5) / 4)


def test_the_photo_itself_is_no_reference_for_its_output(pass_of, unit_rows, given_miner):
    photos = References(unit_rows([1], SIXTY), torch.tensor([40.0, 41.0]))
    rows, source = unit_rows([1], [1]), torch.tensor([0, 1])
    context = {"references": photos, "miner": given_miner(unit_rows((0, 1), (0, 1)))}
    inputs = replace(pass_of(rows, context=context), photo=source)
    assert NearestId(weight=1).value(inputs)[0] == pytest.approx((0.5 + 0) / 2)
    assert ContrastiveId(weight=1).value(inputs)[1]["positive"] == pytest.approx((0.5 + 1) / 2)
    alone = References(unit_rows([1]), torch.tensor([40.0]))  # there is no other
    inputs = pass_of(unit_rows([1]), context={"references": alone})
    inputs = replace(inputs, photo=torch.tensor([0]))
    assert NearestId(weight=1).value(inputs)[0] == pytest.approx(0, abs=1e-6)


def test_nearest_id_masks_samples_that_keep_their_age(pass_of, unit_rows):
    photos = References(unit_rows([0, 1]), torch.tensor([40.0]))
    kept = torch.tensor([True, False])
    inputs = pass_of(unit_rows([1], [1]), context={"references": photos}, same_age=kept)
    assert NearestId(weight=1).value(inputs)[1]["share"] == 0.5


def test_three_years_apart_is_three_years_apart_for_every_pair():
    # Ages that were shares of a century once: |0.32 - 0.29| > 0.03 in floats, where only 45 of 98
    # such pairs are found, and 0.29 * 100 is below 29.
    years = torch.arange(101) - 2e-6 * torch.arange(101)
    assert years[29] < 29
    photos = References(torch.ones(101, 1), years)
    close = around(photos, years, 3)
    whole = torch.arange(101)
    assert torch.equal(photos.years, whole)
    assert torch.equal(close, (whole - whole[:, None]).abs() <= 3)


def test_a_target_that_missed_the_oldest_photo_by_a_float_is_covered(pass_of, unit_rows):
    photos = References(unit_rows([0, 1], [1]), torch.tensor([20.0, 29.0]))
    past = torch.tensor([29.0]) + 2e-6
    assert past > 29
    inputs = pass_of(unit_rows([1]), context={"references": photos}, target_age=past)
    assert NearestId(weight=1).value(inputs)[0] == pytest.approx(0.0, abs=1e-6)


def test_without_a_photo_in_reach_the_nearest_year_is_the_reference():
    photos = References(torch.ones(3, 1), torch.tensor([20.0, 22.0, 60.0]))
    assert around(photos, torch.tensor([35.0, 41.5]), 1).tolist() == [
        [False, True, False],
        [False, False, True],
    ]


def test_references_embed_unflipped_photos(context):
    torch.manual_seed(0)
    photos = torch.rand(11, 3, 32, 32) * 2 - 1
    references = References.of(context.identity, photos, torch.arange(20, 31))
    torch.testing.assert_close(references.embeddings, context.identity.embed(photos))
    assert not torch.allclose(
        references.embeddings, context.identity.embed(photos.flip(3)), atol=1e-3
    )
    assert references.digest == context.identity.digest
    assert not references.embeddings.requires_grad


def test_repulsion_only_is_log_sum_exp_over_the_impostors(pass_of, unit_rows, given_miner):
    k, tau = 48, 0.12
    miner = given_miner(unit_rows(*[(0.27, math.sqrt(1 - 0.27**2))] * k))
    inputs = pass_of(unit_rows([1]), context={"miner": miner, "references": None})
    value, metrics = ContrastiveId(weight=1, temperature=tau, repulsion_only=True).value(inputs)
    assert value == pytest.approx(math.log(k) + 0.27 / tau, rel=1e-5)
    assert value == pytest.approx(6.12, abs=0.005)
    assert metrics["miner/k_effective"] == k


@pytest.mark.parametrize("margin", [0.0, 0.2])
def test_contrastive_id_is_info_nce_with_the_nearest_photo_as_the_positive(
    pass_of, unit_rows, given_miner, margin
):
    miner = given_miner(unit_rows(SIXTY, SIXTY, SIXTY))
    photos = References(unit_rows([0.8, 0.6], [0, 1]), torch.tensor([40.0, 41.0]))
    inputs = pass_of(unit_rows([1]), context={"miner": miner, "references": photos})
    own, other = math.exp((0.8 - margin) / 0.1), 3 * math.exp(0.5 / 0.1)
    value, metrics = ContrastiveId(weight=1, temperature=0.1, margin=margin).value(inputs)
    assert value == pytest.approx(-math.log(own / (own + other)), rel=1e-5)
    assert metrics["positive"] == pytest.approx(0.8)


def test_contrastive_id_moves_towards_the_person_and_away_from_impostors(
    pass_of, unit_rows, given_miner
):
    miner = given_miner(unit_rows([0, 0, 1]))
    photos = References(unit_rows([0, 1]), torch.tensor([40.0]))
    inputs = pass_of(unit_rows([1, 0.1, 0.1]), context={"miner": miner, "references": photos})
    inputs.output.requires_grad_()
    ContrastiveId(weight=1).value(inputs)[0].backward()
    slope = inputs.output.grad[0, 0, 0]
    assert slope[1] < 0 < slope[2]


def test_contrastive_id_ignores_masked_impostors(pass_of, unit_rows, given_miner):
    photos = References(unit_rows([0.8, 0.6]), torch.tensor([40.0]))
    impostors = unit_rows(SIXTY, SIXTY, SIXTY)
    few = given_miner(impostors, counts=torch.tensor([1]))
    one = given_miner(impostors[:1])
    values = [
        ContrastiveId(weight=1)
        .value(pass_of(unit_rows([1]), context={"miner": miner, "references": photos}))[0]
        .item()
        for miner in (few, one)
    ]
    assert values[0] == pytest.approx(values[1])


@pytest.mark.parametrize("repulsion_only", [False, True])
def test_a_sample_without_impostors_does_not_count(pass_of, unit_rows, given_miner, repulsion_only):
    photos = References(unit_rows([0.8, 0.6]), torch.tensor([40.0]))
    impostors = unit_rows(SIXTY, SIXTY)
    loss = ContrastiveId(weight=1, repulsion_only=repulsion_only)

    def value(*counts):
        miner = given_miner(impostors, counts=torch.tensor(counts))
        output = unit_rows(*[[1]] * len(counts))
        return loss.value(pass_of(output, context={"miner": miner, "references": photos}))

    assert value(2, 0)[0] == pytest.approx(value(2)[0].item() / 2)
    assert value(2, 0)[1]["share"] == 0.5
    assert value(0) is None


@pytest.mark.parametrize(
    ("bounds", "targets"),
    [
        ({}, [0, 34, 35, 45, 46, 100]),
        ({"youngest": 35}, [35, 45, 46, 100]),
        ({"oldest": 45}, [0, 34, 35, 45]),
        ({"youngest": 35, "oldest": 45}, [35, 45]),
        ({"youngest": 0, "oldest": 0}, [0]),
        ({"oldest": 0}, [0]),
        ({"youngest": 0}, [0, 34, 35, 45, 46, 100]),
    ],
)
def test_the_age_range_masks_by_target_age(make, bounds, targets):
    ages = torch.tensor([0.0, 34.0, 35.0, 45.0, 46.0, 100.0])
    loss = ContrastiveId(weight=1, **bounds)
    inputs = make(target_age=ages, same_age=torch.zeros(6, dtype=torch.bool))
    assert ages[loss.mask(inputs)].tolist() == targets


def test_the_age_range_is_in_whole_years(make):
    ages = torch.tensor([34.4, 34.6, 45.4, 45.6])
    inputs = make(target_age=ages)
    applies = ContrastiveId(weight=1, youngest=35, oldest=45).mask(inputs)
    assert applies.tolist() == [False, True, True, False]


def test_an_age_range_does_not_end_before_it_begins():
    with pytest.raises(ValueError, match="`youngest` is older than `oldest`"):
        ContrastiveId(weight=1, youngest=45, oldest=35)


def test_target_id_compares_with_the_prototype_of_the_nearest_age(pass_of, unit_rows, context):
    faces = replace(
        context.prototypes,
        embeddings=unit_rows([0, 1], SIXTY),
        ages=torch.tensor([38.0, 41.0]),
    )
    inputs = pass_of(
        unit_rows([1], [1], [1]),
        context={"prototypes": faces},
        target_age=torch.tensor([38.0, 42.0, 55.0]),
    )
    value, metrics = TargetId(weight=1).value(inputs)
    assert value == pytest.approx((1 + 0.5) / 3)
    assert metrics["share"] == pytest.approx(2 / 3)


def test_cosines_keep_their_precision_under_autocast(pass_of, unit_rows, given_miner):
    photos = References(unit_rows((0.123456, 0.9)), torch.tensor([40.0]))
    miner = given_miner(unit_rows((0.7, 0.31), (0.2, 0.31)))
    context = {"references": photos, "miner": miner}
    exact = [
        loss.value(pass_of(unit_rows((1, 0.3)), context=context))[0]
        for loss in (NearestId(weight=1), ContrastiveId(weight=1))
    ]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        quick = [
            loss.value(pass_of(unit_rows((1, 0.3)), context=context))[0]
            for loss in (NearestId(weight=1), ContrastiveId(weight=1))
        ]
    assert exact == quick
