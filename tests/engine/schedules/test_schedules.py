import pytest
from pydantic_core import PydanticCustomError

from engine.core.errors import RecipeError
from engine.schedules import SCHEDULES, Schedule, parse_schedule

EXAMPLES = {
    "constant": 0.3,
    "steps": "0:0.05, 20k:0.07, 36k:0.05",
    "linear": {"kind": "linear", "start": 0.0, "end": 0.5, "steps": "3k"},
    "cosine": {"kind": "cosine", "start": 1e-4, "end": 5e-7, "steps": 1000},
    "warmup": {"kind": "warmup", "to": 1e-4, "steps": 500},
    "exponential": {"kind": "exponential", "start": 0.99e-4, "factor": 0.99, "steps": 939},
    "epochs": {
        "kind": "epochs",
        "steps": 30,
        "schedule": {"kind": "exponential", "start": 1.0, "factor": 0.5, "steps": 10},
    },
    "chain": {
        "kind": "chain",
        "links": [
            {"steps": 500, "schedule": {"kind": "warmup", "to": 1e-4, "steps": 500}},
            {"schedule": {"kind": "cosine", "start": 1e-4, "end": 5e-7, "steps": 59_500}},
        ],
    },
    "phases": {"warm": 0.0, "full": {"kind": "linear", "start": 0.5, "end": 1.0, "steps": 30}},
}
PHASES = [("warm", 40), ("full", 60)]


def placed(kind):
    return parse_schedule(EXAMPLES[kind]).placed(PHASES)


def test_every_kind_has_an_example():
    assert set(EXAMPLES) == set(SCHEDULES)


@pytest.mark.parametrize("kind", list(SCHEDULES))
def test_a_schedule_names_itself_and_survives_a_round_trip(kind):
    schedule = parse_schedule(EXAMPLES[kind])
    assert schedule.kind == kind
    assert parse_schedule(schedule.dump()) == schedule


@pytest.mark.parametrize("kind", list(SCHEDULES))
def test_a_schedule_is_pure_in_the_step(kind):
    schedule = placed(kind)
    forward = [schedule.at(step) for step in range(0, 2_000, 7)]
    assert forward == [schedule.at(step) for step in reversed(range(0, 2_000, 7))][::-1]


@pytest.mark.parametrize("kind", list(SCHEDULES))
def test_a_schedule_is_constant_from_its_length_on(kind):
    schedule = placed(kind)
    assert schedule.at(schedule.length) == pytest.approx(schedule.at(schedule.length + 10_000))


@pytest.mark.parametrize(
    ("step", "weight"),
    [(0, 0.05), (19_999, 0.05), (20_000, 0.07), (35_999, 0.07), (36_000, 0.05)],
)
def test_the_roi_boost_matches_the_user_s_document(step, weight):
    assert parse_schedule("0:0.05, 20k:0.07, 36k:0.05").at(step) == weight


def test_warm_up_then_cosine_meets_the_published_ends():
    rate = parse_schedule(EXAMPLES["chain"])
    assert rate.at(0) == pytest.approx(1e-4 / 500)
    assert rate.at(500) == pytest.approx(1e-4)
    assert rate.at(60_000) == pytest.approx(5e-7)


@pytest.mark.parametrize(("epoch", "share"), [(61, 0.99), (100, 0.669), (200, 0.245), (500, 0.012)])
def test_the_landscape_rate_decays_as_the_history_tells(epoch, share):
    rate = parse_schedule(EXAMPLES["exponential"])
    assert rate.at(epoch - 61) / 1e-4 == pytest.approx(share, rel=0.02)


def test_an_epoch_holds_still_and_then_moves_on():
    rate = parse_schedule(EXAMPLES["epochs"])
    assert [rate.at(step) for step in (0, 29, 30, 59, 60, 300, 9_999)] == [
        1.0, 1.0, 0.5, 0.5, 0.25, 0.5**10, 0.5**10,
    ]  # fmt: skip


def test_a_warm_up_within_a_cosine_is_the_chain_of_both():
    short = parse_schedule({"kind": "cosine", "start": 1e-4, "end": 5e-7, "warmup": 500})
    short = short.placed([("main", 60_000)])
    chain = parse_schedule(EXAMPLES["chain"])
    steps = [*range(1_000), *range(1_000, 60_002, 13)]
    assert [short.at(step) for step in steps] == [chain.at(step) for step in steps]


@pytest.mark.parametrize("kind", ["linear", "cosine", "exponential"])
def test_a_curve_without_steps_ends_with_its_phase(kind):
    written = {key: value for key, value in EXAMPLES[kind].items() if key != "steps"}
    schedule = parse_schedule(written)
    with pytest.raises(RecipeError, match="needs `steps` outside of a phase"):
        schedule.at(0)
    assert schedule.placed([("one", 300), ("two", 200)]).length == 500
    assert parse_schedule(EXAMPLES[kind]).placed([("one", 7)]) == parse_schedule(EXAMPLES[kind])


def test_a_run_cut_short_may_end_in_its_warm_up():
    rate = parse_schedule({"kind": "cosine", "start": 1, "end": 0, "warmup": 50})
    assert rate.placed([("main", 5)]).at(4) == 0.1


def test_a_schedule_by_phase_counts_from_the_first_step_of_each():
    weight = placed("phases")
    assert [weight.at(step) for step in (0, 39, 40, 55, 70, 1_000)] == [0, 0, 0.5, 0.75, 1, 1]
    alone = parse_schedule(EXAMPLES["phases"]).placed([("full", 60)])
    assert (alone.at(0), alone.at(30)) == (0.5, 1.0)


def test_a_phase_without_a_value_is_a_fault():
    with pytest.raises(PydanticCustomError, match="no value for the phase `ful`, only for `warm`"):
        parse_schedule(EXAMPLES["phases"]).placed([("ful", 60)])


def test_the_last_link_of_a_chain_ends_with_its_phase():
    chain = parse_schedule(
        {
            "kind": "chain",
            "links": [
                {"steps": 40, "schedule": 1.0},
                {"schedule": {"kind": "linear", "start": 1, "end": 0}},
            ],
        }
    ).placed([("main", 60)])
    assert [chain.at(step) for step in (39, 40, 50, 60)] == [1, 1, 0.5, 0]


def test_zero_is_a_value():
    assert parse_schedule(0).at(0) == 0.0


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("0:0.05, 20k", "is not a schedule"),
        ("0:0.05, x:1", "is not a schedule"),
        ("5:0.05", "must start at step 0"),
        ("0:1, 5:2, 5:3", "must start at step 0 and rise"),
        (True, "not true or false"),
        ({"kind": "stepz"}, "did you mean `steps`"),
        ({"kind": "linear", "start": 0, "end": 1, "steps": 0}, "greater than 0"),
        ({"kind": "chain", "links": []}, "at least one link"),
        ({"kind": "chain", "links": [{"schedule": 1}, {"schedule": 2}]}, "every link but the last"),
        ([1, 2], "expected a table"),
    ],
)
def test_a_faulty_schedule_is_refused(written, words):
    with pytest.raises(RecipeError, match=words):
        parse_schedule(written)


def test_a_schedule_cannot_be_built_without_its_function():
    with pytest.raises(TypeError, match="abstract"):
        Schedule(kind="x")
