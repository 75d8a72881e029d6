"""FFHQ-Aging's table in its known variants."""

from itertools import pairwise

import pytest

from engine.core.errors import UsageError
from engine.data.ffhq_aging import (
    COLUMNS,
    GROUPS,
    AttributeLimits,
    is_ffhq_aging,
    parse_group,
    read_ffhq_aging,
)

GOOD = "{n},{group},0.9,female,0.95,1.2,-3.4,5.6,0.5,12.0,{glasses}"


def table(tmp_path, *lines):
    path = tmp_path / "ffhq_aging_labels.csv"
    path.write_text("\n".join([",".join(COLUMNS), *lines]) + "\n", encoding="utf-8")
    return path


def test_glasses_none_is_a_kind_of_glasses_and_not_nothing(tmp_path):
    rows = read_ffhq_aging(table(tmp_path, GOOD.format(n=7, group="20-29", glasses="None")))
    assert rows[7].glasses == "None"
    assert rows[7].years == (20, 29)
    assert (rows[7].yaw, rows[7].right_occluded) == (5.6, 12.0)


@pytest.mark.parametrize(
    ("written", "group"),
    [("3-6", 1), ("6-Mar", 1), ("06-Mar", 1), ("Mar-06", 1), ("2026-03-06", 1), ("7-9", 2),
     ("9-Jul", 2), ("10-14", 3), ("14-Oct", 3), ("Oct-14", 3), ("70-120", 9), ("70+", 9),
     ("0-2", 0), ("50–69", 8)],
)  # fmt: skip
def test_a_group_is_read_in_the_forms_of_spreadsheets(written, group):
    assert parse_group(written) == group


@pytest.mark.parametrize("written", ["", "4-6", "old", "25", "30-29-28-27"])
def test_a_faulty_group_is_refused(written):
    with pytest.raises(ValueError, match="no age group"):
        parse_group(written)


def test_a_row_of_minus_ones_has_no_attributes(tmp_path):
    lost = "3,30-39,0.8,male,0.9,-1,-1,-1,-1,-1,-1"
    one_eye = "4,30-39,0.8,male,0.9,10,-1,5,-1,-1,None"
    rows = read_ffhq_aging(table(tmp_path, lost, one_eye))
    assert not rows[3].has_attributes
    assert rows[3].glasses is None
    assert rows[4].has_attributes
    assert rows[4].roll == -1


def test_the_order_of_columns_blank_lines_and_a_mark_at_the_beginning_do_not_matter(tmp_path):
    path = tmp_path / "labels.csv"
    text = "\ufeffage_group,image_number,age_group_confidence\n3-6,12,0.7\n\n"
    path.write_text(text, encoding="utf-8")
    assert is_ffhq_aging(path)
    assert read_ffhq_aging(path)[12].group == 1


def test_a_faulty_line_is_named(tmp_path):
    path = table(tmp_path, GOOD.format(n=1, group="20-29", glasses="None"), "x,3-6,1,,,,,,,,")
    with pytest.raises(UsageError, match="line 3 .*`x` is no picture number"):
        read_ffhq_aging(path)


def test_another_table_is_refused(tmp_path):
    path = tmp_path / "ages.csv"
    path.write_text("path,age\na.png,3\n", encoding="utf-8")
    assert not is_ffhq_aging(path)
    with pytest.raises(UsageError, match="lacks image_number"):
        read_ffhq_aging(path)


def row(tmp_path, **cells):
    values = dict(
        zip(
            COLUMNS,
            ["1", "20-29", "0.9", "male", "0.9", "0", "0", "0", "0", "0", "None"],
            strict=True,
        ),
        **cells,
    )
    return read_ffhq_aging(table(tmp_path, ",".join(values[name] for name in COLUMNS)))[1]


@pytest.mark.parametrize(
    ("cells", "flags"),
    [
        ({}, []),
        ({"age_group_confidence": "0.6"}, ["low_label_confidence"]),
        ({"gender_confidence": "0.66"}, ["low_gender_confidence"]),
        ({"head_pitch": "-30"}, ["pose"]),
        ({"head_yaw": "39.9"}, []),
        ({"head_yaw": "40"}, ["pose"]),
        ({"left_eye_occluded": "90"}, ["occluded"]),
        ({"left_eye_occluded": "89", "right_eye_occluded": "49"}, []),
        ({"left_eye_occluded": "60", "right_eye_occluded": "50"}, ["occluded"]),
        ({"glasses": "Dark"}, ["occluded"]),
        ({"glasses": "Normal"}, []),
    ],
)
def test_the_filter_is_that_of_lats(tmp_path, cells, flags):
    assert AttributeLimits().faults(row(tmp_path, **cells)) == flags


def test_rows_without_attributes_are_kept_by_default(tmp_path):
    lost = dict.fromkeys(COLUMNS[5:], "-1")
    assert AttributeLimits().faults(row(tmp_path, **lost)) == []
    strict = AttributeLimits(no_attributes=False)
    assert strict.faults(row(tmp_path, **lost)) == ["no_face_attributes"]


def test_the_groups_leave_no_year_out():
    assert all(high + 1 == low for (_, high), (low, _) in pairwise(GROUPS))
