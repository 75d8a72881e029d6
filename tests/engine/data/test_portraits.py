import numpy as np
import pytest
from pydantic import ValidationError

from engine.core.progress import Silence
from engine.data.portraits import PortraitPlan, rendered, view_of
from engine.worlds.portraits import identity, render, scene
from engine.worlds.portraits.seeds import scene_seed

PLAN = PortraitPlan(first=7, people=3, scenes=2, ages=2, size=32, framing_jitter=0)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("TM_CACHE", str(tmp_path))
    return tmp_path / "portraits"


def test_a_set_holds_what_the_world_renders():
    portraits = rendered(PLAN, Silence())
    assert len(portraits) == PLAN.count == 12
    assert portraits.people.tolist() == [7] * 4 + [8] * 4 + [9] * 4
    assert portraits.scenes[4:8].tolist() == [scene_seed(8, 0)] * 2 + [scene_seed(8, 1)] * 2
    for index in (0, 7):
        age, view = float(portraits.ages[index]), scene(int(portraits.scenes[index]))
        truth = render(identity(int(portraits.people[index])), age, view, 32)
        off = np.abs(truth.picture.astype(int) - portraits.pictures[index])
        assert off.max() <= 1  # ages are kept as float32
        assert np.abs(truth.landmarks - portraits.landmarks[index]).max() < 1e-3


def test_the_ages_of_a_photograph_are_spread_and_its_scene_is_the_same():
    ages = rendered(PLAN, Silence()).ages.reshape(-1, 2)
    assert (ages[:, 0] < 50).all()
    assert (ages[:, 1] >= 50).all()
    assert len(np.unique(ages)) == 12
    fixed = rendered(PLAN.model_copy(update={"fixed": (10.0, 40.0, 90.0)}), Silence())
    assert fixed.ages.reshape(-1, 3).tolist() == [[10, 40, 90]] * 6


def test_loose_framing_strays_as_a_detector_does():
    plan = PLAN.model_copy(update={"framing_jitter": 1.0})
    exact, moved = (np.array([_frame(p, s) for s in range(400)]) for p in (PLAN, plan))
    side = exact[:, 0] / moved[:, 0] - 1
    assert abs(side.mean() + 0.02) < 0.01
    assert abs(side.std() - 0.06) < 0.01
    assert abs(moved[:, 1:] - exact[:, 1:]).max() < 2
    assert np.ptp(exact[:, 0]) == 0


def _frame(plan, photo):
    view = view_of(plan, photo)
    return view.zoom, view.shift_x, view.shift_y, view.roll


def test_a_second_call_reads_what_the_first_one_rendered(cache):
    rendered(PLAN, Silence())
    (folder,) = cache.iterdir()
    before = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    again = rendered(PLAN, Silence())
    assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir()} == before
    assert not again.pictures.flags.writeable
    rendered(PLAN.model_copy(update={"pose": 0.0}), Silence())
    assert len(list(cache.iterdir())) == 2


def test_a_rendering_that_ends_early_leaves_nothing_behind(cache, monkeypatch):
    def fail(index, plan):
        raise RuntimeError("the light went out")

    monkeypatch.setattr("engine.data.portraits._render_person", fail)
    with pytest.raises(RuntimeError, match="the light went out"):
        rendered(PLAN, Silence())
    assert list(cache.iterdir()) == []


def test_tensors_are_pictures_in_the_range_of_networks():
    portraits = rendered(PLAN, Silence())
    tensor = portraits.tensor([3, 0])
    assert tensor.shape == (2, 3, 32, 32)
    back = ((tensor[1] + 1) * 127.5).round().permute(1, 2, 0).numpy()
    assert np.array_equal(back, portraits.pictures[0])


@pytest.mark.parametrize("fault", [{"people": 0}, {"fixed": []}, {"size": 8}, {"first": -1}])
def test_impossible_sets_are_refused(fault):
    with pytest.raises(ValidationError):
        PortraitPlan.model_validate({"first": 0, "people": 1} | fault)


def test_photographs_drawn_at_other_sizes_show_the_same_at_the_size_of_the_set(cache):
    plan = {"first": 5, "people": 2, "scenes": 3, "ages": 1, "size": 64}
    at_once = rendered(PortraitPlan(**plan), Silence())
    resized = rendered(PortraitPlan(**plan, drawn=(48, 128)), Silence())
    assert resized.pictures.shape == at_once.pictures.shape
    np.testing.assert_allclose(resized.landmarks, at_once.landmarks, atol=1e-3)
    apart = np.abs(resized.pictures.astype(float) - at_once.pictures).mean((1, 2, 3))
    assert np.all((apart > 0) & (apart < 8))
    sizes = {resized.plan.drawn_at(photo) for photo in resized.scenes.tolist()}
    assert sizes == {48, 128}
