"""`photo/prior` on drawn faces that age in known ways."""

import json
import random
import shutil
from dataclasses import replace
from pathlib import Path

import dated
import numpy as np
import pytest

from engine.app.train import train
from engine.core.errors import InputError, RecipeError, UsageError
from engine.core.numbers import Span
from engine.core.places import FEATURES
from engine.core.progress import Silence
from engine.photo.model import SHAPES, load_photo_model
from engine.trainings.photo_prior import age_shifts, measuring, task
from engine.trainings.photo_prior.age_shifts import (
    Estimator,
    GainTable,
    calibrate,
    slope_on_truth,
)
from engine.trainings.photo_prior.faces import CodeLabels, Selection, dated_faces
from engine.trainings.photo_prior.figures import appearance_figures
from engine.weights.native import read_card

COUNT = 28
SET = (
    "person_masks=false",
    "workers=1",
    "validation=0.2",
    "fit.steps=1",
    "gain.uniform=3",
    "evaluation.evaluators=[]",
    "networks.age=''",
)
BEST = Path("checkpoints/best/nets.safetensors")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return dated.people(tmp_path_factory.mktemp("dated") / "faces", COUNT)


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """What was measured once: only tests of measuring itself do without."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def _drawn(monkeypatch, tmp_path, cache):
    monkeypatch.setattr(measuring, "FaceFinder", dated.Finder)
    monkeypatch.setattr(task, "FEWEST", 16)
    monkeypatch.setenv("TM_CACHE", str(cache))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def fresh_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("TM_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / FEATURES


def fit(photos, out, *more, table="people.csv", **kwargs):
    settings = [*SET, f"photos='{photos}'", *more]
    if table is not None:
        settings.append(f"labels='{photos / table}'")
    return train("photo/prior", settings, out=out, **kwargs)


@pytest.fixture(scope="module")
def run(folder, cache, tmp_path_factory):
    """A finished run."""
    home = tmp_path_factory.mktemp("run")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(measuring, "FaceFinder", dated.Finder)
        patch.setattr(task, "FEWEST", 16)
        patch.setenv("TM_CACHE", str(cache))
        patch.setenv("TM_WEIGHTS", str(home / "weights"))
        patch.chdir(home)
        fit(folder, home / "run")
    return home / "run"


def test_the_fit_learns_how_hair_and_skin_age(run):
    model = load_photo_model(run / BEST)
    greyer = model.difference("hair", 45, 75, 0.0)
    assert greyer[0] == pytest.approx(17, abs=7)
    rougher = model.difference("detail", 45, 75, 0.0)[35:55, 20:44, 0].mean()
    assert rougher > 0.06
    assert model.gain == pytest.approx(np.full(SHAPES["gain"], 3))


def test_figures_of_held_out_people_are_logged(run):
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert [row["phase"] for row in rows] == ["fit", "gain", "everyone"]
    last = rows[-1]
    assert last["val/hair/error"] < 0.3
    assert last["val/hair/error_low"] <= last["val/hair/error"] <= last["val/hair/error_high"]
    assert last["val/hair/slope"] == pytest.approx(1, abs=0.3)
    assert 2 <= last["val/faces"] < COUNT / 2
    assert last["val/pairs"] == 0


def test_the_card_counts_people_and_names_nobody(run, folder, tm):
    result = tm("weights", "export", run, run.parent / "prior.safetensors", "--half", "--json")
    assert result.code == 0
    card = read_card(run.parent / "prior.safetensors")["card"]
    assert card["faces"] == COUNT
    assert card["code_labels"] == {"M": COUNT // 2, "F": COUNT // 2}
    assert card["gain_by"] == "the recipe"
    text = json.dumps(card)
    assert str(folder) not in text
    assert "_30.png" not in text
    assert (run.parent / "prior.safetensors").stat().st_size < 4 << 20
    exported = load_photo_model(run.parent / "prior.safetensors")
    assert exported.hair == pytest.approx(load_photo_model(run / BEST).hair, rel=1e-3, abs=0.05)


def test_the_same_data_give_the_same_file(run, folder, tmp_path):
    shuffled = shutil.copytree(folder, tmp_path / "faces")
    head, *lines = (shuffled / "people.csv").read_text().splitlines()
    random.Random(3).shuffle(lines)
    (shuffled / "people.csv").write_text("\n".join([head, *lines]))
    fit(shuffled, tmp_path / "again")
    assert (tmp_path / "again" / BEST).read_bytes() == (run / BEST).read_bytes()


def test_a_killed_measurement_goes_on_with_the_next_picture(
    folder, run, tmp_path, monkeypatch, fresh_cache
):
    measured = []
    inner = measuring.features_of

    def dying(view, mean):
        if len(measured) == 9:
            raise KeyboardInterrupt
        measured.append(1)
        return inner(view, mean)

    monkeypatch.setattr(measuring, "features_of", dying)
    with pytest.raises(KeyboardInterrupt):
        fit(folder, tmp_path / "run")
    monkeypatch.setattr(
        measuring, "features_of", lambda view, mean: measured.append(1) or inner(view, mean)
    )
    from engine.app.resume import resume

    assert resume(tmp_path / "run").step == 3
    assert len(measured) == COUNT
    assert (tmp_path / "run" / BEST).read_bytes() == (run / BEST).read_bytes()


def test_a_damaged_record_is_measured_again(folder, fresh_cache):
    picture = next(folder.glob("*.png"))
    limits = measuring.PictureLimits(16, 35)
    first = measuring.find_faces([picture], limits, Silence(), workers=1)
    (record,) = fresh_cache.iterdir()
    record.write_bytes(record.read_bytes()[:100])
    again = measuring.find_faces([picture], limits, Silence(), workers=1)
    assert np.array_equal(first[0].landmarks, again[0].landmarks)


def test_bad_pictures_are_named_and_left_out(run, folder, tmp_path, tm):
    bad = shutil.copytree(folder, tmp_path / "faces")
    (bad / "50_empty.png").write_bytes(b"")
    (bad / "51_cut.png").write_bytes(next(folder.glob("*.png")).read_bytes()[:900])
    dated.Image.fromarray(np.full((300, 300, 3), 90, np.uint8)).save(bad / "52_wall.png")
    lines = [
        f"{name},{name},M,50,1,train" for name in ("50_empty.png", "51_cut.png", "52_wall.png")
    ]
    lines += ["53_gone.png,x,M,53,1,train", "54_a.png,y,M,,1,train", "5_b.png,z,M,5,1,train"]
    with (bad / "people.csv").open("a") as file:
        file.write("\n".join(lines))
    settings = [part for one in SET for part in ("--set", one)]
    result = tm(
        *("train", "--recipe", "photo/prior", "--photos", bad, "--out", tmp_path / "bad"),
        *settings,
        *("--set", f"labels='{bad / 'people.csv'}'"),
    )
    assert result.code == 0
    for text in ("`50_empty.png`", "`51_cut.png`", "`52_wall.png` shows no face", "no such file"):
        assert text in " ".join(result.err.split())
    assert (tmp_path / "bad" / BEST).read_bytes() == (run / BEST).read_bytes()


def test_too_few_faces_are_refused(tmp_path):
    with pytest.raises(InputError, match="usable faces of .* at least 16"):
        fit(dated.people(tmp_path / "few", 12, first=500), tmp_path / "run")


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("validate_every=1", "`validate_every`: this training solves equations"),
        ("fit.nuisances=['sharpnes']", "unknown nuisance `sharpnes`"),
        ("evaluation.evaluators=['age-cc']", "did you mean `age-cc0`"),
        ("networks.age='age-cc0'", "calibrates the gain, so that it cannot evaluate it"),
    ],
)
def test_a_faulty_recipe_is_explained(setting, message, tm):
    result = tm("recipe", "check", "photo/prior", "--set", setting)
    assert result.code == 2
    assert message in " ".join(result.err.split())


def test_a_dry_run_lists_the_ages_and_touches_nothing(folder, tmp_path, tm, fresh_cache):
    result = tm("train", "--recipe", "photo/prior", "--photos", folder, "--dry-run", "--json")
    assert result.code == 0
    assert f"{COUNT} dated faces" in result.json["data"][0]
    assert "in their 50s" in result.json["data"][0]
    assert any("`face-api` is not here" in remark for remark in result.json["remarks"])
    assert not fresh_cache.exists()
    assert not (tmp_path / "runs").exists()


def listed(folder, table=None, **selection):
    return dated_faces(folder, table, Selection(**selection), CodeLabels())


def test_ages_come_from_names_tables_manifests_and_labels(folder, tmp_path):
    names = listed(folder)
    table = listed(folder, folder / "people.csv")
    assert [face.age for face in names.faces] == [face.age for face in table.faces]
    assert not names.labelled
    assert table.labelled
    assert {face.error for face in table.faces} == {1, 2, 3}
    one = table.faces[0].path.name
    manifested = shutil.copytree(folder, tmp_path / "manifested")
    row = {"source": None, "output": one, "age": 61.5, "age_error": 2.5, "person": "x", "sex": "F"}
    (manifested / "manifest.jsonl").write_text(json.dumps(row) + "\n")
    (face,) = listed(manifested).faces
    assert (face.age, face.error, face.person, face.label) == (61.5, 2.5, "x", -1.0)
    label = {"age": 44.0, "age_std": 3.0, "reliability": 0.9, "keep": True}
    (tmp_path / "labels.json").write_text(json.dumps({"labels": {one: label}}))
    (face,) = listed(folder, tmp_path / "labels.json").faces
    assert (face.age, face.error) == (44.0, 3.0)


def test_ffhq_agings_groups_stand_for_their_middle(tmp_path):
    faces = tmp_path / "ffhq"
    faces.mkdir()
    for number in (7, 12):
        dated.Image.new("RGB", (64, 64)).save(faces / f"{number:05d}.png")
    head = "image_number,age_group,age_group_confidence,gender,gender_confidence"
    rows = "7,30-39,1,female,1\n12,50-69,1,male,1\n13,20-29,1,male,1"
    (tmp_path / "labels.csv").write_text(f"{head}\n{rows}\n")
    young, old = listed(faces, tmp_path / "labels.csv").faces
    assert (young.age, young.label) == (35.0, -1.0)
    assert (old.age, old.error) == (60.0, pytest.approx(20 / 12**0.5))


def test_columns_choose_faces_and_unknown_ones_are_named(folder):
    table = folder / "people.csv"
    train_side = listed(folder, table, where={"split": "train", "path": "*_1*"}).faces
    assert 0 < len(train_side) < COUNT * 0.8
    assert all("_1" in face.path.name for face in train_side)
    with pytest.raises(UsageError, match="column `spilt`"):
        listed(folder, table, where={"spilt": "train"})
    assert listed(folder, table, ages=Span(40, 50)).remarks[0].endswith("an age outside 40..50")


def test_fewer_faces_are_taken_from_all_ages(folder):
    few = listed(folder, most=9)
    assert len(few.faces) == 9
    ages = sorted(face.age for face in few.faces)
    assert ages[0] < 36
    assert ages[-1] > 70
    assert few.faces == listed(folder, most=9).faces


def test_a_table_never_leads_out_of_the_folder(folder, tmp_path):
    inner = tmp_path / "inner"
    inner.mkdir()
    (tmp_path / "50_out.png").write_bytes(b"x")
    (inner / "t.csv").write_text("path,age\n../50_out.png,50\n")
    with pytest.raises(InputError, match="no face with a usable age"):
        listed(inner, inner / "t.csv")


def test_pairs_are_judged_by_their_own_change(run, tmp_path):
    model = load_photo_model(run / BEST)
    album = dated.people(tmp_path / "pairs", 6, first=700, per_person=2)
    rows = listed(album, album / "people.csv").faces
    paths = [face.path for face in rows]
    found = measuring.find_faces(paths, measuring.PictureLimits(16, 35), Silence(), workers=1)
    features = measuring.measure_faces(
        paths, found, model.mean_points, Silence(), workers=1, masks=False
    )
    from engine.trainings.photo_prior.figures import MeasuredFace

    faces = [MeasuredFace(f, d.age, d.person) for f, d in zip(features, rows, strict=True)]
    figures = appearance_figures(faces, model)
    assert figures["pairs"] == 6
    assert figures["pairs/hair/error"] < 0.3
    backwards = [face._replace(age=120 - face.age) for face in faces]
    assert appearance_figures(backwards, model)["pairs/hair/error"] > 2


class Grey:
    """An expert that judges ages by the lightness of the hair."""

    digest = "grey"

    def predict(self, faces):
        value = float(faces.faces[0][40:80, 90:170].mean())
        return type("Prediction", (), {"years": [value / 4]})()


def test_the_gain_is_that_at_which_the_network_sees_what_was_asked(run, folder):
    model = load_photo_model(run / BEST)
    rows = listed(folder, folder / "people.csv").faces[:10]
    found = measuring.find_faces(
        [face.path for face in rows], measuring.PictureLimits(16, 35), Silence(), workers=1
    )
    estimator = Estimator("grey", Grey())
    faces = age_shifts.prepared(
        [(d.path, f, d.age, d.person) for d, f in zip(rows, found, strict=True)],
        model,
        Silence(),
        masks=False,
    )
    seen = age_shifts.shifts(faces, model, [estimator], (40, 75), Silence())["grey"]
    slope = 2 * seen.share(1.0)
    assert seen.share(slope) == pytest.approx(0.5)
    table = GainTable(ages=(40, 75))
    faces = [
        replace(face, subject=replace(face.subject, code=0.5 - row % 2))
        for row, face in enumerate(faces)
    ]
    calibrated, shares = calibrate(
        faces, model, estimator, np.array([slope, slope]), table, Silence()
    )
    assert calibrated.gain.shape == SHAPES["gain"]
    assert set(shares) == {"older", "younger"}


def test_a_network_that_sees_no_age_has_no_slope(rng):
    ages = rng.uniform(30, 80, 200)
    errors = np.zeros(200)
    assert np.isnan(slope_on_truth(rng.normal(50, 5, 200), ages, errors))
    assert slope_on_truth(20 + 0.6 * ages, ages, errors) == pytest.approx(0.6)
    noisy = ages + rng.normal(0, 8, 200)
    plain = np.polyfit(noisy, ages, 1)[0]
    assert slope_on_truth(ages, noisy, errors + 8) > plain + 0.1


def test_an_empty_network_leaves_the_gain_to_the_recipe(folder, tm):
    given = ("train", "--recipe", "photo/prior", "--photos", folder, "--dry-run", "--json")
    result = tm(*given, "--set", "networks.age=''")
    assert not any("face-api" in remark for remark in result.json["remarks"])


def test_a_recipe_without_photos_says_so():
    with pytest.raises(RecipeError, match="`photos` is required"):
        train("photo/prior", SET)
