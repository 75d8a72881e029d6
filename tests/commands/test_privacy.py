"""What an export says of the machine and the people: no folders, no names of homes."""

import numpy as np
import pytest

from engine.app.weights import command_without_folders
from engine.core.digest import file_sha256
from engine.core.ledger import read_rows
from engine.data.manifest import Row, read_manifest
from engine.images.saving import save_png


@pytest.mark.parametrize(
    ("command", "kept"),
    [
        ("tm train --recipe nano/identity --out /srv/runs/one", "--recipe nano/identity --out one"),
        ("tm train --photos '/home/Ann Lee/me'", "--photos me"),
        ("tm train --photos '../Ann Lee/my photos'", "--photos 'my photos'"),
        ("tm train --set 'identity=\"/home/Ann Lee/id\"'", "--set 'identity=\"id\"'"),
        ('tm train --set x=\'["/a/b c", "d/e"]\'', '--set \'x=["b c", "e"]\''),
        (
            "tm train --recipe my/own.toml --bank ~ann/b.safetensors",
            "own.toml --bank b.safetensors",
        ),
        ("tm train --set seed=3 --set target.age=40±2", "--set seed=3 --set target.age=40±2"),
        (r"tm train --photos 'C:\Users\Ann Lee\me'", "--photos me"),
        ("tm train --photos '/home/Ann Lee", "--photos"),
    ],
)
def test_a_command_keeps_no_folders(command, kept):
    cut = command_without_folders(command)
    assert kept in cut
    assert not [word for word in ("home", "Users", "Ann", "Lee", "ann") if word in cut]


@pytest.mark.parametrize("name", ["missing.pt", "models/mine", "runs/gone", "x.safetensors"])
def test_a_path_that_is_not_there_is_said_to_be_not_there(tm, tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.png").touch()
    result = tm("infer", "a.png", "--ages", "30", "--weights", name, "--out", "out")
    assert result.code == 2
    assert f"nothing is at `{name}`" in result.err
    assert len(result.err) < 200


@pytest.fixture
def known(tm, tmp_path):
    """A prepared folder with a descriptor, a bank of it in a folder below, and measured photos."""
    folder = tmp_path / "faces"
    draw = np.random.default_rng(0)
    for age in (30, 40):
        save_png(folder / f"{age}_0.png", draw.integers(0, 256, (64, 64, 3), np.uint8), {})
    described = Row(output="30_0.png", descriptor=(0.5,) * 128, scored="x", age=30.0, split="test",
                    sha256="5" * 64, landmarks=tuple((n % 9, n) for n in range(68)))  # fmt: skip
    rows = [described, Row(output="40_0.png", age=40.0)]
    text = "".join(f"{row.model_dump_json(exclude_none=True)}\n" for row in rows)
    (folder / "manifest.jsonl").write_text(text)
    bank = folder / "deep" / "bank.safetensors"
    assert tm("bank", "build", folder, bank, "--embedder", "nano-identity").code == 0
    features = tmp_path / "cache" / "photo-features"
    features.mkdir(parents=True)
    digests = {"own": file_sha256(folder / "30_0.png"), "source": "5" * 64, "other": "7" * 64}
    for digest in digests.values():
        (features / f"{digest[:24]}-x.npz").touch()
    (folder / "deep" / "left.ledger.jsonl").write_text('{"embedding":"AAAA"}\n')
    return folder


def test_forgetting_removes_what_identifies_and_nothing_else(tm, known, tmp_path):
    kept = {p.name: p.read_bytes() for p in known.glob("*.png")}
    would = tm("prep", "forget", known, "--dry-run", "--json").json
    assert read_manifest(known)[0].descriptor is not None
    done = tm("prep", "forget", known, "--json").json
    assert {**would, "dry_run": False} == done
    assert done["descriptors"] == {str(known / "manifest.jsonl"): 1}
    assert not [p for p in known.rglob("*.jsonl") if "embedding" in p.read_text()]
    assert not list(known.rglob("*.safetensors"))
    left = [p.name for p in (tmp_path / "cache" / "photo-features").iterdir()]
    assert left == [f"{'7' * 24}-x.npz"], "what was measured of other folders stays"
    first, second = read_rows(known / "manifest.jsonl")
    assert (first["age"], first["split"], second["age"]) == (30, "test", 40)
    assert not {"descriptor", "landmarks", "scored"} & set(first)
    assert {p.name: p.read_bytes() for p in known.glob("*.png")} == kept
    assert "no biometric data" in tm("prep", "forget", known).err


def test_what_is_biometric_is_said_when_it_is_written(tm, known):
    built = tm("bank", "build", known, known / "b.safetensors", "--embedder", "nano-identity")
    assert "holds biometric data" in built.err


def test_forgetting_asks_for_a_folder(tm, tmp_path):
    assert tm("prep", "forget", tmp_path / "gone").code == 2
