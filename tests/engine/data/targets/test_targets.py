"""Samplers of target ages: support, shares and determinism."""

import pytest
import torch
from pydantic import TypeAdapter

from engine.core.numbers import AgeWindow, Span
from engine.data.targets.age_curriculum import AgeCurriculum
from engine.data.targets.base import TARGETS, TargetChoice
from engine.data.targets.fixed import Fixed
from engine.data.targets.uniform import Uniform
from engine.runtime.draws import Draws

MANY = 4000
KNOWN = Span(20.3, 49.8)
EXAMPLES = {
    "curriculum": {"beyond": {"kind": "linear", "start": 0, "end": 0.5, "steps": 100}},
    "fixed": {"age": "40±2", "same": 0},
    "uniform": {"ages": "0..100"},
}
CHOICE = TypeAdapter(TargetChoice)


def sample(choice, *, step=7, count=MANY, known=KNOWN, source=None):
    source = torch.full((count,), 33.0) if source is None else source
    draws = Draws(seed=5, step=step, positions=range(len(source)))
    return choice.sample(source, draws, step=step, known=known)


def years(targets):
    return {int(age) for age in targets.ages.tolist() if age == int(age)}


def test_every_kind_has_an_example():
    assert set(EXAMPLES) == set(TARGETS)


@pytest.mark.parametrize("kind", list(TARGETS))
def test_a_choice_survives_a_round_trip(kind):
    choice = CHOICE.validate_python({"kind": kind, **EXAMPLES[kind]})
    assert CHOICE.validate_python(choice.dump()) == choice


@pytest.mark.parametrize("kind", list(TARGETS))
def test_a_choice_is_pure_in_the_draws_and_made_sample_by_sample(kind):
    choice = CHOICE.validate_python({"kind": kind, **EXAMPLES[kind]})
    whole = sample(choice, count=64)
    assert torch.equal(sample(choice, count=64).ages, whole.ages)
    assert not torch.equal(sample(choice, count=64, step=8).ages, whole.ages)
    late = choice.sample(
        torch.full((32,), 33.0),
        Draws(seed=5, step=7, positions=range(32, 64)),
        step=7,
        known=KNOWN,
    )
    assert torch.equal(late.ages, whole.ages[32:])
    assert len(whole.ages.unique()) > 1


@pytest.mark.parametrize("kind", list(TARGETS))
def test_a_share_of_the_samples_keeps_its_age(kind):
    choice = CHOICE.validate_python({"kind": kind, **EXAMPLES[kind], "same": 1 / 3})
    source = torch.linspace(38.1, 41.9, MANY)
    targets = sample(choice, source=source)
    assert targets.same.float().mean() == pytest.approx(1 / 3, abs=0.03)
    assert torch.equal(targets.ages[targets.same], source[targets.same])


@pytest.mark.parametrize("kind", list(TARGETS))
def test_a_share_of_zero_or_one_is_exact(kind):
    source = torch.full((MANY,), 40.0)
    for share, kept in ((0, 0), (1, MANY)):
        choice = CHOICE.validate_python({"kind": kind, **EXAMPLES[kind], "same": share})
        assert sample(choice, source=source).same.sum() == kept


def test_the_third_is_the_default():
    assert Uniform().same == pytest.approx(1 / 3)


def test_uniform_ages_are_all_whole_years_of_the_range_both_ends_included():
    targets = sample(Uniform(ages=Span(30, 34), same=0))
    assert sorted(years(targets)) == [30, 31, 32, 33, 34]
    counts = targets.ages.unique(return_counts=True)[1]
    assert counts.min() > MANY / 5 * 0.85
    assert sorted(years(sample(Uniform(ages=Span(29.2, 31.9), same=0)))) == [30, 31]


@pytest.mark.parametrize(
    ("window", "support"),
    [
        ("40±2", [38, 39, 40, 41, 42]),
        ("40", [40]),
        ("40±1.5", [39, 40, 41]),
        ("1±2", [0, 1, 2, 3]),
        ("119±3", [116, 117, 118, 119, 120]),
        ("37.5±1", [36.5, 37.5, 38.5]),
    ],
)
def test_a_fixed_age_has_the_support_of_its_window(window, support):
    targets = sample(Fixed(age=AgeWindow.parse(window), same=0))
    assert targets.ages.unique().tolist() == support


def test_a_fixed_age_is_locked_whatever_the_photos_the_share_and_the_step():
    choice = Fixed(age=AgeWindow(40, 2), same=0.9)
    source = torch.linspace(20, 60, 401)
    for step in range(0, 60_000, 5_000):
        targets = sample(choice, step=step, source=source)
        assert targets.ages.min() >= 38
        assert targets.ages.max() <= 42
        assert targets.same.any()
        assert source[targets.same].min() >= 38
        assert source[targets.same].max() <= 42


def test_a_photo_at_the_edge_of_the_window_may_keep_its_age():
    choice = Fixed(age=AgeWindow(40, 2), same=1)
    targets = sample(choice, source=torch.tensor([37.9, 38.0, 42.0, 42.1]))
    assert targets.same.tolist() == [False, True, True, False]


def test_the_curriculum_begins_within_the_person_s_ages():
    choice = AgeCurriculum(beyond=0, same=0)
    assert sorted(years(sample(choice))) == list(range(21, 50))


def test_the_curriculum_goes_beyond_them_on_both_sides():
    targets = sample(AgeCurriculum(beyond=1, same=0, ages=Span(10, 60)))
    assert sorted(years(targets)) == [*range(10, 21), *range(50, 61)]
    assert (targets.ages > 35).float().mean() == pytest.approx(0.5, abs=0.03)


def test_ages_of_the_person_that_are_whole_years_are_within():
    known = Span(20, 50)
    inner = sample(AgeCurriculum(beyond=0, same=0), known=known)
    outer = sample(AgeCurriculum(beyond=1, same=0, ages=Span(18, 52)), known=known)
    assert sorted(years(inner)) == list(range(20, 51))
    assert sorted(years(outer)) == [18, 19, 51, 52]


@pytest.mark.parametrize(("step", "share"), [(0, 0.0), (50, 0.25), (100, 0.5), (999, 0.5)])
def test_the_share_beyond_follows_its_schedule(step, share):
    beyond = {"kind": "linear", "start": 0, "end": 0.5, "steps": 100}
    targets = sample(AgeCurriculum(beyond=beyond, same=0), step=step)
    outside = (targets.ages < KNOWN.low) | (targets.ages > KNOWN.high)
    assert outside.float().mean() == pytest.approx(share, abs=0.03)
    assert (targets.ages > KNOWN.high).float().mean() == pytest.approx(share / 2, abs=0.03)


def test_the_default_curriculum_is_the_published_one():
    beyond = AgeCurriculum().beyond
    assert [beyond.at(step) for step in (0, 2_999, 3_000, 60_000)] == [0, 0, 0, 0.5]
    assert beyond.at(31_500) == pytest.approx(0.25)


@pytest.mark.parametrize(
    ("known", "support"),
    [
        (Span(0, 50), range(51, 101)),  # a naive sampler raises here
        (Span(20, 110), range(20)),
        (Span(0, 100), range(101)),  # nothing is beyond
    ],
)
def test_a_side_without_room_is_left_out(known, support):
    targets = sample(AgeCurriculum(beyond=1, same=0), known=known)
    assert sorted(years(targets)) == list(support)


def test_a_person_without_a_whole_year_has_the_years_around():
    targets = sample(AgeCurriculum(beyond=0, same=0, ages=Span(38, 42)), known=Span(40.2, 40.6))
    assert sorted(years(targets)) == [38, 39, 40, 41, 42]


def test_a_range_without_a_whole_year_is_refused():
    with pytest.raises(ValueError, match="no whole year in 40.2..40.6"):
        Uniform(ages=Span(40.2, 40.6))
