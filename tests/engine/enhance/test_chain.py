"""Steps one after the other, and the guard over them."""

import numpy as np
import pytest
import torch

from engine.enhance.base import ENHANCERS
from engine.enhance.chain import Chain
from engine.enhance.guard import GuardLimits
from engine.faces.detect import Detection
from engine.images.raster import Raster, enlarged_plane
from tests.engine.enhance.conftest import Ageing, Fixed, Linear

CPU = torch.device("cpu")


def chain(*choices, evaluator=None, force=False, **limits):
    return Chain(
        choices, CPU, guard=GuardLimits(**limits), detection=Detection(),
        evaluators=Fixed() if evaluator is None else evaluator, force=force,
    )  # fmt: skip


def step(kind, path, **more):
    return ENHANCERS[kind](kind=kind, weights=str(path), **more)


def raster(portrait):
    return lambda: Raster(portrait.copy())


def level(picture):
    return picture.pixels.astype(float)


def test_every_kind_is_registered():
    assert list(ENHANCERS) == ["ddcolor", "esrgan", "gfpgan"]


def test_the_steps_follow_each_other(portrait, colour_file, compact_file, face_file):
    steps = (
        step("ddcolor", colour_file, always=True),
        step("esrgan", compact_file),
        step("gfpgan", face_file),
    )
    made = chain(*steps).run(raster(portrait))
    assert made.picture.pixels.shape == (384, 384, 3)
    assert [row["name"] for row in made.steps] == ["ddcolor", "esrgan", "gfpgan"]
    assert [row["strength"] for row in made.steps] == [1, 1, 1]
    assert made.steps[1]["in_size"] == [192, 192]
    assert made.steps[1]["out_size"] == [384, 384]
    assert made.steps[1]["used"] == {"tile": 192}
    assert made.faces == 1
    assert all(len(row["weights_sha256"]) == 64 for row in made.steps)


def test_the_same_picture_twice_is_the_same(portrait, compact_file, face_file):
    built = chain(step("esrgan", compact_file), step("gfpgan", face_file))
    one, other = (built.run(raster(portrait)).picture.pixels for _ in range(2))
    assert np.array_equal(one, other)


def test_strength_lies_between_plain_enlargement_and_all_of_it(portrait, compact_file):
    made = {
        s: level(chain(step("esrgan", compact_file, strength=s)).run(raster(portrait)).picture)
        for s in (0, 0.5, 1)
    }
    plain = enlarged_plane(portrait, 2)
    assert np.array_equal(made[0], plain)
    assert np.abs(made[0.5] - (made[0] + made[1]) / 2).max() <= 1
    assert np.abs(made[1] - plain).max() > 5


def test_a_face_whose_identity_changes_is_skipped(portrait, face_file):
    made = chain(step("gfpgan", face_file), evaluator=Fixed(cosine=0.3)).run(raster(portrait))
    assert np.array_equal(made.picture.pixels, portrait)
    (row,) = made.steps
    assert row["strength"] == 0
    assert row["skipped_reason"] == "the guard: identity 0.30 under 0.6 (fixed)"


def test_without_the_guard_it_is_restored_all_the_same(portrait, face_file):
    evaluator = Fixed(cosine=0.3)
    made = chain(step("gfpgan", face_file), evaluator=evaluator, on=False).run(raster(portrait))
    assert not np.array_equal(made.picture.pixels, portrait)
    assert made.comparison.identity == 0.3


def test_strength_is_lowered_until_the_face_holds(portrait, face_file):
    gentle = chain(step("gfpgan", face_file), evaluator=Linear(1e-3), on=False)
    change = (1 - gentle.run(raster(portrait)).comparison.identity) / 1e-3
    built = chain(step("gfpgan", face_file), evaluator=Linear(0.5 / change))
    made = built.run(raster(portrait))
    assert made.steps[0]["strength"] == 0.75
    assert "identity 0.5" in made.steps[0]["faces"][0]["held_back"]
    assert made.comparison.identity == pytest.approx(1 - 0.5 * 0.75, abs=0.05)


def test_age_drift_holds_an_enlargement_back(portrait, compact_file):
    built = chain(step("esrgan", compact_file), evaluator=Ageing(), max_drift=3.0)
    built.steps[0]._enlarge = lambda tile: (
        torch.nn.functional.interpolate(tile, scale_factor=2, mode="bicubic") + 0.06
    ).clamp(-1, 1)
    made = built.run(raster(portrait))
    (row,) = made.steps
    assert row["strength"] == 0.25
    assert row["held_back"].startswith("age moved by +")
    assert row["guard"]["age_drift"] <= 3
    assert made.picture.pixels.shape == (384, 384, 3)
    free = chain(step("esrgan", compact_file), evaluator=Ageing(), max_drift=50.0)
    free.steps[0]._enlarge = built.steps[0]._enlarge
    assert free.run(raster(portrait)).steps[0]["strength"] == 1


def test_drifts_of_several_steps_do_not_add_up(portrait, compact_file):
    """Each of two steps makes the face a year and a half older; two years are allowed in all."""
    steps = [step("esrgan", compact_file) for _ in range(2)]
    built = chain(*steps, evaluator=Ageing(), max_drift=2.0)
    for one in built.steps:
        one._enlarge = lambda tile: (
            torch.nn.functional.interpolate(tile, scale_factor=2, mode="bicubic") + 1.5 / 127.5
        )
    made = built.run(raster(portrait))
    first, second = made.steps
    assert first["strength"] == 1
    assert 0 <= second["strength"] < 0.5
    assert "against the source" in str(second)
    assert made.comparison.drift <= 2


def test_a_step_that_never_holds_still_gives_its_size(portrait, compact_file):
    built = chain(step("esrgan", compact_file), evaluator=Fixed(cosine=0.1))
    made = built.run(raster(portrait))
    assert np.array_equal(made.picture.pixels, enlarged_plane(portrait, 2))
    assert made.steps[0]["skipped_reason"].endswith("enlarged 2 times by bicubic instead")
    assert made.comparison.identity == 1 or made.comparison.identity == 0.1


def test_a_zero_strength_is_a_zero(portrait, face_file):
    made = chain(step("gfpgan", face_file, strength=0)).run(raster(portrait))
    assert np.array_equal(made.picture.pixels, portrait)
    assert made.steps[0]["skipped_reason"] == "strength 0"


def test_networks_of_drawn_faces_leave_photographs_alone(portrait, face_file):
    photo = Fixed(drawn="photos")
    made = chain(step("gfpgan", face_file), evaluator=photo).run(raster(portrait))
    assert "knows drawn portraits only" in made.steps[0]["skipped_reason"]
    forced = chain(step("gfpgan", face_file), evaluator=photo, force=True).run(raster(portrait))
    assert forced.steps[0]["strength"] == 1


def test_without_a_face_there_is_nothing_to_restore(face_file):
    noise = np.random.default_rng(0).integers(0, 255, (200, 200, 3)).astype(np.uint8)
    made = chain(step("gfpgan", face_file)).run(lambda: Raster(noise.copy()))
    assert made.steps[0]["skipped_reason"] == "no face found"
    assert np.array_equal(made.picture.pixels, noise)
    assert made.evaluator is None


def test_pictures_with_colours_keep_them_and_toned_ones_do_not(portrait, colour_file):
    built = chain(step("ddcolor", colour_file))
    assert "has colours already" in built.run(raster(portrait)).steps[0]["skipped_reason"]
    gray = portrait.mean(axis=2, keepdims=True)
    for tone in ((1, 1, 1), (1, 0.88, 0.7)):
        toned = np.rint(gray * tone).astype(np.uint8)
        made = built.run(lambda toned=toned: Raster(toned.copy()))
        assert made.steps[0]["strength"] == 1, tone
        assert not np.array_equal(made.picture.pixels, toned)


def test_given_colours_are_no_change_of_the_person(portrait, colour_file, face_file):
    gray = np.rint(portrait @ np.array([0.299, 0.587, 0.114])).astype(np.uint8)
    gray = np.repeat(gray[..., None], 3, axis=2)
    strict = Linear(0.4 / 5)  # a change of five levels in the mean breaks the limit
    faint = step("ddcolor", colour_file, gain=0.1)
    made = chain(faint, evaluator=strict).run(raster(gray))
    assert made.steps[0]["strength"] == 1
    assert np.abs(level(made.picture) - gray).mean() > 8
    assert made.comparison.identity > 0.6
    # A step that changes light is held to its limit as before.
    built = chain(faint, step("gfpgan", face_file), evaluator=Linear(1.0))
    assert built.run(raster(gray)).steps[1]["strength"] == 0


@pytest.mark.parametrize("alpha", [False, True])
def test_sixteen_bits_and_opacity_go_through(portrait, compact_file, face_file, alpha):
    deep = portrait.astype(np.uint16) * 257
    opacity = np.arange(192 * 192, dtype=np.uint16).reshape(192, 192) if alpha else None
    built = chain(step("esrgan", compact_file), step("gfpgan", face_file))
    made = built.run(lambda: Raster(deep.copy(), opacity)).picture
    assert made.bits == 16
    assert len(np.unique(made.pixels)) > 256
    flat = built.run(raster(portrait)).picture
    # The face is looked at in 8 bits either way; what is added to it is added in 16.
    off = np.abs(made.pixels / 257 - flat.pixels)
    assert off.mean() < 0.6
    assert off.max() < 8
    if alpha:
        assert made.alpha is not None
        assert made.alpha.shape == (384, 384)
        assert made.alpha.dtype == np.uint16
