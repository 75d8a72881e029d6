"""Which picture of another folder was made of a picture."""

import pytest

from engine.data.counterparts import Counterparts


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("raw/caf/ann/01.jpg", "ann/01.png"),
        ("bob/01.jpg", "bob/01.png"),
        ("elsewhere/02.jpg", "ann/02.webp"),
        ("01.jpg", None),  # two are as like
        ("raw/eve/01.jpg", None),
        ("raw/03.jpg", None),
    ],
)
def test_the_path_that_ends_most_alike_is_taken(tmp_path, name, expected):
    for picture in ("ann/01.png", "bob/01.png", "ann/02.webp"):
        (tmp_path / picture).parent.mkdir(exist_ok=True)
        (tmp_path / picture).touch()
    path = Counterparts(tmp_path).of(name)
    assert path == (None if expected is None else tmp_path / expected)
