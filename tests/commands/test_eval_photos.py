"""`tm eval` of photographs, with nothing but what the package brings."""

import json

import numpy as np
import pytest
from matplotlib import cbook
from PIL import Image, ImageEnhance
from skimage.data import astronaut

from engine.core.digest import file_sha256
from engine.evaluators import photo_impostors

CELLS = {"female, 60-74", "female"}


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Two people in two folders: as photographed, and one brighter, the other mirrored."""
    folder = tmp_path_factory.mktemp("photos")
    with cbook.get_sample_data("grace_hopper.jpg") as file:
        hopper = Image.open(file).convert("RGB")
    pilot = Image.fromarray(astronaut()[:300, 60:390])
    for name in ("before", "after", "empty"):
        (folder / name).mkdir()
    hopper.save(folder / "before" / "hopper.png")
    pilot.save(folder / "before" / "pilot.png")
    ImageEnhance.Brightness(hopper).enhance(1.2).save(folder / "after" / "hopper.png")
    mirrored = pilot.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    mirrored.save(folder / "after" / "other_name.png")
    Image.new("RGB", (300, 300), "grey").save(folder / "after" / "wall.png")
    (folder / "people.csv").write_text(
        "path,person,sex,age\nbefore/hopper.png,hopper,F,77\nafter/hopper.png,hopper,F,80\n"
        "before/pilot.png,pilot,,\nafter/other_name.png,pilot,,36\n"
    )
    return folder


def test_two_folders_of_photographs(tm, photos, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before, after, labels = (photos / name for name in ("before", "after", "people.csv"))
    result = tm("eval", before, after, "--labels", labels, "--workers", 1, "--json")
    assert result.code == 0, result.err
    report, out = result.json, tmp_path / "eval_before_after"
    assert report == json.loads((out / "report.json").read_text())
    assert not [path for path in before.iterdir() if path.suffix != ".png"]

    rows = {row["file"]: row for row in report["rows"]["after"]}
    assert (report["domain"], report["people"], report["methods"]) == ("photos", 2, ["after"])
    assert {file: row["target"] for file, row in rows.items()} == {
        "hopper.png": 80,
        "other_name.png": 36,
    }
    # The cells are named, and say how the sex is known: by labels, or by the network.
    hopper, pilot = rows["hopper.png"], rows["other_name.png"]
    assert (hopper["impostor_cell"], hopper["sex_by"]) == ("female", "known")
    assert (pilot["impostor_cell"], pilot["sex_by"]) == ("female", "gender-cc0")
    d0 = photo_impostors.photo_impostors(80, "female").distance
    assert hopper["identity"] == pytest.approx(1 + hopper["similarity"] / d0, abs=1e-5)
    assert min(hopper["identity"], pilot["identity"]) > 0.6

    figures, nothing = report["after"], report["controls"]["nothing"]
    assert report["evaluators"]["age"] == "age-cc0"
    assert (figures["gender_kept"], figures["red_flags"]) == (1.0, [])
    for name in ("identity", "age_mae", "gender_kept"):
        assert len(figures[f"{name}_interval"]) == 2
    assert (nothing["identity"], nothing["age_mae"] > 0) == (1.0, True)
    assert "faceres" in figures["null"]["perceptual_to_photo"]
    assert "faceres" in figures["sets"]["why_null"]
    assert report["unused"] == [{"folder": "after", "file": "wall.png", "reason": "no face found"}]

    page = (out / "report.html").read_text()
    for words in ("female (2)", "gender kept", "wall.png", "unchanged photo", "by age-cc0"):
        assert words in page


def test_a_flipped_gender_is_a_red_flag_and_without_labels_names_pair_up(tm, photos, tmp_path):
    after = tmp_path / "after"
    after.mkdir()
    # Hopper looks like a man to the network, in the place of the pilot.
    (after / "pilot_age60.png").write_bytes((photos / "before" / "hopper.png").read_bytes())
    result = tm("eval", photos / "before", after, "--out", tmp_path / "out", "--workers", 1)
    assert result.code == 0
    assert "red flag: after: 1 of 1 portraits have another gender than their photo" in result.err
    assert "no distance to the photo: the weights `lpips-alex` and `faceres`" in result.err
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["after"]["gender_kept"] == 0.0
    assert report["after"]["identity"] < 0.3
    assert report["rows"]["after"][0]["target"] == 60
    assert "Red flag." in (tmp_path / "out" / "report.html").read_text()


@pytest.mark.parametrize(
    ("folders", "options", "code", "message"),
    [
        (["before"], [], 3, "shows nobody twice"),
        (["before", "empty"], [], 3, "`{}/empty` holds no photos"),
        (["empty", "before"], [], 3, "`{}/empty` holds no photos"),
        (["before", "before"], [], 2, "given twice"),
        (["before", "gone"], [], 2, "`{}/gone` is no folder"),
        (["before", "after"], ["--truth", "before"], 3, "no manifest.jsonl"),
        (["before", "after"], ["--labels", "gone.csv"], 2, "cannot be read"),
        (["before", "aged"], [], 2, "holds photos that were not aged"),
        (["before"], ["--against", "aged"], 2, "is aged photos, and the others are photographs"),
    ],
)
def test_what_cannot_be_compared_is_refused(tm, photos, tmp_path, folders, options, code, message):
    (photos / "aged").mkdir(exist_ok=True)
    (photos / "aged" / "results.jsonl").touch()
    given = [photos / name if not name.startswith("--") else name for name in options]
    result = tm("eval", *(photos / name for name in folders), *given, "--out", tmp_path / "out")
    assert (result.code, message.format(photos) in result.err) == (code, True), result.err
    assert not (tmp_path / "out").exists()


def test_a_dry_run_says_where_the_report_of_photographs_goes(tm, photos, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = tm("eval", photos / "after", "--against", photos / "before", "--dry-run", "--json")
    assert result.json["out"] == "eval_before_after"
    assert set(result.json["evaluated"].values()) == {"photographs"}


def test_whole_photographs_are_compared_by_their_faces(tmp_path):
    from engine.data.faces import FaceSource
    from engine.faces.choose import FaceChoice
    from engine.inference.subject import find_subject
    from engine.scoring.results import read_results

    photo = Image.fromarray(astronaut()[:300, 60:390])
    photo.save(tmp_path / "pilot.png")
    subject = find_subject(tmp_path / "pilot.png", FaceChoice(), FaceSource())
    photo.save(tmp_path / "pilot_age60.png")
    photo.resize((165, 150), Image.Resampling.BOX).save(tmp_path / "pilot_age70.png")
    common = {
        "source": "pilot.png",
        "sha256": file_sha256(tmp_path / "pilot.png"),
        "status": "done",
        "quad": subject.quad.corners.tolist(),
        "model": "photo",
        "source_age": 40.0,
    }
    rows = [
        common | {"output": f"pilot_age{age}.png", "target_age": age, "age_source": "given"}
        for age in (60, 70)
    ]
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (tmp_path / "results.jsonl").write_text(text)
    method, sources = read_results(tmp_path, "aged")
    (source,) = sources.values()
    whole, half = (method.portraits[task] for task in sorted(method.portraits))
    assert np.array_equal(whole, source.face())
    assert abs(len(half) - len(whole) / 2) <= 1
    small = np.asarray(Image.fromarray(whole).resize(half.shape[:2], Image.Resampling.BOX))
    # Two ways of halving differ by less than a frame that is off by two pixels.
    off = np.abs(half.astype(int) - small).mean()
    assert off < 0.5 * np.abs(np.roll(half, 2, axis=1).astype(int) - small)[:, 4:].mean()
    # An age that was given is one; an estimate of the network that is evaluated is none.
    assert source.age == 40
    (tmp_path / "results.jsonl").write_text(text.replace("given", "estimated"))
    assert next(iter(read_results(tmp_path, "aged")[1].values())).age is None
