import hashlib

import pytest

from engine.core.errors import InputError, UsageError
from engine.data.manifest import Row
from engine.prep.split import split_rows


def photo(name, age=30.0, content=None, **more):
    digest = hashlib.sha256((content or name).encode()).hexdigest()
    return Row(source=name, output=f"{name}.png", sha256=digest, age=age, **more)


def people(count):
    return [photo(f"{n}.jpg", age=float(10 + n % 50)) for n in range(count)]


def sides(rows):
    return {row.source: row.split for row in rows}


def test_the_share_is_kept_in_all_and_nearly_in_every_age_band():
    rows = split_rows(people(1_000), test=0.1, seed=0)
    assert sum(row.split == "test" for row in rows) == 100
    for low in range(10, 60, 5):
        band = [row for row in rows if low <= row.age < low + 5]
        assert 9 <= sum(row.split == "test" for row in band) <= 11


def test_neither_names_nor_order_decide():
    rows = people(200)
    renamed = [row.model_copy(update={"source": f"x{row.source}"}) for row in reversed(rows)]
    again = sides(split_rows(renamed, test=0.2, seed=0))
    assert sides(split_rows(rows, test=0.2, seed=0)) == {k[1:]: v for k, v in again.items()}


def test_another_seed_splits_otherwise():
    one, other = (sides(split_rows(people(200), test=0.2, seed=seed)) for seed in (0, 1))
    assert one != other


def test_a_photo_added_later_moves_few_of_the_others():
    before = sides(split_rows(people(300), test=0.2, seed=0))
    after = sides(split_rows([*people(300), photo("new.jpg", age=33.0)], test=0.2, seed=0))
    assert sum(after[name] != side for name, side in before.items()) <= 3


def test_duplicates_stay_on_one_side():
    rows = [photo(f"{n}-{k}.jpg", content=str(n)) for n in range(60) for k in range(3)]
    split = sides(split_rows(rows, test=0.3, seed=0))
    assert all(len({split[f"{n}-{k}.jpg"] for k in range(3)}) == 1 for n in range(60))


def test_near_duplicates_stay_on_one_side():
    close = {n: f"{n * 0x0101010101010101 & (2**64 - 1):016x}" for n in range(40)}
    rows = [photo(f"{n}-{k}.jpg", dhash=close[n]) for n in range(40) for k in range(2)]
    split = sides(split_rows(rows, test=0.3, seed=0))
    assert all(split[f"{n}-0.jpg"] == split[f"{n}-1.jpg"] for n in range(40))


def test_what_is_not_usable_gets_no_side():
    dropped = photo("blurred.jpg", verdict="drop")
    failed = Row(source="broken.jpg", status="failed", reason="x", sha256="0")
    split = sides(split_rows([*people(20), dropped, failed], test=0.2, seed=0))
    assert split["blurred.jpg"] is None
    assert split["broken.jpg"] is None


def test_no_side_is_empty():
    for share in (0.01, 0.99):
        rows = split_rows(people(5), test=share, seed=0)
        assert {row.split for row in rows} == {"train", "test"}


@pytest.mark.parametrize("share", [0.0, 1.0, -0.1, 1.5])
def test_a_share_that_leaves_a_side_empty_is_refused(share):
    with pytest.raises(UsageError, match="outside 0..1"):
        split_rows(people(5), test=share, seed=0)


def test_one_picture_cannot_be_split():
    with pytest.raises(InputError, match="at least two different"):
        split_rows([photo("a.jpg"), photo("b.jpg", content="a.jpg")], test=0.5, seed=0)
