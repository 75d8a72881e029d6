"""What `pip install` of the built wheel gives, called from another folder."""

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

from tm import VERSION

ROOT = Path(__file__).parents[1]
PARTS = ("tm", "commands", "engine", "recipes", "pyproject.toml", "README.md", "LICENSE")


def run(*argv, cwd):
    # Without the variables of the test run: coverage would look for its own settings there.
    env = {key: value for key, value in os.environ.items() if not key.startswith("COV")}
    done = subprocess.run(argv, cwd=cwd, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A second venv with the wheel in it; the dependencies are borrowed from this one."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    source.mkdir()
    for part in PARTS:
        copy = shutil.copytree if (ROOT / part).is_dir() else shutil.copy
        copy(ROOT / part, source / part)
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "-o", folder, cwd=source)
    venv.create(folder / "venv", with_pip=True)
    python = folder / "venv" / "bin" / "python"
    (wheel,) = folder.glob("*.whl")
    run(python, "-m", "pip", "install", "--no-deps", "--no-index", wheel, cwd=folder)
    site = run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=folder)
    # A plain path line: the editable install of this venv is not looked into by it.
    (Path(site.strip()) / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return folder / "venv" / "bin"


def test_the_wheel_brings_its_own_code(installed, tmp_path):
    where = run(installed / "python", "-c", "import engine; print(engine.__file__)", cwd=tmp_path)
    assert Path(where.strip()).is_relative_to(installed.parent)


def test_the_wheel_says_its_version(installed, tmp_path):
    assert run(installed / "tm", "--version", cwd=tmp_path).strip() == VERSION
    listed = run(installed / "python", "-m", "pip", "list", "--format=freeze", cwd=tmp_path)
    assert f"tm-toolkit=={VERSION}" in listed


def test_the_wheel_lists_its_recipes(installed, tmp_path):
    assert "prep/photos" in run(installed / "tm", "recipe", "list", cwd=tmp_path)


def test_the_wheel_renders_a_portrait(installed, tmp_path):
    argv = ("prep", "synth", "world", "--people", "1", "--per-person", "1", "--size", "64")
    run(installed / "tm", *argv, cwd=tmp_path)
    assert (tmp_path / "world" / "000000" / "50_0.png").is_file()


def test_the_wheel_brings_the_composites_of_the_demo(installed, tmp_path):
    code = "import engine.shipped as s; from pathlib import Path; print(Path(s.__file__).parent)"
    folder = Path(run(installed / "python", "-c", code, cwd=tmp_path).strip())
    assert len(list((folder / "composites").glob("*.jpg"))) == 2
