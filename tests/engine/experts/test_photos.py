"""The small experts for photographs: their crops, views and weights."""

from functools import partial

import numpy as np
import pytest
import torch

from engine.core.errors import MissingWeightsError
from engine.experts.base import Faces
from engine.experts.kinds.age_cc0 import AgeCc0Table
from engine.experts.kinds.face_api import FaceApiTable
from engine.experts.kinds.faceres import FaceResTable
from engine.experts.network import ChipExpert, ViewsExpert
from engine.faces.descriptor import aligned_box
from engine.faces.fitting import fit_points
from engine.nets.photos.age_cc0 import AGES, AgeCc0
from engine.nets.photos.crops import dlib_chip, face_api_crop
from engine.nets.photos.face_api import FaceApiAgeGender
from engine.nets.photos.faceres import FaceRes
from engine.worlds.portraits import identity, render, scene

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def portraits():
    """Two drawn people of different size; photographs of real ones are not in the repository."""
    people = ((940_000, 30, 256), (940_001, 70, 192))
    return [
        np.asarray(render(identity(person), age, scene(person), size).picture)
        for person, age, size in people
    ]


@pytest.fixture
def faces(portraits):
    return Faces(portraits)


def random_net(build):
    torch.manual_seed(0)
    return build().eval()


def test_the_shipped_expert_predicts_an_age_a_spread_and_a_confidence(faces):
    expert = AgeCc0Table().load(CPU)
    with torch.inference_mode():
        ages = expert.predict(faces)
    assert ages.years.shape == ages.spread.shape == ages.confidence.shape == (2,)
    assert ((ages.years > 5) & (ages.years < AGES)).all()
    assert ((ages.confidence > 0) & (ages.confidence < 1)).all()
    assert ages.spread.min() > 0
    assert expert.digest == AgeCc0Table().load(CPU).digest


def test_landmarks_of_the_detection_go_before_fitted_ones(portraits):
    fitted = [fit_points(one, aligned_box(one.shape[0])) for one in portraits]
    moved = [points + 20 for points in fitted]
    place = lambda points: dlib_chip(points, 64, 0.2)  # noqa: E731
    plain = Faces(portraits).crops(place)
    assert torch.equal(Faces(portraits, landmarks=fitted).crops(place), plain)
    assert torch.equal(Faces(portraits, landmarks=[fitted[0], None]).crops(place), plain)
    assert not torch.equal(Faces(portraits, landmarks=moved).crops(place), plain)


def test_a_mirrored_face_has_the_same_age(portraits):
    """All views come mirrored too; only the mean face that places them is not symmetric."""
    points = [fit_points(one, aligned_box(one.shape[0])) for one in portraits]
    order = [*range(16, -1, -1), *range(26, 16, -1), *range(27, 31), *range(35, 30, -1)]
    order += [45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40]
    order += [*range(54, 47, -1), *range(59, 54, -1), *range(64, 59, -1), 67, 66, 65]
    flipped = [
        np.stack([one.shape[1] - 1 - at[order, 0], at[order, 1]], 1)
        for one, at in zip(portraits, points, strict=True)
    ]
    expert = AgeCc0Table().load(CPU)
    with torch.inference_mode():
        plain = expert.predict(Faces(portraits, landmarks=points))
        other = expert.predict(
            Faces([np.ascontiguousarray(one[:, ::-1]) for one in portraits], landmarks=flipped)
        )
    torch.testing.assert_close(plain.years, other.years, atol=0.5, rtol=0)


def test_every_expert_is_the_mean_of_its_views(faces):
    net = random_net(AgeCc0)
    cc0 = ChipExpert(net, 64, (0.2, 0.4), "x")
    alone = [ChipExpert(net, 64, (one,), "x").predict(faces).years for one in cc0.margins]
    torch.testing.assert_close(cc0.predict(faces).years, torch.stack(alone).mean(0))
    boxes, face_api = (1.1, 1.3), random_net(FaceApiAgeGender)
    places = tuple(partial(face_api_crop, size=112, box=box) for box in boxes)
    api = ViewsExpert(lambda crops: face_api(crops).age, places, "x")
    with torch.inference_mode():
        views = [
            view
            for place in places
            for crop in (faces.crops(place),)
            for view in (face_api(crop).age, face_api(crop.flip(3)).age)
        ]
        ages = api.predict(faces)
    torch.testing.assert_close(ages.years, torch.stack(views).mean(0))
    torch.testing.assert_close(ages.spread, torch.stack(views).std(0))
    faceres = random_net(FaceRes)
    res = ChipExpert(lambda chips: faceres(chips).ages, 224, (0.35,), "x")
    with torch.inference_mode():
        years = res.predict(faces).years
        views = [
            faceres(view).years
            for crop in (faces.crops(lambda points: dlib_chip(points, 224, 0.35)),)
            for view in (crop, crop.flip(3))
        ]
    torch.testing.assert_close(years, torch.stack(views).mean(0))


@pytest.mark.parametrize("table", [FaceApiTable(), FaceResTable()], ids=lambda table: table.name)
def test_what_npm_brings_says_how_to_get_it(table):
    for attempt in (table.path, lambda: table.load(CPU)):
        with pytest.raises(MissingWeightsError) as caught:
            attempt()
        assert f"tm weights pull {table.name}" in caught.value.hint
