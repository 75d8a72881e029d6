import pytest

from engine.core.errors import UsageError
from engine.scoring.gate import GateError, check_gates, parse_gates

REPORT = {
    "methods": ["prior", "own"],
    "subject": None,
    "prior": {"identity": 0.4, "age_mae": 5.0, "null": {}},
    "own": {"identity": 0.7, "age_mae": None, "null": {"age_mae": "no evaluator"}},
}


def test_a_gate_that_holds_is_silent():
    check_gates(parse_gates("own.identity>=0.7, prior.age_mae <= 5"), REPORT)


def test_a_failed_gate_lists_every_figure_outside_its_limit():
    with pytest.raises(GateError, match="prior has 0.4") as error:
        check_gates(parse_gates("prior.identity>=0.6,own.identity<0.5,prior.age_mae<9"), REPORT)
    assert str(error.value).count("\n") == 2
    assert error.value.exit_code == 6


def test_a_figure_that_could_not_be_measured_passes_no_gate():
    with pytest.raises(GateError, match="no such figure, no evaluator"):
        check_gates(parse_gates("own.age_mae<=100"), REPORT)


def test_a_figure_without_a_method_is_that_of_the_subject():
    check_gates(parse_gates("identity>0.6"), {**REPORT, "subject": "own"})
    with pytest.raises(UsageError, match="of which method"):
        check_gates(parse_gates("identity>0.6"), REPORT)


@pytest.mark.parametrize("text", ["identity", "identity=0.6", "identity>=high", ""])
def test_a_faulty_limit_is_refused(text):
    with pytest.raises(UsageError, match="is no limit"):
        parse_gates(text)


def test_an_unknown_figure_is_refused_with_the_known_ones():
    with pytest.raises(UsageError, match="no figure `likeness`") as error:
        check_gates(parse_gates("prior.likeness>=0.6"), REPORT)
    assert "identity, age_mae" in error.value.hint
