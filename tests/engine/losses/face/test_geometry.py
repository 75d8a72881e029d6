from dataclasses import replace

import pytest
import torch

from engine.core.errors import RecipeError
from engine.losses.face.base import check
from engine.losses.face.geometry import Geometry, ratios


def test_the_eight_ratios_are_those_of_the_face(face_points):
    points = (face_points * 256)[None]
    points[0, 36:48] = torch.tensor(
        [[80, 100], [88, 96], [96, 97], [104, 100], [96, 105], [88, 104],
         [144, 100], [152, 94], [160, 95], [168, 100], [160, 105], [152, 106]], dtype=torch.float32
    )  # fmt: skip
    for index, place in {
        31: (112, 140), 35: (136, 140), 27: (124, 100), 33: (124, 148),
        48: (100, 180), 54: (148, 180), 62: (124, 178), 66: (124, 190),
    }.items():  # fmt: skip
        points[0, index] = torch.tensor(place, dtype=torch.float32)
    left = torch.tensor([(80 + 88 + 96 + 104 + 96 + 88) / 6, (100 + 96 + 97 + 100 + 105 + 104) / 6])
    right = torch.tensor([156.0, (100 + 94 + 95 + 100 + 105 + 106) / 6])
    unit = (right - left).norm().item()
    expected = [
        24 / unit,
        24 / unit,
        (8 + 8) / 48,
        (12 + 10) / 48,
        24 / unit,
        48 / unit,
        48 / unit,
        0.25,
    ]
    torch.testing.assert_close(ratios(points)[0], torch.tensor(expected))


def test_the_ratios_are_invariant_to_scale_translation_and_roll(face_points):
    points = (face_points * 256)[None]
    turn = torch.tensor([[0.8, -0.6], [0.6, 0.8]])
    torch.testing.assert_close(ratios(3 * points @ turn + 17), ratios(points), atol=1e-4, rtol=1e-4)


def test_the_loss_is_the_weighted_huber_loss_of_the_ratios(make, face_points):
    photo = (face_points * 32).expand(4, -1, -1)
    output = photo.clone()
    output[:, 54, 0] += 3.0  # the mouth only: its width and with it the opening
    inputs = make(cached={"points/tiny-points": photo})
    inputs.memo["points"] = output
    away = (ratios(output) - ratios(photo))[0]
    assert (away[:6] == 0).all()
    assert (away[6:].abs() > 0).all()
    huber = [0.5 * d * d if abs(d) < 0.03 else 0.03 * (abs(d) - 0.015) for d in away[6:].tolist()]
    value, _ = Geometry(weight=1).value(inputs)
    assert value == pytest.approx(0.4 * sum(huber) / 8, rel=1e-4)
    assert Geometry(weight=1, mouth=0).value(inputs)[0] == 0


def test_the_gradient_lowers_the_loss(make):
    inputs = make()
    inputs.output.requires_grad_()
    value, _ = Geometry(weight=1).value(inputs)
    value.backward()
    better = make(output=(inputs.output - 10 * inputs.output.grad).detach())
    assert Geometry(weight=1).value(better)[0] < value


def test_points_of_another_detector_are_not_compared(make, face_points):
    inputs = make(cached={"points": (face_points * 32 + torch.rand(68, 2)).expand(4, -1, -1)})
    same = replace(inputs, output=inputs.source, memo={})
    assert Geometry(weight=1).value(same)[0] == pytest.approx(0.0, abs=1e-9)


def test_a_photo_without_points_does_not_count(make, face_points):
    photo = (face_points * 32).repeat(4, 1, 1)
    photo[1] = torch.nan
    inputs = make(cached={"points/tiny-points": photo})
    inputs.output.requires_grad_()
    value, metrics = Geometry(weight=1).value(inputs)
    value.backward()
    assert value.isfinite()
    assert metrics["share"] == 0.75
    assert inputs.output.grad.isfinite().all()
    assert (inputs.output.grad[1] == 0).all()


def test_coinciding_points_have_finite_gradients():
    points = torch.full((1, 68, 2), 5.0, requires_grad=True)
    ratios(points).sum().backward()
    assert points.grad.isfinite().all()


def test_points_of_another_domain_are_refused(context, make):
    loss = Geometry(weight=1)
    check([loss], context)
    photos = replace(context, domain="photos")
    with pytest.raises(
        RecipeError, match="cannot be computed on photos: its `landmarks` network knows portraits"
    ):
        check([loss], photos)
    with pytest.raises(RecipeError, match="cannot be computed on photos"):
        loss.value(make(context=photos))


def test_a_detector_without_a_domain_is_refused(context):
    class Nameless:
        name = "nameless"

        def points(self, pictures):
            return context.landmarks.points(pictures)

    with pytest.raises(RecipeError, match="knows no domain"):
        check([Geometry(weight=1)], replace(context, landmarks=Nameless()))
