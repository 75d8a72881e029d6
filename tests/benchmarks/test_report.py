import json

import pytest
from evaluation.report import Evaluation, Metric, metric_table, row_table

from engine.metrics.bootstrap import Interval


@pytest.mark.parametrize(
    ("metric", "passed"),
    [
        (Metric.at_least("auc", 0.95, 0.95), True),
        (Metric.at_least("auc", 0.94, 0.95), False),
        (Metric.at_most("mae", 8.0, 8.0), True),
        (Metric.at_most("mae", 8.1, 8.0), False),
        (Metric.within("energy", 1.3, 0.8, 1.25), False),
        (Metric.within("energy", 0.8, 0.8, 1.25), True),
        (Metric("psnr", 30.0), None),
    ],
)
def test_a_metric_is_compared_with_its_goal(metric, passed):
    assert metric.passed is passed


@pytest.mark.parametrize("make", [Metric.at_least, Metric.at_most])
def test_nan_never_passes(make):
    assert make("auc", float("nan"), 0.5).passed is False


def test_the_table_shows_result_goal_and_interval():
    metric = Metric.at_least("auc", 0.9, 0.95, truth=0.98, interval=Interval(0.9, 0.88, 0.92))
    cells = metric_table([metric]).splitlines()[1].split()
    assert cells == ["FAIL", "auc", "0.900", "0.88..0.92", ">=", "0.95", "0.980", "-"]


def test_columns_line_up():
    lines = row_table([{"age": 10, "name": "x"}, {"age": 5, "name": "longer"}]).splitlines()
    assert lines == ["age  name", " 10  x", "  5  longer"]


def test_the_dump_is_json_even_of_infinities():
    dumped = Evaluation([Metric("psnr", float("inf"))], {"rows": [{"a": float("nan")}]}).dump()
    read = json.loads(json.dumps(dumped, allow_nan=False))
    assert read["metrics"][0]["value"] is None
    assert read["tables"]["rows"] == [{"a": None}]
