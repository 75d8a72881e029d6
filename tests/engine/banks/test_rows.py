"""The rows of a bank in the making: torn rows, other embedders, ledgers of earlier versions."""

import base64
import errno
import json
import os
from unittest.mock import Mock

import numpy as np
import pytest

from engine.banks.build import BankPlan, build_bank
from engine.banks.files import read_bank
from engine.banks.rows import HEADER, EmbeddingRows, holds_rows
from engine.core.errors import DiskError
from engine.core.progress import Silence
from engine.prep.forget import forget

ROW = np.arange(4, dtype=np.float32)


def test_rows_are_appended_numbered_and_read_again(tmp_path):
    path = tmp_path / "bank.ledger.f32"
    with EmbeddingRows.of(path, "e", 4) as rows:
        assert [rows.append(ROW + number) for number in range(3)] == [0, 1, 2]
    with EmbeddingRows.of(path, "e", 4) as rows:
        assert rows.count == 3
        np.testing.assert_array_equal(rows.read([2, 0]), [ROW + 2, ROW])
        assert rows.read([]).shape == (0, 4)
        assert rows.append(ROW) == 3
    assert holds_rows(path)


def test_a_torn_row_is_dropped_and_rows_of_another_embedder_are_too(tmp_path):
    path = tmp_path / "bank.ledger.f32"
    with EmbeddingRows.of(path, "e", 4) as rows:
        rows.append(ROW)
    with path.open("ab") as file:
        file.write(b"torn")
    with EmbeddingRows.of(path, "e", 4) as rows:
        assert (rows.count, rows.append(ROW + 1)) == (1, 1)
        np.testing.assert_array_equal(rows.read([1]), [ROW + 1])
    with EmbeddingRows.of(path, "other", 4) as rows:
        assert rows.count == 0
    assert path.stat().st_size == HEADER


@pytest.mark.parametrize("content", [b"", b"[1]", b"\xff" * 300, b'{"tm_bank_rows": 2}'])
def test_what_holds_no_rows_is_begun_anew(tmp_path, content):
    path = tmp_path / "bank.ledger.f32"
    path.write_bytes(content)
    with EmbeddingRows.of(path, "e", 4) as rows:
        assert rows.count == 0
        rows.append(ROW)
    assert path.stat().st_size == HEADER + 16


def built(faces, identity_net):
    plan = BankPlan(faces, faces.parent / "out" / "bank.safetensors", batch=2)
    return plan, build_bank(plan, identity_net, Silence(), device="cpu")


def test_a_ledger_names_rows_and_holds_no_embedding(faces, identity_net):
    plan, _ = built(faces, identity_net)
    kept = [json.loads(line) for line in plan.ledger.read_text().splitlines()]
    assert sorted(row["row"] for row in kept) == [0, 1, 2, 3, 4, 5]
    assert not any("embedding" in row for row in kept)
    assert plan.rows.stat().st_size == HEADER + 6 * 4 * identity_net.width


def test_a_ledger_of_an_earlier_version_is_read_without_embedding_again(faces, identity_net):
    plan, _ = built(faces, identity_net)
    before = plan.out.read_bytes()
    with EmbeddingRows.of(plan.rows, identity_net.digest, identity_net.width) as rows:
        old = []
        for line in plan.ledger.read_text().splitlines():
            row = json.loads(line)
            vector = rows.read([row.pop("row")])[0]
            old.append(row | {"embedding": base64.b64encode(vector.tobytes()).decode()})
    plan.ledger.write_text("".join(json.dumps(row) + "\n" for row in old))
    plan.rows.unlink()
    _, report = built(faces, identity_net)
    assert (report.fresh, report.kept) == (0, 6)
    assert plan.out.read_bytes() == before


def test_rows_that_are_gone_are_embedded_again(faces, identity_net):
    plan, _ = built(faces, identity_net)
    plan.rows.unlink()
    _, report = built(faces, identity_net)
    assert (report.fresh, len(read_bank(plan.out))) == (6, 6)


def test_forgetting_removes_the_rows(faces, identity_net):
    plan, _ = built(faces, identity_net)
    (plan.out.parent / "mine.ledger.f32").write_bytes(b"of somebody else")
    removed = forget(plan.out.parent).removed
    assert plan.rows in removed
    assert not plan.rows.exists()
    assert (plan.out.parent / "mine.ledger.f32").exists()


def test_what_a_full_disk_has_left_in_the_buffer_is_one_sentence_at_the_end(tmp_path, monkeypatch):
    file = Mock()
    file.close.side_effect = OSError(errno.EFBIG, "File too large")
    monkeypatch.setattr(os, "fdopen", lambda handle, mode: os.close(handle) or file)
    path = tmp_path / "a.ledger.f32"
    with pytest.raises(DiskError, match="cannot be written"), EmbeddingRows.of(path, "x", 4):
        pass
