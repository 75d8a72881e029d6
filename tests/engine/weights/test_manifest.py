import json
from importlib.resources import files
from importlib.util import find_spec
from urllib.parse import urlsplit

import pytest

from engine.core.digest import file_sha256
from engine.core.errors import UsageError
from engine.weights.folder import instructions_for, status_of
from engine.weights.manifest import known_weights

WEIGHTS = known_weights().weights
NEEDED = {
    *("sam", "psp", "stylegan2-ffhq", "ir-se50", "dex", "gfpgan", "gfpgan-1.3", "ddcolor"),
    *(
        "ddcolor-tiny",
        "realesrgan-x4",
        "realesrgan-x2",
        "realesrgan-x4-ncnn",
        "mivolo",
        "janus-pro-1b",
        "janus-pro-7b",
    ),
    *("adaface", "agetransformer", "dlib-68-points", "dlib-5-points", "dlib-descriptor"),
    *("dlib-cnn-detector", "lpips-alex", "lpips-vgg", "lpips-squeeze", "inception-fid"),
    *("age-resnet50", "age-vgg16", "age-gate", "face-api", "faceres"),
}
HOSTS = {"github.com", "huggingface.co"}
ADDED = """
[[weights]]
name = "sam"
file = "sam_ffhq_aging.pt"
about = "Our mirror."
licence = "MIT"
commercial = "no"
data = "FFHQ"
addresses = ["https://example.org/sam.pt"]
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "weights").mkdir()
    return tmp_path / "weights"


def test_everything_the_project_uses_is_in_the_manifest():
    assert {weight.name for weight in WEIGHTS} == NEEDED


@pytest.mark.parametrize("weight", list(WEIGHTS), ids=lambda weight: weight.name)
def test_every_entry_says_what_it_is_and_how_to_get_it(weight):
    assert weight.about.endswith(".")
    assert weight.licence
    assert weight.data
    assert {urlsplit(address).hostname for address in weight.addresses} <= HOSTS
    assert weight.file in instructions_for(weight) or weight.name in instructions_for(weight)


@pytest.mark.parametrize(
    "weight", [one for one in WEIGHTS if one.package], ids=lambda weight: weight.name
)
def test_what_a_package_brings_is_found_there_and_is_the_published_file(weight, folder):
    found = status_of(weight, folder)
    if weight.extra is not None and find_spec(weight.package) is None:
        pytest.skip(f"the extra `{weight.extra}` is not installed")
    assert found.location == "package"
    assert found.path.stat().st_size == weight.bytes
    assert file_sha256(found.path) == weight.sha256


def test_the_68_points_are_marked_as_not_commercial():
    assert known_weights()["dlib-68-points"].commercial == "no"


def test_an_unknown_name_comes_with_the_nearest():
    with pytest.raises(UsageError, match="unknown weights `gfpgam`") as error:
        known_weights()["gfpgam"]
    assert error.value.hint == "did you mean `gfpgan`?"


def test_a_weights_folder_can_add_mirrors_of_its_own(folder):
    (folder / "manifest.toml").write_text(ADDED, encoding="utf-8")
    manifest = known_weights(folder)
    assert manifest["sam"].addresses == ("https://example.org/sam.pt",)
    assert len(manifest.weights) == len(WEIGHTS)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[[weights", "is not TOML"),
        (ADDED.replace("licence", "license"), r"(?s)licence: this key is required.*did you mean"),
        (ADDED.replace("https://", "file:///"), "no http or https address"),
        (ADDED.replace("sam_ffhq_aging.pt", "../sam.pt"), "weights.0.file"),
        (ADDED + ADDED, "two entries have the name `sam`"),
        (ADDED + 'sha256 = "abc"', "weights.0.sha256"),
    ],
)
def test_a_fault_in_the_manifest_of_the_folder_is_named_with_its_key(folder, text, said):
    (folder / "manifest.toml").write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match=said):
        known_weights(folder)


def test_the_manifest_is_package_data():
    assert files("engine.weights").joinpath("manifest.toml").is_file()
    assert json.dumps([weight.dump() for weight in WEIGHTS])
