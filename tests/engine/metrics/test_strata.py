import numpy as np
import pytest

from engine.metrics.strata import SKINS, age_band, skin_of, stratum_of
from engine.worlds.portraits import identity


def test_a_stratum_is_age_band_sex_and_skin():
    person = identity(902_000)
    assert stratum_of(902_000, 33) == ("20-39", person.sex, skin_of(person))


@pytest.mark.parametrize(
    ("age", "band"), [(0, "0-19"), (19.9, "0-19"), (20, "20-39"), (100, "80-100")]
)
def test_bands_meet_without_a_gap(age, band):
    assert age_band(age) == band


def test_an_age_beyond_all_bands_is_an_error():
    with pytest.raises(ValueError, match="no age band"):
        age_band(140)


def test_skins_are_thirds_of_the_world():
    skins = [skin_of(identity(seed)) for seed in range(400_000, 401_500)]
    shares = [np.mean([skin == name for skin in skins]) for name in SKINS]
    assert shares == pytest.approx([1 / 3] * 3, abs=0.04)


def test_skins_are_ordered_by_melanin():
    person = identity(902_000)
    assert [skin_of(person.changed(melanin=value)) for value in (-1.0, 0.0, 1.0)] == list(SKINS)
