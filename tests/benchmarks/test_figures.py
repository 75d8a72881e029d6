import json

import pytest
from evaluation.figures import Examined, Figure, figure_table, row_table

from engine.metrics.bootstrap import Interval


@pytest.mark.parametrize(
    ("figure", "passed"),
    [
        (Figure.at_least("auc", 0.95, 0.95), True),
        (Figure.at_least("auc", 0.94, 0.95), False),
        (Figure.at_most("mae", 8.0, 8.0), True),
        (Figure.at_most("mae", 8.1, 8.0), False),
        (Figure.within("energy", 1.3, 0.8, 1.25), False),
        (Figure.within("energy", 0.8, 0.8, 1.25), True),
        (Figure("psnr", 30.0), None),
    ],
)
def test_a_figure_knows_whether_it_is_enough(figure, passed):
    assert figure.passed is passed


@pytest.mark.parametrize("make", [Figure.at_least, Figure.at_most])
def test_what_is_no_number_never_passes(make):
    assert make("auc", float("nan"), 0.5).passed is False


def test_the_table_shows_verdict_goal_and_what_stands_beside():
    figure = Figure.at_least("auc", 0.9, 0.95, truth=0.98, interval=Interval(0.9, 0.88, 0.92))
    told = figure_table([figure]).splitlines()[1].split()
    assert told == ["FAIL", "auc", "0.900", "0.88..0.92", ">=", "0.95", "0.980", "-"]


def test_columns_line_up():
    lines = row_table([{"age": 10, "told": "x"}, {"age": 5, "told": "longer"}]).splitlines()
    assert lines == ["age  told", " 10  x", "  5  longer"]


def test_the_dump_is_json_even_of_what_is_no_number():
    dumped = Examined([Figure("psnr", float("inf"))], {"rows": [{"a": float("nan")}]}).dump()
    read = json.loads(json.dumps(dumped, allow_nan=False))
    assert read["figures"][0]["value"] is None
    assert read["tables"]["rows"] == [{"a": None}]
