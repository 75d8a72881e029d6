"""`tm infer` on photographs, with nothing but what the package brings."""

import json
import shutil

import cv2
import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from engine.faces import fitting
from engine.images.saving import provenance_of
from engine.inference.source_age import AgeEstimates

OFF = ("--set", "evaluate=false")


@pytest.fixture
def drawing(tm, tmp_path):
    """A drawn portrait of 512 px, as an aligned square."""
    made = ("--people", 1, "--seed", 902_200, "--size", 256, "--ages", "40..40", "--per-person", 1)
    assert tm("prep", "synth", tmp_path / "world", *made).code == 0
    (picture,) = (tmp_path / "world").rglob("*.png")
    return picture


@pytest.fixture
def looks(monkeypatch):
    """Set the years that the age network gives to every face."""

    def given(years):
        monkeypatch.setattr(AgeEstimates, "years", lambda *_: years)

    return given


def pixels(path):
    return np.asarray(Image.open(path).convert("RGB"))


def rows_of(out):
    return [json.loads(line) for line in (out / "results.jsonl").read_text().splitlines()]


def test_a_photograph_is_aged_whole_with_nothing_downloaded(tm, photo, tmp_path):
    out = tmp_path / "out"
    result = tm("infer", photo, "--ages", "35,70", "--out", out, "--json")
    assert (result.code, result.json["done"]) == (0, 2)
    assert len(result.json["models"]) == 1
    assert result.err.count("photographs by `photo`") == 1
    assert "sam_ffhq_aging.pt" in result.err
    before, older = pixels(photo), pixels(out / "eve_age70.png")
    assert older.shape == before.shape
    gap = np.abs(older.astype(int) - before)
    assert gap[60:200, 170:280].mean() > 2
    assert gap[350:, :100].max() == 0


def test_a_row_has_the_source_age_and_independent_evaluators(tm, photo, tmp_path):
    out = tmp_path / "out"
    result = tm("infer", photo, "--ages", "35,70", "--out", out)
    assert result.code == 0
    young, old = rows_of(out)
    low, high = sorted(row["identity"] for row in (young, old))
    assert f"identity {low:.2f} to {high:.2f} by dlib 128-D" in result.err
    assert "another person" not in result.err
    for row in (young, old):
        assert (row["model"], row["age_source"]) == ("photo", "estimated")
        assert 20 < row["source_age"] < 50
        assert row["apparent_age"] == row["source_age"], "nothing else says how old"
        assert (row["age_by"], row["identity_by"]) == ("age-cc0", "dlib 128-D")
        assert row["identity_reconstruction"] is None
        assert "no inversion" in row["why_null"]
        assert (row["flags"], row["extrapolated_years"]) == ([], None)
        assert row["identity"] > 0.25, "the person within dlib's threshold of .6"
    assert old["predicted_age"] > young["predicted_age"] + 8
    made = provenance_of(out / "eve_age70.png")
    assert made["synthetic"] is True
    assert (made["target_age"], made["model"]) == (70.0, "photo")


def test_the_age_is_given_or_found_in_name_manifest_and_exif(tm, photo, tmp_path):
    named = photo.with_name("33_1.png")
    shutil.copy(photo, named)
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0x9003] = "2000:07:01 12:00:00"
    dated = photo.with_name("dated.jpg")
    Image.open(photo).save(dated, exif=exif, quality=95)
    listed = photo.with_name("listed.png")
    shutil.copy(photo, listed)
    row = {"source": None, "output": "listed.png", "status": "done", "age": 36.0}
    (photo.parent / "manifest.jsonl").write_text(json.dumps(row) + "\n")
    argv = ("--ages", "60", *OFF, "--set", "born='1969-07-01'")
    assert tm("infer", photo.parent, *argv, "--out", tmp_path / "out").code == 0
    ages = {
        r["source"].split("/")[-1]: (r["source_age"], r["age_source"])
        for r in rows_of(tmp_path / "out")
    }
    assert ages["33_1.png"] == (33.0, "name")
    assert ages["listed.png"] == (36.0, "manifest")
    assert ages["dated.jpg"] == (pytest.approx(31, abs=0.1), "exif")
    assert ages["eve.png"][1] == "estimated"
    given = tmp_path / "given"
    assert tm("infer", named, *argv, "--age", 41, "--out", given).code == 0
    assert [(r["source_age"], r["age_source"]) for r in rows_of(given)] == [(41.0, "given")]


def test_another_age_of_the_person_makes_the_picture_anew(tm, photo, tmp_path):
    argv = ("infer", photo, "--ages", "60", "--out", tmp_path / "out", *OFF, "--json")
    assert tm(*argv, "--age", 30).json["done"] == 1
    young = pixels(tmp_path / "out" / "eve_age60.png")
    assert tm(*argv, "--age", 30).json["kept"] == 1
    assert tm(*argv, "--age", 55).json["done"] == 1
    assert not np.array_equal(young, pixels(tmp_path / "out" / "eve_age60.png"))
    assert tm(*argv, "--age", 60).json["done"] == 1
    assert np.array_equal(pixels(photo), pixels(tmp_path / "out" / "eve_age60.png"))


def test_the_extras_of_a_whole_photograph(tm, photo, tmp_path):
    tall = photo.with_name("tall.png")
    Image.fromarray(pixels(photo)[:, 100:400]).save(tall)
    out = tmp_path / "out"
    extras = ("--coupled", "--strip", "--morph", "gif", "--paste", "--size", 256)
    argv = ("--ages", "40,70", "--out", out, "--age", 30, *extras, *OFF)
    result = tm("infer", tall, *argv, "--set", "morphing.frames=2", "--set", "morphing.side=64")
    assert result.code == 0
    assert result.err.count("whole photograph already") == 1
    names = {path.name for path in out.iterdir() if not path.name.startswith(".")}
    each = {f"tall_age{age}{part}.png" for age in (40, 70) for part in ("", "_coupled")}
    assert names == {*each, "tall_strip.png", "tall_morph.gif", "results.jsonl"}
    assert pixels(out / "tall_age70.png").shape == (256, 150, 3)
    assert pixels(out / "tall_age70_coupled.png").shape == (256, 300, 3)
    with Image.open(out / "tall_morph.gif") as film:
        assert film.size == (64, 64)
        assert film.n_frames >= 3


def test_a_grid_shows_every_strength(tm, photo, tmp_path):
    out = tmp_path / "out"
    grid = ("--ages", "40,70", "--set", "strengths=[0, 1]", *OFF)
    result = tm("infer", photo, "--out", out, *grid, "--json")
    assert (result.code, result.json["done"]) == (0, 4), result.err
    assert {path.name for path in out.iterdir() if not path.name.startswith(".")} == {
        "strength_0", "strength_1", "eve_grid.png"
    }  # fmt: skip
    whole = pixels(out / "eve_grid.png")
    top, bottom = whole[:192], whole[192:]
    half = whole.shape[1] // 2
    assert np.array_equal(top[:, :half], top[:, half:]), "strength 0 is the photograph"
    assert not np.array_equal(top[:, half:], bottom[:, half:])
    again = tm("infer", photo, "--out", out, *grid, "--json")
    assert (again.code, again.json["kept"]) == (0, 2)


def test_strength_0_is_the_photograph(tm, photo, tmp_path):
    argv = ("--ages", "70", "--age", 30, *OFF)
    assert tm("infer", photo, *argv, "--strength", 0, "--out", tmp_path / "none").code == 0
    assert np.array_equal(pixels(tmp_path / "none" / "eve_age70.png"), pixels(photo))


def test_an_aligned_face_stays_its_square(tm, photo, tmp_path):
    tm("prep", "align", photo, tmp_path / "aligned", "--size", 256)
    argv = ("--ages", "70", "--aligned", "--age", 30, *OFF)
    face = tmp_path / "aligned" / "eve.png"
    made = {}
    for name, more in (("checked", ()), ("trusted", ("--force",))):
        assert tm("infer", face, *argv, *more, "--out", tmp_path / name).code == 0
        made[name] = pixels(tmp_path / name / "eve_age70.png").astype(int)
        assert made[name].shape == (256, 256, 3)
        assert np.abs(made[name] - pixels(face)).mean() > 1
    assert np.abs(made["checked"] - made["trusted"]).mean() < 3


@pytest.mark.parametrize("weights", [(), ("--weights", "photo")])
@pytest.mark.parametrize("age", ["12", "101"])
def test_targets_that_the_portraits_do_not_reach_are_refused(tm, photo, tmp_path, weights, age):
    argv = ("--ages", f"40,{age}", "--out", tmp_path / "out", *weights, *OFF)
    result = tm("infer", photo, *argv, "--force")
    assert (result.code, f"the target age {age} is outside 18..100" in result.err) == (2, True)
    assert not list(tmp_path.glob("out/*.png"))


def test_thin_ages_are_warned_about_and_flagged(tm, photo, tmp_path):
    argv = ("--ages", "20,60,95", "--out", tmp_path / "out", *OFF)
    result = tm("infer", photo, *argv)
    assert (result.code, result.err.count("few people under 25 or over 90")) == (0, 1)
    flags = [row["flags"] for row in rows_of(tmp_path / "out")]
    assert flags == [["target_beyond_data"], [], ["target_beyond_data"]]


@pytest.mark.parametrize(
    ("years", "given", "words"),
    [
        (15.0, (), "looks 15"),
        (15.0, ("--age", 30), "looks 15"),
        (30.0, ("--age", 12), "somebody of 12 as you say"),
    ],
)
def test_a_child_is_left_alone(tm, photo, tmp_path, looks, years, given, words):
    looks(years)
    argv = ("infer", photo, "--ages", "40", *OFF, *given)
    refused = tm(*argv, "--out", tmp_path / "out")
    assert (refused.code, words in refused.err) == (3, True)
    assert not list(tmp_path.glob("out/*.png"))
    assert tm(*argv, "--out", tmp_path / "forced", "--force").code == 0


def test_a_profile_is_left_alone(tm, photo, tmp_path):
    argv = ("infer", photo, "--ages", "40", *OFF, "--set", "detection.profile_yaw=0.01")
    refused = tm(*argv, "--out", tmp_path / "out")
    assert (refused.code, "is a profile" in refused.err) == (3, True)
    assert tm(*argv, "--out", tmp_path / "forced", "--force").code == 0


def test_each_kind_of_a_folder_has_its_model(tm, photo, drawing, tmp_path):
    shutil.copy(drawing, photo.with_name("drawn.png"))
    argv = ("--ages", "30,60", "--out", tmp_path / "out", *OFF)
    result = tm("infer", photo.parent, *argv, "--json")
    assert (result.code, result.json["done"]) == (0, 4)
    assert result.err.count("drawn portraits by `nano`") == 1
    assert result.err.count("photographs by `photo`") == 1
    models = {row["output"].split("_")[0]: row["model"] for row in rows_of(tmp_path / "out")}
    assert models == {"eve": "photo", "drawn": "nano"}
    first = tm("infer", photo.parent, "--max", 1, "--ages", "30", "--out", tmp_path / "one", *OFF)
    assert first.code == 0
    assert [row["output"] for row in rows_of(tmp_path / "one")] == ["drawn_age30.png"]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda face: cv2.GaussianBlur(face, (0, 0), 3),
        lambda face: (face * 0.15).astype(np.uint8),
        lambda face: (face * 0.3 + 170).astype(np.uint8),
    ],
    ids=["blurred", "dark", "pale"],
)
def test_a_spoilt_photograph_is_no_drawing(tm, photo, tmp_path, spoil):
    Image.fromarray(spoil(pixels(photo))).save(photo)
    argv = ("--ages", "60", "--age", 30, "--out", tmp_path / "out", *OFF)
    assert tm("infer", photo, *argv).code == 0
    assert [row["model"] for row in rows_of(tmp_path / "out")] == ["photo"]


@pytest.mark.parametrize(("score", "model"), [(-0.2, "nano"), (-0.1, "photo")])
def test_a_drawing_is_known_by_its_score(tm, photo, tmp_path, monkeypatch, score, model):
    monkeypatch.setattr("engine.evaluators.drawn.drawn_score", lambda _: score)
    argv = ("--ages", "60", "--age", 30, "--out", tmp_path / "out", *OFF, "--force")
    assert tm("infer", photo, *argv).code == 0
    assert [row["model"] for row in rows_of(tmp_path / "out")] == [model]


@pytest.mark.parametrize(
    ("note", "model"),
    [('{"made": "rendered"}', "nano"), ("no json", "photo"), ("[1]", "photo"), ("{}", "photo")],
)
def test_what_tm_rendered_is_drawn_whatever_it_looks_like(tm, photo, tmp_path, note, model):
    text = PngInfo()
    text.add_itxt("tm", note)
    Image.fromarray(pixels(photo)).save(photo, pnginfo=text)
    argv = ("--ages", "60", "--age", 30, "--out", tmp_path / "out", *OFF, "--force")
    assert tm("infer", photo, *argv).code == 0
    assert [row["model"] for row in rows_of(tmp_path / "out")] == [model]


def test_a_drawing_given_to_the_photo_model_is_skipped(tm, drawing, tmp_path):
    argv = ("infer", drawing, "--ages", "60", "--weights", "photo", *OFF)
    refused = tm(*argv, "--out", tmp_path / "out")
    assert refused.code == 3
    assert "is a drawn portrait: age it with `--weights nano`" in refused.err
    assert tm(*argv, "--out", tmp_path / "forced", "--force").code == 0


def test_a_photograph_given_to_nano_is_skipped(tm, photo, tmp_path):
    argv = ("infer", photo, "--ages", "60", "--weights", "nano", *OFF)
    refused = tm(*argv, "--out", tmp_path / "out")
    assert (refused.code, "leave out `--weights`" in refused.err) == (3, True)
    forced = tm(*argv, "--out", tmp_path / "forced", "--force", "--age", 30)
    assert (forced.code, "`nano` does not use the age" in forced.err) == (0, True)


def test_sam_goes_before_photo_where_it_is_here(tm, containers, photo, tmp_path, monkeypatch):
    weights = tmp_path / "brought"
    weights.mkdir()
    shutil.copy(containers[0] / "sam.pt", tmp_path / "sam.pt")
    monkeypatch.setenv("TM_WEIGHTS", str(weights))
    assert tm("weights", "import", tmp_path / "sam.pt", "--name", "sam").code == 0
    result = tm("infer", photo, "--ages", "10,60", "--out", tmp_path / "out", *OFF, "--json")
    assert (result.code, result.json["done"]) == (0, 2)
    assert result.json["models"] == ["photographs by `sam`, from the weights folder"]
    forced = tm("infer", photo, "--ages", "60", "--out", tmp_path / "x", "--weights", "photo", *OFF)
    assert (forced.code, "`--weights sam`, which is here" in forced.err) == (0, True)


@pytest.mark.parametrize("setting", ["edit.pose=strict", "noise=content"])
def test_what_needs_codes_is_refused(tm, photo, tmp_path, setting):
    argv = ("--ages", "60", "--out", tmp_path / "out", "--set", setting)
    result = tm("infer", photo, *argv)
    assert (result.code, "no codes to edit" in result.err) == (2, True)


def test_all_faces_at_once_are_refused(tm, photo, tmp_path):
    for words in (("--face", "all"), ("--set", "face='all'")):
        result = tm("infer", photo, "--ages", "40", "--out", tmp_path / "out", *words)
        assert (result.code, "one face of a photo" in result.err) == (2, True)
        assert "--face all` cuts out" in " ".join(result.err.split())


def test_the_face_is_a_choice(tm, photo, tmp_path):
    one = pixels(photo)
    small = cv2.resize(one, (256, 256), interpolation=cv2.INTER_AREA)
    both = np.full((512, 800, 3), 90, np.uint8)
    both[:, :512], both[128:384, 530:786] = one, small
    path = photo.with_name("both.png")
    Image.fromarray(both).save(path)
    changed = {}
    for face in ("largest", "2"):
        argv = ("--ages", "75", "--age", 30, "--face", face, *OFF)
        assert tm("infer", path, *argv, "--out", tmp_path / face).code == 0
        gap = np.abs(pixels(tmp_path / face / "both_age75.png").astype(int) - both)
        changed[face] = gap[:, :512].mean(), gap[:, 530:].mean()
    assert changed["largest"][0] > 0.5 > changed["largest"][1]
    assert changed["2"][1] > 0.5 > changed["2"][0]


def test_the_face_mesh_serves_without_dlibs_points(tm, photo, tmp_path, monkeypatch):
    argv = ("infer", photo, "--ages", "75")
    assert tm(*argv, "--out", tmp_path / "dlib").code == 0
    monkeypatch.setattr(fitting, "points_68", None)
    assert tm(*argv, "--landmarks", "mesh", "--out", tmp_path / "mesh").code == 0
    (dlib,), (mesh,) = rows_of(tmp_path / "dlib"), rows_of(tmp_path / "mesh")
    assert mesh["predicted_age"] == pytest.approx(dlib["predicted_age"], abs=6)
    assert mesh["identity"] == pytest.approx(dlib["identity"], abs=0.15)
    by_dlib, by_mesh = (pixels(tmp_path / name / "eve_age75.png") for name in ("dlib", "mesh"))
    assert 0 < np.abs(by_mesh.astype(int) - by_dlib).mean() < 2


def test_a_dry_run_says_which_models(tm, photo, tmp_path):
    result = tm("infer", photo, "--ages", "60", "--out", tmp_path / "out", "--dry-run", "--json")
    assert len(result.json["models"]) == 2
    assert not (tmp_path / "out").exists()


def test_no_age_is_no_request(tm, photo, tmp_path):
    result = tm("infer", photo, "--out", tmp_path / "out")
    assert (result.code, "no target age was given" in result.err) == (2, True)


def test_a_grey_historical_photograph(tm, shared_photos, tmp_path):
    photo = shared_photos / "migrant_mother_1936.jpg"
    argv = ("--ages", "60", "--age", 32, "--out", tmp_path / "out")
    assert tm("infer", photo, *argv).code == 0
    (row,) = rows_of(tmp_path / "out")
    assert row["identity"] > 0.25
    with Image.open(photo) as before, Image.open(tmp_path / "out" / row["output"]) as after:
        assert before.size == after.size


def test_the_example_of_the_help_is_a_photograph(tm):
    result = tm("infer", "--help")
    assert "tm infer photo.jpg --ages 35,50,65,80 --out aged/" in result.out
    assert "--weights" in result.out


def test_the_person_mask_reaches_the_model(tm, photo, tmp_path, monkeypatch):
    import engine.inference.photo_method as module

    masks = []

    def noted(pixels, landmarks, model, *, person):
        masks.append((person, landmarks))
        return prepare(pixels, landmarks, model, person=person)

    prepare = module.prepare_subject
    monkeypatch.setattr(module, "prepare_subject", noted)
    assert tm("infer", photo, "--ages", "60", "--out", tmp_path / "out", *OFF).code == 0
    ((person, landmarks),) = masks
    x, y = np.round(landmarks[30]).astype(int)
    assert person.shape == (512, 512)
    assert person[y, x] > 0.9
    assert person[10, 60] < 0.2
