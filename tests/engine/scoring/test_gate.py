import pytest

from engine.core.errors import UsageError
from engine.scoring.gate import GateError, check_gates, parse_gates

REPORT = {
    "ways": ["prior", "own"],
    "subject": None,
    "prior": {"identity": 0.4, "age_mae": 5.0, "null": {}},
    "own": {"identity": 0.7, "age_mae": None, "null": {"age_mae": "no judge"}},
}


def test_a_kept_gate_says_nothing():
    check_gates(parse_gates("own.identity>=0.7, prior.age_mae <= 5"), REPORT)


def test_a_shut_gate_tells_every_figure_outside_its_limit():
    with pytest.raises(GateError, match="prior has 0.4") as told:
        check_gates(parse_gates("prior.identity>=0.6,own.identity<0.5,prior.age_mae<9"), REPORT)
    assert str(told.value).count("\n") == 2
    assert told.value.exit_code == 6


def test_a_figure_that_could_not_be_measured_passes_no_gate():
    with pytest.raises(GateError, match="no such figure, no judge"):
        check_gates(parse_gates("own.age_mae<=100"), REPORT)


def test_a_figure_without_its_way_is_that_of_the_only_one():
    check_gates(parse_gates("identity>0.6"), {**REPORT, "subject": "own"})
    with pytest.raises(UsageError, match="of which way"):
        check_gates(parse_gates("identity>0.6"), REPORT)


@pytest.mark.parametrize("text", ["identity", "identity=0.6", "identity>=high", ""])
def test_what_is_no_limit_is_refused(text):
    with pytest.raises(UsageError, match="is no limit"):
        parse_gates(text)


def test_an_unknown_figure_is_refused_with_those_there_are():
    with pytest.raises(UsageError, match="no figure `likeness`") as told:
        check_gates(parse_gates("prior.likeness>=0.6"), REPORT)
    assert "identity, age_mae" in told.value.hint
