"""Crops around features, and the identity in them."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from engine.losses.face.regions import DEFAULT_BOXES, crops, region_boxes
from engine.losses.face.roi_id import RoiId
from engine.runtime.draws import Draws

ALL = ("eyes", "mouth", "nose", "brows")


@pytest.fixture
def noise():
    torch.manual_seed(3)
    return torch.rand(2, 3, 32, 32) * 2 - 1


@pytest.fixture
def points(face_points):
    return (face_points * 256)[None]


def test_a_box_is_a_padded_square_around_its_points():
    points = torch.full((1, 68, 2), 100.0)
    points[0, 36], points[0, 47] = torch.tensor([80.0, 90.0]), torch.tensor([160.0, 110.0])
    box = region_boxes(points, ["eyes"], 256, pad=0.35)
    # 80 px across, its centre at (120.5, 100.5) from the corner of the picture.
    side = 80 * 1.35
    expected = [120.5 - side / 2, 100.5 - side / 2, 120.5 + side / 2, 100.5 + side / 2]
    torch.testing.assert_close(box, torch.tensor([[expected]]))


@pytest.mark.parametrize(
    ("region", "own", "foreign"),
    [("eyes", [36, 47], [35, 48]), ("mouth", [48, 67], [47]), ("nose", [27, 35], [26, 36]),
     ("brows", [17, 26, 36, 47], [16, 27, 48])],
)  # fmt: skip
def test_a_region_depends_on_its_own_points_alone(points, region, own, foreign):
    box = region_boxes(points, [region], 256, pad=0)
    for index in own:
        moved = points.clone()
        moved[0, index] += torch.tensor([-60.0, 60.0])
        assert not torch.equal(region_boxes(moved, [region], 256, pad=0), box)
    for index in foreign:
        moved = points.clone()
        moved[0, index] += torch.tensor([-60.0, 60.0])
        assert torch.equal(region_boxes(moved, [region], 256, pad=0), box)


def test_a_box_moves_and_grows_by_shares_of_its_side(points):
    still = region_boxes(points, ["mouth"], 256, pad=0.35)
    side = still[0, 0, 2] - still[0, 0, 0]
    jitter = torch.tensor([[[0.05, -0.1, 0.0]]])
    moved = region_boxes(points, ["mouth"], 256, pad=0.35, jitter=jitter)
    shift = side * torch.tensor([0.05, -0.1, 0.05, -0.1])
    torch.testing.assert_close(moved - still, shift[None, None])
    grown = region_boxes(points, ["mouth"], 256, pad=0.35, jitter=torch.tensor([[[0, 0, 0.08]]]))
    torch.testing.assert_close(grown[0, 0, 2] - grown[0, 0, 0], side * 1.08)


def test_a_box_stays_in_the_picture_and_keeps_two_pixels(points):
    far = points.clone()
    far[0] += 400
    boxes = torch.cat(
        [region_boxes(points * k + d, ALL, 256, pad=0.35) for k, d in ((2, -100), (0, 0), (0, 999))]
        + [region_boxes(far, ALL, 256, pad=0.35)]
    )
    assert boxes.min() >= 0
    assert boxes.max() <= 256
    assert (boxes[..., 2:] - boxes[..., :2]).min() >= 2


def test_a_face_without_points_gets_the_default_boxes(points):
    lost = torch.cat([points, torch.full_like(points, torch.nan)])
    boxes = region_boxes(lost, ALL, 256, pad=0.35)
    torch.testing.assert_close(boxes[:1], region_boxes(points, ALL, 256, pad=0.35))
    expected = torch.tensor([DEFAULT_BOXES[region] for region in ALL]) * 256
    torch.testing.assert_close(boxes[1], expected)


def test_a_crop_at_its_own_size_is_the_picture_itself(noise):
    whole = torch.tensor([[[0.0, 0.0, 32.0, 32.0]], [[0.0, 0.0, 32.0, 32.0]]])
    torch.testing.assert_close(crops(noise, whole, 32), noise)
    part = torch.tensor([[[4.0, 8.0, 20.0, 24.0]], [[4.0, 8.0, 20.0, 24.0]]])
    torch.testing.assert_close(crops(noise, part, 16), noise[:, :, 8:24, 4:20])


def test_a_crop_that_shrinks_is_the_mean_over_the_area(noise):
    whole = torch.tensor([[[0.0, 0.0, 32.0, 32.0]]] * 2)
    torch.testing.assert_close(crops(noise, whole, 8), F.avg_pool2d(noise, 4))
    stripes = torch.ones(1, 3, 32, 32)
    stripes[..., ::2] = -1
    box = torch.tensor([[[3.3, 3.3, 29.1, 29.1]]])
    assert crops(stripes, box, 8).abs().max() < 0.35
    point = F.interpolate(stripes[..., 3:29, 3:29], size=(8, 8), mode="bilinear")
    assert point.abs().max() > 0.5


def test_a_crop_that_grows_is_bilinear(noise):
    part = torch.tensor([[[8.0, 8.0, 16.0, 16.0]]] * 2)
    big = crops(noise, part, 16)
    twice = F.interpolate(noise, scale_factor=2, mode="bilinear")[:, :, 16:32, 16:32]
    torch.testing.assert_close(big, twice)


def test_crops_come_picture_by_picture_and_region_by_region(noise):
    boxes = torch.tensor([[[0.0, 0, 16, 16], [16.0, 0, 32, 16]]] * 2)
    result = crops(noise, boxes, 16)
    expected = [noise[i, :, :16, left : left + 16] for i in (0, 1) for left in (0, 16)]
    torch.testing.assert_close(result, torch.stack(expected))


def test_a_crop_passes_gradients_to_its_own_pixels_only(noise):
    noise.requires_grad_()
    crops(noise, torch.tensor([[[8.0, 8.0, 16.0, 16.0]]] * 2), 8).sum().backward()
    inside = torch.zeros(32, 32, dtype=torch.bool)
    inside[8:16, 8:16] = True
    assert (noise.grad[:, :, inside] > 0).all()
    assert (noise.grad[:, :, ~inside] == 0).all()


def test_a_photo_against_itself_has_loss_0_at_any_jitter(make):
    inputs = make()
    same = replace(inputs, output=inputs.source, memo={})
    value, metrics = RoiId(weight=1, jitter=0.3, size=16).value(same)
    assert value == pytest.approx(0.0, abs=1e-6)
    assert all(metrics[region] == pytest.approx(1.0) for region in ALL)


def test_the_boxes_are_the_photo_s_for_both_pictures(make):
    torch.manual_seed(0)
    inputs, loss = make(), RoiId(weight=1, size=16)
    other = replace(inputs, output=torch.rand_like(inputs.output), memo={})
    assert torch.equal(loss.boxes(inputs), loss.boxes(other))


def test_every_sample_and_region_has_its_own_jitter_purely_in_the_step(make):
    loss = RoiId(weight=1, jitter=0.06)
    points = (torch.rand(1, 68, 2) * 10 + 11).expand(4, -1, -1)
    inputs = make(cached={"points": points})
    boxes = loss.boxes(inputs)
    still = region_boxes(inputs.source_points(), ALL, 32, pad=0.35)
    shifts = (boxes - still)[..., :2] / (still[..., 2:] - still[..., :2])
    assert len(shifts.flatten(0, 1).mul(1e4).round().unique(dim=0)) == 16
    assert shifts.abs().max() < 0.06 * 1.5 + 1e-4
    assert torch.equal(loss.boxes(inputs), boxes)
    later = replace(inputs, draws=Draws(seed=1, step=8, positions=range(4)), memo={})
    assert not torch.equal(loss.boxes(later), boxes)
    half = replace(inputs, draws=replace(inputs.draws, positions=range(2, 4)), memo={})
    half = replace(half, cached={"points": points[2:]})
    assert torch.equal(loss.boxes(half), boxes[2:])


def test_no_jitter_is_no_jitter(make):
    inputs, loss = make(), RoiId(weight=1, jitter=0)
    still = region_boxes(inputs.source_points(), ALL, 32, pad=0.35)
    assert torch.equal(loss.boxes(inputs), still)


def test_crops_are_embedded_uncut_and_count_equally(make):
    shown = []

    class Recorder:
        digest, name, width = "", "recorder", 2

        def embed_crops(self, pictures):
            shown.append(pictures)
            return F.normalize(
                torch.stack([pictures[:, 0].mean((1, 2)), pictures[:, 1].mean((1, 2))], 1), dim=1
            )

        def embed(self, pictures):
            raise AssertionError("a crop must not be cut again")

    inputs = make()
    inputs = replace(inputs, context=replace(inputs.context, identity=Recorder()), memo={})
    loss = RoiId(weight=1, size=16, regions=("eyes", "mouth"))
    value, metrics = loss.value(inputs)
    boxes = loss.boxes(inputs)
    photo, output = shown
    torch.testing.assert_close(photo, crops(inputs.source, boxes, 16))
    torch.testing.assert_close(output, crops(inputs.output, boxes, 16))
    identity_net = Recorder()
    one_by_one = [
        1 - (identity_net.embed_crops(a[None]) * identity_net.embed_crops(b[None])).sum()
        for a, b in zip(photo, output, strict=True)
    ]
    assert len(one_by_one) == 4 * 2
    torch.testing.assert_close(value, torch.stack(one_by_one).mean())
    torch.testing.assert_close(value, 1 - (metrics["eyes"] + metrics["mouth"]) / 2)


def test_known_points_of_the_photo_need_no_network(make, face_points):
    inputs = make(cached={"points": (face_points * 32).expand(4, -1, -1)})
    inputs = replace(inputs, context=replace(inputs.context, landmarks=None), memo={})
    assert RoiId(weight=1, size=16).value(inputs)[0].isfinite()


def test_a_region_is_named_once():
    with pytest.raises(ValueError, match="name each region once"):
        RoiId(weight=1, regions=("eyes", "eyes"))
    with pytest.raises(ValueError, match="name each region once"):
        RoiId(weight=1, regions=())
