"""`photo/refiner` on drawn faces, with small networks in place of those that have to be fetched."""

import json
import shutil

import dated
import numpy as np
import pytest
import torch
from torch import nn

from engine.app.resume import resume
from engine.app.train import train
from engine.core.errors import InputError
from engine.nets.photos.face_api import AgeGender
from engine.photo.model import load_photo_model
from engine.runtime.draws import Draws
from engine.training.checkpoint import read_snapshot
from engine.trainings.photo_prior import measuring
from engine.trainings.photo_refiner import recipe, task
from engine.trainings.photo_refiner.views import Light, View, warped
from engine.weights.find import find_weights, shipped_weights
from engine.weights.native import read_card

COUNT, LAST = 14, 6
SET = (
    *("person_masks=false", "workers=1", "validation=0.3", "targets=[30,55,80]", "batch=2"),
    *("evaluation.people=2", "evaluation.evaluators=[]", "phase.0.steps=2", "phase.1.steps=4"),
    *("save_every=2", "keep=9", "validate_every=6", "sample_every=6", "log_every=1"),
)


class Roughness(nn.Module):
    """Takes a rough face for an old one."""

    def forward(self, crop):
        rough = (crop[..., 1:] - crop[..., :-1]).abs().mean((1, 2, 3))
        return AgeGender(3000 * rough, torch.zeros_like(rough))


class Blocks(nn.Module):
    """Describes a face by its coarse colours."""

    def forward(self, chip):
        return nn.functional.adaptive_avg_pool2d(chip, 6).flatten(1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return dated.people(tmp_path_factory.mktemp("dated") / "faces", COUNT)


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


def stand_in(patch, cache):
    patch.setattr(measuring, "FaceFinder", dated.Finder)
    patch.setattr(task, "FEWEST", 6)
    patch.setattr(recipe, "load_face_api", Roughness)
    patch.setattr(recipe, "load_dlib_resnet", Blocks)
    file = shipped_weights()["selfie"]  # any file: it is only digested
    patch.setattr(recipe, "expert_table", lambda _: type("Table", (), {"path": lambda _: file})())
    patch.setenv("TM_CACHE", str(cache))


@pytest.fixture(autouse=True)
def _stand_ins(monkeypatch, tmp_path, cache):
    stand_in(monkeypatch, cache)
    monkeypatch.chdir(tmp_path)


def refine(photos, out, *more):
    settings = [*SET, f"photos='{photos}'", f"labels='{photos / 'people.csv'}'", *more]
    return train("photo/refiner", settings, out=out)


@pytest.fixture(scope="module")
def run(folder, cache, tmp_path_factory):
    home = tmp_path_factory.mktemp("run")
    with pytest.MonkeyPatch.context() as patch:
        stand_in(patch, cache)
        patch.chdir(home)
        refine(folder, home / "run")
    return home / "run"


def states(run):
    return read_snapshot(run / "checkpoints" / f"step_{LAST}").nets


def test_the_discriminator_goes_first_and_then_both_learn(run):
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert [row["phase"] for row in rows] == ["discriminator"] * 2 + ["refiner"] * 4
    assert "loss/age" not in rows[1]
    assert {"loss/age", "loss/identity", "loss/adversarial", "loss/discriminator"} < set(rows[-1])
    last = states(run)["refiner"]["last.weight"]
    assert last.abs().max() > 0
    early = read_snapshot(run / "checkpoints" / "step_2").nets["refiner"]["last.weight"]
    assert early.abs().max() == 0


def test_figures_stand_beside_those_without_the_refiner(run):
    row = json.loads((run / "metrics.jsonl").read_text().splitlines()[-1])
    for name in ("face-api/plain/older", "face-api/refined/older", "distance/plain"):
        assert np.isfinite(row[f"val/{name}"])
    assert row["val/change"] > 0
    assert (run / "samples" / "step_000006.png").is_file()


def test_nothing_chooses_and_the_newest_is_delivered(run):
    assert not (run / "checkpoints" / "best").exists()
    delivered = load_photo_model(find_weights(str(run))).refiner
    assert delivered is not None
    assert delivered.last.weight.abs().max() > 0


def test_it_delivers_the_prior_with_the_refiner_and_names_nobody(run, folder, tm, tmp_path):
    out = tmp_path / "photo.safetensors"
    assert tm("weights", "export", run, out, "--half", "-q").code == 0
    made, prior = load_photo_model(out), load_photo_model(shipped_weights()["photo"])
    assert made.refiner is not None
    assert made.shape == pytest.approx(prior.shape, rel=2e-3, abs=2e-3)
    card = read_card(out)["card"]
    assert card["people"] == read_card(shipped_weights()["photo"])["card"]["people"]
    assert card["recipe"] == "refiner"
    assert card["steps"] == LAST
    refiner = card["refiner"]
    assert refiner["faces"] + refiner["held_out_for_figures"] == COUNT
    assert refiner["losses_by"] == ["face-api", "dlib-descriptor"]
    assert str(folder) not in json.dumps(card)
    assert out.stat().st_size < 4 << 20


def test_a_run_that_was_cut_ends_in_the_same_bits(run, tmp_path):
    cut = shutil.copytree(run, tmp_path / "cut")
    shutil.rmtree(cut / "checkpoints" / f"step_{LAST}")
    assert resume(cut).step == LAST
    for part, state in states(run).items():
        again = states(cut)[part]
        assert all(torch.equal(tensor, again[key]) for key, tensor in state.items()), part


def test_too_few_faces_are_refused(tmp_path):
    with pytest.raises(InputError, match="usable faces are left to learn from: at least 6"):
        refine(dated.people(tmp_path / "few", 4, first=500), tmp_path / "run")


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("targets=[50]", "`targets` needs two ages or more, rising"),
        ("targets=[50,40]", "`targets` needs two ages or more, rising"),
        ("networks.age='age-cc0'", "face-api"),
        ("evaluation.evaluators=['face-api']", "is in a loss, so that it cannot evaluate"),
        ("evaluation.evaluators=['age-cc']", "did you mean `age-cc0`"),
    ],
)
def test_a_faulty_recipe_is_explained(setting, message, tm):
    result = tm("recipe", "check", "photo/refiner", "--set", setting)
    assert result.code == 2
    assert message in " ".join(result.err.split())


def test_views_belong_to_seed_step_and_place():
    def seen(step, positions):
        draws = Draws(7, step, positions)
        picture = torch.linspace(-1, 1, 3 * 192 * 192).view(1, 3, 192, 192)
        pictures = picture.expand(len(positions), -1, -1, -1)
        lit = Light.drawn(draws, "made").on(pictures)
        view = View.drawn(draws, 192)
        points = view.points(torch.rand(1, 68, 2).expand(len(positions), -1, -1) * 0 + 90)
        return view.of(lit), points

    whole, points = seen(3, range(4))
    part, part_points = seen(3, range(2, 4))
    assert torch.allclose(whole[2:], part, atol=1e-6)
    assert torch.equal(points[2:], part_points)
    assert not torch.equal(whole, seen(4, range(4))[0])
    assert whole.abs().max() <= 1


def test_offsets_say_whence_a_pixel_comes():
    picture = torch.zeros(1, 1, 192, 192)
    picture[..., 100] = 1
    offsets = torch.zeros(1, 2, 48, 48)
    offsets[:, 0] = 10.0
    column = warped(picture, offsets)[0, 0].mean(0)
    assert int(column.argmax()) == 90
