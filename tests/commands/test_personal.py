"""Personal training by the command line: train, resume, refuse, render."""

import json
import shutil
from pathlib import Path

import numpy as np
import person
import pytest
import torch
from PIL import Image

from engine.banks.bank import Bank
from engine.banks.files import read_bank, save_bank
from engine.images.saving import provenance_of
from engine.weights.load import read_checkpoint

SHORT = ("--set", "phase.0.steps=2", "--set", "phase.1.steps=2", "--set", "save_every=1", "-q")


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    return person.make(tmp_path_factory.mktemp("made"))


@pytest.fixture
def world(original, tmp_path, monkeypatch):
    """A copy that a test may change; the recipes in it name its own files."""
    folder = person.copied(original, tmp_path / "world")
    monkeypatch.chdir(folder)
    return folder


def train(tm, *more, recipe="toy.toml", out="run"):
    return tm("train", "--recipe", recipe, "--out", out, *SHORT, *more)


def saved(run):
    return sorted(path.name for path in (Path(run) / "checkpoints").glob("step_*"))


def words(result):
    return " ".join(result.err.split())


def rewind(run, step):
    """Take a run back to an earlier step."""
    for path in (Path(run) / "checkpoints").glob("step_*"):
        if int(path.name.removeprefix("step_")) > step:
            shutil.rmtree(path)


def test_a_run_records_its_inputs(tm, world):
    assert train(tm, recipe="mined.toml").code == 0
    weights = json.loads(Path("run/environment.json").read_text())["weights"]
    networks = {"identity", "age", "age_evaluator", "landmarks"}
    assert set(weights) == {"start", "bank", "photos", *networks}
    assert weights["photos"].endswith(" of 12 photos")
    assert Path("_latest").resolve() == world / "run"


@pytest.mark.parametrize("change", ["gone", "another", "new age", "no folder"])
def test_a_run_is_not_resumed_with_other_photos(tm, world, change):
    assert train(tm).code == 0
    rewind("run", 3)
    photo = min((world / "photos").rglob("*.png"))
    match change:
        case "gone":
            photo.unlink()
        case "another":
            Image.fromarray(np.zeros((32, 32, 3), np.uint8)).save(photo)
        case "new age":
            manifest = (world / "photos" / "manifest.jsonl").read_text()
            (world / "photos" / "manifest.jsonl").write_text(
                manifest.replace('"age": 20.0', '"age": 21.0')
            )
        case _:
            shutil.rmtree(world / "photos")
    result = tm("resume", "run")
    assert result.code == 2
    fault = "is not a folder of photos" if change == "no folder" else "have changed: `photos` was"
    assert fault in words(result)
    assert saved("run") == ["step_3"]


def test_a_run_is_not_resumed_with_another_bank(tm, world):
    assert train(tm, recipe="mined.toml").code == 0
    rewind("run", 3)
    bank = read_bank(world / "bank.safetensors")
    fewer = Bank(
        bank.embeddings[1:], bank.ages[1:], bank.sources[1:], bank.embedder, bank.digest, 5
    )
    save_bank(world / "bank.safetensors", fewer)
    result = tm("resume", "run")
    assert (result.code, "have changed: `bank` was" in words(result)) == (2, True)


def test_photos_deleted_during_a_run_do_not_change_it(tm, world, monkeypatch):
    from commands import _training
    from engine.training.callbacks import SilentCallback

    assert train(tm, out="undisturbed").code == 0

    class Remover(SilentCallback):
        def on_step(self, progress):
            shutil.rmtree(world / "photos", ignore_errors=True)

    monkeypatch.setattr(_training, "LiveTraining", Remover)
    assert train(tm).code == 0
    assert not (world / "photos").exists()
    same = [Path(run) / "checkpoints/step_4/nets.safetensors" for run in ("run", "undisturbed")]
    assert same[0].read_bytes() == same[1].read_bytes()


def test_the_person_must_not_be_in_the_bank(tm, world):
    person.bank_of(world, world / "bank.safetensors", world / "photos")
    result = train(tm, recipe="mined.toml")
    assert result.code == 3
    assert f"the bank holds person {person.PERSON} of" in words(result)
    assert not Path("run").exists()


def test_people_of_the_prior_s_training_in_the_bank_are_remarked(tm, world):
    person.photos(world / "met", people=2, per_person=4, seed=100_000)
    person.bank_of(world, world / "bank.safetensors", world / "met")
    result = tm("train", "--recipe", "mined.toml", "--out", "run", *SHORT[:-1])
    assert result.code == 0
    assert "people 100000, 100001 of the prior's training set" in words(result)


def test_a_bank_of_another_embedder_is_refused(tm, world):
    bank = read_bank(world / "bank.safetensors")
    digest = person.other_identity_network().digest
    other = Bank(bank.embeddings, bank.ages, bank.sources, bank.embedder, digest, 5, bank.facts)
    save_bank(world / "bank.safetensors", other)
    result = train(tm, recipe="mined.toml")
    assert result.code == 4
    assert "embeddings cannot be compared" in words(result)
    assert not Path("run").exists()


def test_a_bank_with_nan_rows_is_refused_with_their_number(tm, world):
    bank = read_bank(world / "bank.safetensors")
    rows = bank.embeddings.clone()
    rows[:3, 0] = torch.nan
    save_bank(
        world / "bank.safetensors",
        Bank(rows, bank.ages, bank.sources, bank.embedder, bank.digest, 5, bank.facts),
    )
    result = train(tm, recipe="mined.toml")
    assert result.code == 4
    assert "3 of 24 rows of" in words(result)
    assert not Path("run").exists()


def test_extrapolated_ages_are_marked(tm, world):
    assert train(tm).code == 0
    photo = min((world / "photos").rglob("*.png"))
    argv = ("--aligned", "--force", "--strip", "--set", "evaluate=false", "-q")
    result = tm("infer", photo, "--ages", "10,20,50,70", "--out", "out", "--weights", "run", *argv)
    assert result.code == 0
    rows = [json.loads(line) for line in Path("out/results.jsonl").read_text().splitlines()]
    beyond = {row["target_age"]: row["extrapolated_years"] for row in rows}
    assert beyond == {10.0: 10.0, 20.0: 0.0, 50.0: 0.0, 70.0: 20.0}
    marked = {age: provenance_of(Path(f"out/{photo.stem}_age{age}.png")) for age in (50, 70)}
    assert "extrapolated_years" not in marked[50]
    assert marked[70]["extrapolated_years"] == 20


def test_the_photos_of_an_earlier_run_still_count(tm, world):
    assert train(tm).code == 0
    few = world / "few"
    shutil.copytree(world / "photos", few)
    rows = [json.loads(line) for line in (few / "manifest.jsonl").read_text().splitlines()]
    kept = [row for row in rows if 30 <= row["age"] <= 40]
    (few / "manifest.jsonl").write_text("".join(json.dumps(row) + "\n" for row in kept))
    assert train(tm, "--from", "run", "--photos", few, out="more").code == 0
    best = read_checkpoint(Path("more/checkpoints/best/nets.safetensors"))
    assert best.facts["ages"] == [20.0, 50.0]
