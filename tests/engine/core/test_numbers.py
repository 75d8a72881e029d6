import pytest
from pydantic import ValidationError

from engine.core.numbers import AgeWindow, Count, Real, Span
from engine.core.table import Table


class Numbers(Table):
    steps: Count = 0
    rate: Real = 0.0
    ages: Span = Span(0, 100)
    target: AgeWindow = AgeWindow(40, 2)


@pytest.mark.parametrize(
    ("key", "written", "meant"),
    [
        ("steps", "40k", 40_000),
        ("steps", "1.5M", 1_500_000),
        ("steps", "10_000", 10_000),
        ("steps", 0, 0),
        ("rate", "5e-7", 5e-7),
        ("rate", 0, 0.0),
        ("ages", "38..42", Span(38, 42)),
        ("ages", "-0.5..0.5", Span(-0.5, 0.5)),
        ("ages", [38, 42], Span(38, 42)),
        ("target", "40±2", AgeWindow(40, 2)),
        ("target", "40+-2", AgeWindow(40, 2)),
        ("target", "40 ± 0", AgeWindow(40, 0)),
        ("target", 35, AgeWindow(35, 0)),
        ("target", 0, AgeWindow(0, 0)),
    ],
)
def test_notation_means_its_number(key, written, meant):
    assert getattr(Numbers.model_validate({key: written}), key) == meant


@pytest.mark.parametrize(
    ("key", "written", "words"),
    [
        ("steps", "40x", "is not a number"),
        ("steps", "1.5", "is not a whole number"),
        ("steps", True, "not true or false"),
        ("rate", "", "is not a number"),
        ("ages", "38", "is not a range"),
        ("ages", "42..38", "ends before it begins"),
        ("ages", "a..b", "is not a number"),
        ("target", "forty", "is not an age"),
        ("target", "140", "outside 0..120"),
        ("target", "40±-2", "negative"),
        ("target", True, "not true or false"),
    ],
)
def test_nonsense_is_an_error(key, written, words):
    with pytest.raises(ValidationError, match=words):
        Numbers.model_validate({key: written})


def test_numbers_survive_a_round_trip():
    numbers = Numbers(steps=7, rate=5e-7, ages=Span(0.25, 0.6), target=AgeWindow(40, 0))
    assert Numbers.model_validate(numbers.dump()) == numbers


def test_a_window_stays_within_a_life():
    assert AgeWindow(1, 3).span == Span(0, 4)


class Plain(Table):
    side: float = 1.0
    count: int | None = None
    betas: tuple[float, float] = (0.9, 0.99)
    flag: bool | float = False


@pytest.mark.parametrize("key", ["side", "count", "betas"])
def test_true_is_no_number(key):
    """Pydantic takes it for a 1."""
    with pytest.raises(ValidationError, match="expected a (whole )?number"):
        Plain.model_validate({key: [True, 0.9] if key == "betas" else True})
    assert Plain(side=3, betas=[0, 1], flag=True).flag is True
