"""Both backends give the same faces, within the range of ages."""

import pytest
import torch
import torch.nn.functional as F

from engine.banks.search import nearest
from engine.banks.strip import aligned_face
from engine.core.errors import InputError
from engine.core.numbers import Span


@pytest.fixture
def queries():
    return F.normalize(torch.randn(5, 8, generator=torch.Generator().manual_seed(1)), dim=1)


@pytest.mark.parametrize("ages", [None, Span(25, 40)], ids=str)
def test_faiss_agrees_with_torch(bank, queries, ages):
    exact = nearest(bank, queries, 7, ages=ages)
    twin = nearest(bank, queries, 7, ages=ages, engine="faiss")
    assert torch.equal(exact.rows, twin.rows)
    torch.testing.assert_close(exact.similarity, twin.similarity)


def test_the_nearest_are_the_largest_cosines_row_by_row(bank, queries):
    neighbours = nearest(bank, queries, 3)
    for query, rows in zip(queries, neighbours.rows.tolist(), strict=True):
        cosines = [float(query @ row) for row in bank.embeddings]
        assert rows == sorted(range(40), key=lambda row: -cosines[row])[:3]


def test_a_face_of_the_bank_finds_itself(bank):
    neighbours = nearest(bank, bank.embeddings, 1)
    assert neighbours.rows[:, 0].tolist() == list(range(40))


def test_a_range_of_ages_may_hold_fewer_than_k(bank, queries):
    neighbours = nearest(bank, queries, 10, ages=Span(30, 33))
    assert neighbours.rows.shape == (5, 4)
    assert set(bank.ages[neighbours.rows].flatten().tolist()) == {30, 31, 32, 33}


def test_an_empty_range_is_an_error(bank, queries):
    with pytest.raises(InputError, match="no face of the ages 90..95"):
        nearest(bank, queries, 3, ages=Span(90, 95))


def test_queries_of_another_width_are_refused(bank):
    with pytest.raises(ValueError, match="do not go with width 8"):
        nearest(bank, torch.ones(1, 9), 3)


@pytest.mark.parametrize("aligned", [True, False])
def test_an_unreadable_file_gets_no_hint(tmp_path, aligned):
    (tmp_path / "face.png").write_text("a note")
    with pytest.raises(InputError, match=r"face.png` is a text file") as caught:
        aligned_face(tmp_path / "face.png", aligned=aligned)
    assert caught.value.hint is None
