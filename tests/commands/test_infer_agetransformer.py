"""`tm infer` with an AgeTransformer: ten ages in one pass, by the file's own anchors."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from engine.data.anchors import Anchors
from engine.images.ranges import to_pixels, to_tensor
from engine.nets.agetransformer.v1 import PublishedSpec, PublishedTransformer
from engine.nets.agetransformer.v2 import SlimSpec, SlimTransformer
from engine.weights.checkpoint import Checkpoint
from engine.weights.native import save_native

SIZE = 32
OFF = ("--aligned", "--force", "--set", "evaluate=false")
SLIM = SlimSpec(
    size=SIZE,
    stem=4,
    widths=(8, 32),
    decoder_widths=(8, 32),
    blocks=1,
    convolved=1,
    style=8,
    shared_channels=4,
    window=4,
)
CLASSES = ("1", "4.5", "8", "12", "17", "24.5", "34.5", "44.5", "59.5", "80")


def random_net(build, spread=0.2):
    torch.manual_seed(0)
    net = build().eval()
    with torch.no_grad():
        for parameter in net.parameters():
            if parameter.dim() > 1 and not parameter.any():
                parameter.normal_(0, spread)
    return net


def dull(net):
    """The network with less contrast: random ones are mostly black or white."""
    with torch.no_grad():
        for name, parameter in net.named_parameters():
            if name.startswith("to_rgb"):
                parameter.mul_(0.3)
    return net


@pytest.fixture(scope="module")
def nets():
    return {
        "v1": dull(
            random_net(
                lambda: PublishedTransformer(PublishedSpec(10, 8, encoder=(8, 8), stages=(16, 16)))
            )
        ),
        "v2": random_net(lambda: SlimTransformer(SLIM)),
    }


@pytest.fixture
def files(nets, tmp_path):
    other = random_net(lambda: PublishedTransformer(PublishedSpec(10, 8, (8, 8), (16, 16))), 1.0)
    torch.save({"g": other.state_dict(), "g_ema": nets["v1"].state_dict()}, tmp_path / "v1.pt")
    torch.save({"g": nets["v1"].state_dict()}, tmp_path / "raw.pt")
    facts = {"task": "agetransformer", "version": 2, "size": SIZE, "window": 4}
    save_native(
        tmp_path / "v2.safetensors",
        Checkpoint(
            "native",
            {"generator": nets["v2"].state_dict()},
            facts={**facts, **Anchors.at(range(5, 100, 10)).facts()},
        ),
    )
    return {
        "v1": tmp_path / "v1.pt",
        "raw": tmp_path / "raw.pt",
        "v2": tmp_path / "v2.safetensors",
    }


@pytest.fixture
def face(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 255, (4, 4, 3), np.uint8)
    picture = Image.fromarray(pixels).resize((SIZE, SIZE), Image.Resampling.BICUBIC)
    picture.save(tmp_path / "eve.png")
    return tmp_path / "eve.png"


def pixels(path):
    return np.asarray(Image.open(path).convert("RGB")).astype(int)


def directly(net, face, weights):
    with torch.inference_mode():
        picture = net(to_tensor(pixels(face).astype(np.uint8)), weights[None, None])[0]
    return to_pixels(picture).astype(int)


@pytest.mark.parametrize(
    ("file", "version", "ages"),
    [("v1", "v1", CLASSES), ("raw", "v1", CLASSES), ("v2", "v2", [*map(str, range(5, 100, 10))])],
)
def test_without_ages_every_anchor_is_drawn(tm, nets, files, face, tmp_path, file, version, ages):
    out = tmp_path / "out"
    result = tm("infer", face, "--out", out, "--weights", files[file], "--strip", *OFF, "--json")
    assert result.code == 0
    assert result.json["done"] == 10
    assert {path.name for path in out.glob("*_age*.png")} == {f"eve_age{age}.png" for age in ages}
    assert (out / "eve_strip.png").is_file()
    for at in (0, 4, 9):
        wanted = directly(nets[version], face, torch.eye(10)[at])
        assert np.abs(pixels(out / f"eve_age{ages[at]}.png") - wanted).max() <= 1
    assert np.abs(
        pixels(out / f"eve_age{ages[0]}.png") - pixels(out / f"eve_age{ages[9]}.png")
    ).any()


def test_ages_between_anchors_are_shares_of_both(tm, nets, files, face, tmp_path):
    out = tmp_path / "out"
    result = tm("infer", face, "--out", out, "--weights", files["v2"], "--ages", "42.5,98", *OFF)
    assert result.code == 0
    weights = torch.zeros(10)
    weights[3], weights[4] = 0.25, 0.75
    assert np.abs(pixels(out / "eve_age42.5.png") - directly(nets["v2"], face, weights)).max() <= 1
    assert "98 lies beyond the anchors" in result.err
    oldest = directly(nets["v2"], face, torch.eye(10)[9])
    assert np.abs(pixels(out / "eve_age98.png") - oldest).max() <= 1


def test_a_film_and_pictures_of_another_size_come_too(tm, files, face, tmp_path):
    out = tmp_path / "out"
    argv = ("--ages", "5,95", "--morph", "gif", "--size", "48", "--coupled")
    result = tm("infer", face, "--out", out, "--weights", files["v2"], *argv, *OFF)
    assert result.code == 0
    assert pixels(out / "eve_age5.png").shape == (48, 48, 3)
    with Image.open(out / "eve_morph.gif") as film:
        assert film.n_frames > 8
    assert (out / "eve_age95_coupled.png").is_file()


def test_a_row_explains_the_missing_plain_inversion(tm, files, face, tmp_path):
    out = tmp_path / "out"
    argv = ("--ages", "45", "--aligned", "--force")
    assert tm("infer", face, "--out", out, "--weights", files["v2"], *argv).code == 0
    (row,) = [json.loads(line) for line in (out / "results.jsonl").read_text().splitlines()]
    assert row["identity"] is not None
    assert row["identity_reconstruction"] is None
    assert "only faces at an age" in row["why_null"]


@pytest.mark.parametrize("name", ["v1", "v2"])
def test_codes_that_it_does_not_have_cannot_be_edited(tm, files, face, tmp_path, name):
    argv = ("--out", tmp_path / "out", "--weights", files[name], "--ages", "20", *OFF)
    for more in (("--strength", "0.5"), ("--set", 'edit.pose="strict"')):
        result = tm("infer", face, *argv, *more)
        assert result.code == 2
        assert "no codes to edit" in result.err


def test_other_weights_have_no_ages_of_their_own(tm, face, tmp_path):
    result = tm("infer", face, "--out", tmp_path / "out", *OFF)
    assert result.code == 2
    assert "no target age was given" in result.err


def lost(content):
    del content["g_ema"]["layers.0.blocks.1.mlp.fc1.bias"]
    return "layers.0.blocks.1.mlp.fc1.bias"


def unexpected(content):
    content["g_ema"]["layers.0.odd"] = torch.zeros(1)
    return "layers.0.odd"


def misshapen(content):
    content["g_ema"]["final_conv.0.weight"] = torch.zeros(8, 8, 5, 5)
    return "final_conv.0.weight"


def shorter(content):
    for key in [key for key in content["g_ema"] if key.startswith("layers.1.")]:
        del content["g_ema"][key]
    return "double as often"


@pytest.mark.parametrize("harm", [lost, unexpected, misshapen, shorter])
def test_a_damaged_published_file_ends_with_4_and_names_the_key(tm, files, face, tmp_path, harm):
    content = torch.load(files["v1"])
    named = harm(content)
    torch.save(content, tmp_path / "harmed.pt")
    argv = ("--out", tmp_path / "out", "--weights", tmp_path / "harmed.pt", *OFF)
    result = tm("infer", face, *argv)
    assert result.code == 4
    assert named in " ".join(result.err.split())
    assert not list((tmp_path / "out").glob("*.png"))
