"""`tm infer` with small networks in the containers the published ones come in."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from engine.images.ranges import to_pixels, to_tensor
from engine.images.saving import provenance_of

skimage_data = pytest.importorskip("skimage.data")

OFF = ("--set", "evaluate=false")


def pixels(path):
    return np.asarray(Image.open(path).convert("RGB"))


def rows_of(out):
    return [json.loads(line) for line in (out / "results.jsonl").read_text().splitlines()]


def directly(model, photo, age):
    """The picture that the networks give without any of the command's code around them."""
    from engine.data.faces import FaceSource
    from engine.faces.choose import FaceChoice
    from engine.inference.subject import find_subject

    face = to_tensor(find_subject(photo, FaceChoice(), FaceSource()).face(256))
    with torch.inference_mode():
        return to_pixels(model(face, torch.tensor([float(age)])).image)


@pytest.mark.parametrize("kind", ["sam", "mytm", "fork"])
def test_each_container_gives_the_picture_that_its_networks_give(
    tm, containers, photo, tmp_path, kind
):
    folder, models = containers
    out = tmp_path / "out"
    argv = ("--ages", "20,70", "--out", out, "--weights", folder / f"{kind}.pt", *OFF)
    assert tm("infer", photo, *argv).code == 0
    for age in (20, 70):
        gap = np.abs(
            pixels(out / f"eve_age{age}.png").astype(int) - directly(models[kind], photo, age)
        )
        assert gap.max() <= 1
    young, old = pixels(out / "eve_age20.png"), pixels(out / "eve_age70.png")
    assert np.abs(young.astype(int) - old).mean() > 2
    assert np.mean((young == 0) | (young == 255)) < 0.5


def test_a_generator_alone_cannot_age(tm, containers, photo, tmp_path):
    weights = containers[0] / "rosinality.pt"
    result = tm("infer", photo, "--ages", "20", "--out", tmp_path / "out", "--weights", weights)
    assert result.code == 4
    assert "cannot age a face" in result.err
    assert "`encoder`, `pretrained_encoder`" in result.err


def renamed(state):
    state["encoder.input_layer.0.wait"] = state.pop("encoder.input_layer.0.weight")


def reshaped(state):
    state["decoder.conv1.conv.weight"] = state["decoder.conv1.conv.weight"][:, :-1]


def lost(state):
    del state["pretrained_encoder.styles.0.linear.bias"]


@pytest.mark.parametrize(
    ("harm", "key"),
    [
        (renamed, "input_layer.0.weight"),
        (reshaped, "conv1.conv.weight"),
        (lost, "styles.0.linear.bias"),
    ],
)
def test_one_wrong_key_ends_with_4_and_is_named(tm, containers, photo, tmp_path, harm, key):
    content = torch.load(containers[0] / "sam.pt")
    harm(content["state_dict"])
    torch.save(content, tmp_path / "harmed.pt")
    argv = ("--ages", "20", "--out", tmp_path / "out", "--weights", tmp_path / "harmed.pt")
    result = tm("infer", photo, *argv)
    assert result.code == 4
    assert key in result.err


def test_strength_goes_from_the_inversion_to_the_target(tm, containers, photo, tmp_path):
    folder, models = containers

    def at(strength):
        out = tmp_path / f"out{strength}"
        argv = ("--weights", folder / "sam.pt", "--strength", strength, *OFF)
        tm("infer", photo, "--ages", "70", "--out", out, *argv)
        return pixels(out / "eve_age70.png").astype(int)

    from engine.data.faces import FaceSource
    from engine.faces.choose import FaceChoice
    from engine.inference.subject import find_subject

    model = models["sam"]
    face = to_tensor(find_subject(photo, FaceChoice(), FaceSource()).face(256))
    with torch.inference_mode():
        inversion = to_pixels(model.decode(model.invert(face))).astype(int)
    assert np.abs(at(0) - inversion).max() <= 1
    assert np.abs(at(1) - directly(model, photo, 70)).max() <= 1
    assert not np.array_equal(at(0.5), at(1))


def test_a_strength_beyond_is_warned_about(tm, containers, photo, tmp_path):
    argv = ("--weights", containers[0] / "sam.pt", "--strength", 1.5, *OFF)
    result = tm("infer", photo, "--ages", "70", "--out", tmp_path / "out", *argv)
    assert result.code == 0
    assert "outside 0..1" in result.err


def test_every_extra_is_written_and_marked_as_synthetic(tm, containers, photo, tmp_path):
    out = tmp_path / "out"
    argv = ("--coupled", "--strip", "--morph", "gif", "--paste", "--size", 48, *OFF)
    result = tm(
        *("infer", photo, "--ages", "20,50", "--out", out, "--weights", containers[0] / "sam.pt"),
        *(*argv, "--set", "morphing.frames=2", "--json"),
    )
    assert (result.code, result.json["done"]) == (0, 2)
    names = {path.name for path in out.iterdir() if not path.name.startswith(".")}
    each = {f"eve_age{age}{part}.png" for age in (20, 50) for part in ("", "_coupled", "_pasted")}
    assert names == {*each, "eve_strip.png", "eve_morph.gif", "results.jsonl"}
    for name in each:
        result = provenance_of(out / name)
        assert result["synthetic"] is True
        assert result["target_age"] in (20.0, 50.0)
    assert pixels(out / "eve_age20.png").shape == (48, 48, 3)
    assert pixels(out / "eve_age20_coupled.png").shape == (48, 96, 3)
    assert pixels(out / "eve_age20_pasted.png").shape == (512, 512, 3)
    with Image.open(out / "eve_morph.gif") as film:
        assert film.n_frames >= 3


def test_a_row_names_its_evaluators_and_why_there_is_no_age(tm, containers, photo, tmp_path):
    out = tmp_path / "out"
    tm("infer", photo, "--ages", "20", "--out", out, "--weights", containers[0] / "sam.pt")
    (row,) = rows_of(out)
    assert (row["target_age"], row["predicted_age"], row["identity_by"]) == (20.0, None, "dlib")
    assert "mivolo" in row["why_null"]
    assert isinstance(row["identity"], float)
    assert isinstance(row["identity_reconstruction"], float)
    assert row["identity_d0"] > 0
    assert row["extrapolated_years"] is None
    assert row["seconds"] > 0


def test_good_bad_and_faceless_photos_each_get_their_row(tm, containers, photo, tmp_path):
    (photo.parent / "text.jpg").write_text("no picture")
    Image.fromarray(skimage_data.brick()).save(photo.parent / "wall.png")
    out = tmp_path / "out"
    argv = ("infer", photo.parent, "--ages", "20,70", "--out", out)
    weights = ("--weights", containers[0] / "sam.pt", *OFF)
    result = tm(*argv, *weights, "--json")
    assert (result.code, result.json["done"], result.json["skipped"], result.json["failed"]) == (
        0,
        2,
        1,
        1,
    )
    by_source = {Path(row["source"]).name: row for row in rows_of(out)}
    assert by_source["wall.png"]["reason"] == "no face found"
    assert by_source["text.jpg"]["status"] == "failed"
    again = tm(*argv, *weights, "--json")
    assert (again.json["done"], again.json["kept"]) == (0, 1)
    other = tm("infer", photo.parent, "--ages", "30", "--out", out, *weights, "--json")
    assert other.json["done"] == 1


def test_nothing_usable_exits_3(tm, containers, tmp_path):
    Image.fromarray(skimage_data.brick()).save(tmp_path / "wall.png")
    argv = ("--ages", "20", "--out", tmp_path / "out", "--weights", containers[0] / "sam.pt")
    assert tm("infer", tmp_path / "wall.png", *argv).code == 3


def test_alignment_is_checked(tm, containers, photo, tmp_path):
    argv = ("--ages", "20", "--weights", containers[0] / "sam.pt", "--aligned", *OFF)
    tm("prep", "align", photo, tmp_path / "aligned", "--size", 256)
    good = tm("infer", tmp_path / "aligned" / "eve.png", *argv, "--out", tmp_path / "good")
    assert good.code == 0
    loose = np.zeros((900, 900, 3), np.uint8)
    loose[300:812, 300:812] = skimage_data.astronaut()
    Image.fromarray(loose).save(tmp_path / "loose.png")
    bad = tm("infer", tmp_path / "loose.png", *argv, "--out", tmp_path / "bad")
    assert bad.code == 3
    assert "not aligned as in FFHQ" in bad.err
    assert tm("infer", tmp_path / "loose.png", *argv, "--out", tmp_path / "x", "--force").code == 0


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("--ages", "young", "no list of ages"),
        ("--ages", "20,500", "outside 0..120"),
        ("--device", "cuda", "there is no `cuda` device"),
        ("--set", "edit.pose=stirct", "did you mean `strict`"),
        ("--weights", "nowhere", "nowhere"),
    ],
)
def test_invalid_values_are_errors(tm, photo, tmp_path, option, value, words):
    if option == "--device" and torch.cuda.is_available():
        pytest.skip("there is a cuda device here")
    argv = {"--ages": "20", "--out": tmp_path / "out", option: value}
    result = tm("infer", photo, *(part for pair in argv.items() for part in pair))
    assert result.code in (2, 4)
    assert words in result.err


def test_mixing_takes_layers_from_a_reference_or_a_draw(tm, containers, photo, tmp_path):
    plain = ("infer", photo, "--ages", "20", "--weights", containers[0] / "sam.pt", *OFF)
    tm(*plain, "--out", tmp_path / "plain")
    settings = {
        "drawn": ("--set", "edit.mixing={seed=3, layers=[4,5,6,7]}"),
        "itself": ("--set", f"edit.mixing={{reference='{photo}', layers=[0,1,2,3,4,5,6,7]}}"),
        "none": ("--set", "edit.mixing={alpha=0.0, layers=[4,5,6,7]}"),
        "no layers": ("--set", "edit.layers=[]"),
    }
    shown = {}
    for name, setting in settings.items():
        assert tm(*plain, "--out", tmp_path / name, *setting).code == 0
        shown[name] = pixels(tmp_path / name / "eve_age20.png")
    untouched = pixels(tmp_path / "plain" / "eve_age20.png")
    assert not np.array_equal(shown["drawn"], untouched)
    assert np.array_equal(shown["none"], untouched)
    # A face mixed wholly with itself, or aged on no layer, is its plain inversion.
    assert np.abs(shown["itself"].astype(int) - shown["no layers"]).max() <= 1


def test_noise_by_content_is_the_same_twice_and_not_the_stored_one(tm, containers, photo, tmp_path):
    plain = ("infer", photo, "--ages", "20", "--weights", containers[0] / "sam.pt", *OFF)
    for name, noise in (("one", "content"), ("two", "content"), ("stored", "stored")):
        assert tm(*plain, "--out", tmp_path / name, "--set", f"noise={noise}").code == 0
    one, two, stored = (
        pixels(tmp_path / name / "eve_age20.png") for name in ("one", "two", "stored")
    )
    assert np.array_equal(one, two)
    assert not np.array_equal(one, stored)


def test_a_replaced_weights_file_makes_every_picture_anew(tm, containers, photo, tmp_path):
    weights = tmp_path / "mine.pt"
    argv = ("infer", photo, "--ages", "20", "--out", tmp_path / "out", "--weights", weights, *OFF)
    for kind in ("sam", "mytm"):
        weights.write_bytes((containers[0] / f"{kind}.pt").read_bytes())
        assert tm(*argv, "--json").json["done"] == 1
    assert tm(*argv, "--json").json["done"] == 0


def test_an_interrupted_folder_keeps_what_was_done(tm, containers, photo, tmp_path):
    for number in range(12):
        darker = skimage_data.astronaut() - np.minimum(skimage_data.astronaut(), number)
        Image.fromarray(darker).save(photo.parent / f"{number:02}.png")
    out, weights = tmp_path / "out", str(containers[0] / "sam.pt")
    argv = [
        "infer",
        str(photo.parent),
        "--ages",
        "20",
        "--out",
        str(out),
        "--weights",
        weights,
        *OFF,
    ]
    process = subprocess.Popen([sys.executable, "-m", "tm", *argv], stderr=subprocess.PIPE)
    for _ in range(600):
        if len(list(out.glob("*_age20.png"))) >= 2:
            break
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 130
    before = {row["source"] for row in rows_of(out)}
    assert len(before) >= 1
    result = tm(*argv, "--json")
    assert result.json["kept"] == len(before)
    assert result.json["kept"] + result.json["done"] == 13
    assert not [name for name in os.listdir(out) if name.endswith(".partial")]
