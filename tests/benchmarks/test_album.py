import numpy as np
import pytest
import torch
from evaluation.album import albums, measured, outputs_of, person_energies

from engine.core.progress import Silence
from engine.data.portraits import PortraitPlan, rendered


def test_an_album_holds_one_photograph_of_everyone(photographs):
    one, other = photographs
    assert one.pictures.shape == other.pictures.shape == (6, 3, 96, 96, 3)
    assert one.people.tolist() == [902_000 + i for i in range(6)]
    assert not np.array_equal(one.pictures, other.pictures)
    assert one.strata[2][1].band == "40-59"


def test_people_are_similar_if_sex_and_skin_are(photographs):
    album = photographs[0]
    similar, strata = album.similar, album.strata
    assert not similar.diagonal().any()
    assert np.array_equal(similar, similar.T)
    for i, j in zip(*np.nonzero(similar), strict=True):
        assert strata[i][0] == strata[j][0]


def test_an_album_needs_fixed_ages(tmp_path, monkeypatch):
    monkeypatch.setenv("TM_CACHE", str(tmp_path))
    plan = PortraitPlan(first=902_000, people=1, scenes=1, ages=2, size=16)
    with pytest.raises(ValueError, match="fix them"):
        albums(rendered(plan, Silence()))


def test_measures_keep_the_shape_of_the_album(photographs):
    pictures = photographs[0].pictures
    means = measured(lambda x: x.mean(dim=(2, 3)), pictures, batch=4)
    assert means.shape == (6, 3, 3)
    assert means[2, 1] == pytest.approx(pictures[2, 1].mean(axis=(0, 1)) / 127.5 - 1, abs=1e-5)


def test_the_identity_returns_the_pictures(photographs):
    pictures = photographs[0].pictures
    assert np.array_equal(outputs_of(lambda x: x, pictures, batch=5), pictures)
    assert (outputs_of(torch.zeros_like, pictures[0]) == 128).all()


def test_energies_are_by_person_and_age(photographs):
    album = photographs[0]
    ratios = person_energies(album.pictures, album.pictures, album.points)
    assert ratios["skin fine"].shape == (6, 3)
    assert np.allclose(ratios["skin fine"], 1)
