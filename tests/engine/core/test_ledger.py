import json

import pytest

from engine.core.errors import UsageError
from engine.core.ledger import Ledger, read_rows


def ledger(folder):
    return Ledger(folder / "rows.jsonl", key=lambda row: row["id"])


def test_rows_come_back(tmp_path):
    with ledger(tmp_path) as rows:
        rows.add({"id": "b", "n": 1})
        rows.add({"id": "a", "n": 2})
    assert [row["id"] for row in read_rows(tmp_path / "rows.jsonl")] == ["a", "b"]
    assert [path.name for path in tmp_path.iterdir()] == ["rows.jsonl"]


def test_the_last_row_of_a_key_counts(tmp_path):
    with ledger(tmp_path) as rows:
        rows.add({"id": "a", "n": 1})
        rows.add({"id": "a", "n": 2})
    assert read_rows(tmp_path / "rows.jsonl") == [{"id": "a", "n": 2}]


def test_a_killed_run_loses_nothing_it_had_recorded(tmp_path):
    with ledger(tmp_path) as rows:
        rows.add({"id": "old", "n": 0})
    killed = ledger(tmp_path).__enter__()
    killed.add({"id": "a", "n": 1})
    killed.add({"id": "b", "n": 2})
    with killed.journal.open("a", encoding="utf-8") as file:
        file.write('{"id": "torn", "n')
    assert len(read_rows(tmp_path / "rows.jsonl")) == 1
    with ledger(tmp_path) as rows:
        assert set(rows.rows) == {"old", "a", "b"}
        rows.add({"id": "c", "n": 3})
    assert [row["id"] for row in read_rows(tmp_path / "rows.jsonl")] == ["a", "b", "c", "old"]
    killed._file.close()


def test_an_exception_inside_keeps_the_rows(tmp_path):
    with pytest.raises(KeyboardInterrupt), ledger(tmp_path) as rows:
        rows.add({"id": "a"})
        raise KeyboardInterrupt
    assert read_rows(tmp_path / "rows.jsonl") == [{"id": "a"}]


def test_a_name_with_a_line_separator_survives(tmp_path):
    name = "a\u2028b\u0085c"
    with ledger(tmp_path) as rows:
        rows.add({"id": name})
    assert read_rows(tmp_path / "rows.jsonl") == [{"id": name}]


def test_a_damaged_file_is_told_with_its_line(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps({"id": "a"}) + "\nnot json\n", encoding="utf-8")
    with pytest.raises(UsageError, match="line 2 of .* is not JSON"):
        ledger(tmp_path)
