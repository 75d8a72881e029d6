"""`tm train` and `tm resume` by the command line, on a toy."""

import json
import shutil
from pathlib import Path

import pytest
import torch
import toy
from PIL import Image

from engine.config.base import RECIPES
from engine.training.checkpoint import read_snapshot
from engine.training.extension import Extension, extended
from engine.training.journal import read_journal
from engine.weights.load import read_checkpoint


@pytest.fixture(autouse=True)
def recipe(tmp_path, monkeypatch):
    assert "toy" not in RECIPES
    monkeypatch.setitem(RECIPES._classes, "toy", toy.ToyRecipe)
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "curve.toml"
    path.write_text(
        """
kind = "toy"
about = "A curve"
batch = 8
save_every = 10
validate_every = 20
log_every = 10
threads = 1

[average]
decay = 0.9

[[phase]]
name = "first"
steps = 20
rate = "0:5e-2, 10:1e-2"

[[phase]]
name = "second"
steps = "0.02k"
trainable = ["net.0"]
optimizer = "ranger"
"""
    )
    return path


def test_a_run_folder_explains_itself(tm, recipe):
    result = tm("train", "--recipe", str(recipe), "--out", "run", "--json")
    assert result.code == 0, result.err
    assert result.json["ended"] == "finished"
    assert (result.json["run"], result.json["step"]) == ("run", 40)
    names = {path.name for path in Path("run").iterdir() if not path.name.startswith(".")}
    assert names == {
        *("recipe.toml", "command.txt", "environment.json", "metrics.jsonl"),
        *("tensorboard", "checkpoints", "curves.svg"),
    }
    assert Path("run/command.txt").read_text().startswith("tm train --recipe")
    assert "second 40/40" in result.err
    assert "validation at 20: error" in result.err
    kept = {p.name for p in Path("run/checkpoints").iterdir()}
    assert kept == {"step_30", "step_40", "best", "timestamp.txt"}


def test_a_run_on_photographs_says_which_files_are_personal(tm, recipe, monkeypatch, tmp_path):
    photos = tmp_path / "photos"
    photos.mkdir()
    Image.new("RGB", (8, 8)).save(photos / "30_1.png")
    monkeypatch.setattr(toy.ToyRecipe, "albums", lambda self: {"photos": photos})
    settings = ("--set", "phase.0.steps=1", "--set", "deterministic=true", "-q")
    assert tm("train", "--recipe", str(recipe), "--out", "run", *settings).code == 0
    assert torch.are_deterministic_algorithms_enabled()
    text = Path("run/personal.txt").read_text()
    assert all(name in text for name in ("checkpoints/", "samples/", "eval/", "curves.svg"))
    assert Path("run/.gitignore").read_text() == "*\n"
    assert tm("train", "--recipe", str(recipe), "--out", "other", *settings[:2], "-q").code == 0
    assert not torch.are_deterministic_algorithms_enabled()


def test_runs_without_a_name_get_the_next_free_one(tm, recipe):
    for _ in range(3):
        assert tm("train", "--recipe", str(recipe), "--set", "phase.0.steps=1", "-q").code == 0
    names = ["_latest", "curve", "curve-2", "curve-3"]
    assert sorted(path.name for path in Path("runs").iterdir()) == names
    assert Path("runs/_latest").resolve() == Path("runs/curve-3").resolve()
    assert tm("resume", "runs/_latest", "--json").json["ended"] == "finished"


def test_a_run_is_not_overwritten(tm, recipe):
    assert tm("train", "--recipe", str(recipe), "--out", "run", "-q").code == 0
    result = tm("train", "--recipe", str(recipe), "--out", "run")
    assert result.code == 2
    assert "`run` holds a run already" in result.err


def test_a_finished_run_has_nothing_left_and_a_cut_one_is_resumed(tm, recipe):
    assert tm("train", "--recipe", str(recipe), "--out", "whole", "-q").code == 0
    assert tm("resume", "whole", "--json").json["ended"] == "finished"
    assert tm("train", "--recipe", str(recipe), "--out", "cut", "-q").code == 0
    for step in (30, 40):
        folder = Path("cut/checkpoints") / f"step_{step}"
        folder.rename(folder.with_name(f"gone_{step}"))
    Path("cut/checkpoints/gone_30").rename("cut/checkpoints/step_30")
    result = tm("resume", "cut", "--dry-run", "--json").json
    assert result["runs"] == [{"run": "cut", "step": 30, "steps": 40}]
    assert tm("resume", "cut", "--until", "33", "--json").json["ended"] == "until"
    assert tm("resume", "cut", "--json").json["step"] == 40
    same = [Path(name) / "checkpoints/step_40/nets.safetensors" for name in ("cut", "whole")]
    assert same[0].read_bytes() == same[1].read_bytes()


@pytest.fixture
def cut(tm, recipe):
    """A run that stopped at step 30 of 40; a callable edits a file of it."""
    assert tm("train", "--recipe", str(recipe), "--out", "cut", "-q").code == 0
    shutil.rmtree("cut/checkpoints/step_40")

    def edit(name, old, new):
        text = Path("cut", name).read_text()
        assert old in text
        Path("cut", name).write_text(text.replace(old, new))

    return edit


@pytest.mark.parametrize(
    ("edits", "code", "said"),
    [
        ([], 0, None),
        ([("recipe.toml", "batch = 8", "batch = 4")], 2, "edited: `batch` was 8, is 4"),
        ([("environment.json", '"threads": 1', '"threads": 9999')], 0, "threads was 9999, is"),
        (
            [("recipe.toml", "width = 16", "width = 8")],
            2,
            "edited: `width` was 16, is 8",
        ),
    ],
)
def test_what_was_edited_before_resuming_is_said(tm, cut, edits, code, said):
    for edit in edits:
        cut(*edit)
    result = tm("resume", "cut")
    assert result.code == code, result.err
    assert said in result.err if said is not None else "edited" not in result.err
    assert "Traceback" not in result.err


def test_a_key_that_an_older_tm_did_not_know_is_no_edit(tm, cut):
    environment = Path("cut/environment.json")
    kept = json.loads(environment.read_text())
    del kept["recipe"]["deterministic"]
    environment.write_text(json.dumps(kept))
    cut("recipe.toml", "deterministic = false\n", "")
    assert tm("resume", "cut", "-q").code == 0
    cut("recipe.toml", "batch = 8\n", "batch = 8\ndeterministic = true\n")
    assert "`deterministic` was not there, is True" in tm("resume", "cut").err


def test_an_accepted_edit_must_fit_the_checkpoint(tm, cut):
    cut("recipe.toml", "width = 16", "width = 8")
    result = tm("resume", "cut", "--accept-changes")
    assert (result.code, "does not fit its checkpoint" in result.err) == (2, True)


def test_an_edit_is_accepted_once(tm, cut):
    cut("recipe.toml", "batch = 8", "batch = 4")
    assert "--accept-changes" in tm("resume", "cut").err
    accepted = tm("resume", "cut", "--accept-changes")
    assert accepted.code == 0, accepted.err
    assert "`cut` continues at step 30 of 40 (best error 0." in accepted.err
    assert tm("resume", "cut").code == 0


def test_a_finished_run_goes_on_with_its_optimizers(tm, cut):
    assert tm("resume", "cut", "-q").code == 0
    before = read_snapshot(Path("cut/checkpoints/step_40"))
    result = tm("resume", "cut", "--steps", "+10", "--rate", "1e-6", "--json")
    assert result.code == 0, result.err
    assert result.json["step"] == 50
    assert "`cut` continues at step 40 of 40 and +10 more" in result.err
    after = read_snapshot(Path("cut/checkpoints/step_50"))
    steps = [one.state["optimizers"]["main"]["state"][0]["step"] for one in (before, after)]
    assert int(steps[1]) == int(steps[0]) + 10
    rows = read_journal(Path("cut/metrics.jsonl"))
    assert [(row["phase"], row["lr/net.0"]) for row in rows if row["step"] > 40] == [
        ("extended", 1e-6)
    ]
    assert tm("resume", "cut", "--json").json["step"] == 50
    # A run that was cut again ends in the same bits.
    shutil.copytree("cut", "other")
    shutil.rmtree("other/checkpoints/step_50")
    assert tm("resume", "other", "--json").json["step"] == 50
    same = [Path(name) / "checkpoints/step_50/nets.safetensors" for name in ("cut", "other")]
    assert same[0].read_bytes() == same[1].read_bytes()


def test_a_run_of_one_phase_can_be_extended_twice():
    one = toy.ToyRecipe(name="x", steps=100, rate={"kind": "cosine", "start": 0.1, "end": 0.01})
    twice = extended(extended(one, Extension(10)), Extension(5, 1e-6))
    assert [(phase.name, phase.steps) for phase in twice.phases] == [
        ("main", 100),
        ("extended", 10),
        ("extended_2", 5),
    ]
    assert twice.phases[1].rate.at(3) == one.phases[0].rate.at(99)
    assert twice.phases[2].rate.at(3) == 1e-6


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["--steps", "3k"], "write it as `+3k`"),
        (["--steps", "+0"], "no number of further steps"),
        (["--steps", "+x"], "is not a number"),
        (["--rate", "1e-6"], "a rate is for further steps"),
        (["--steps", "+1", "--rate", "-1"], "outside 0..1"),
    ],
)
def test_faulty_extensions_are_refused(tm, cut, argv, said):
    result = tm("resume", "cut", *argv)
    assert (result.code, said in " ".join(result.err.split())) == (2, True), result.err


def test_a_run_whose_checkpoints_are_all_damaged_does_not_begin_anew(tm, cut):
    for state in Path("cut/checkpoints").glob("step_*/state.json"):
        state.write_text("{")
    result = tm("resume", "cut")
    assert result.code == 4
    assert "no checkpoint is whole" in result.err


def test_a_run_without_a_checkpoint_says_where_it_begins(tm, cut):
    shutil.rmtree("cut/checkpoints")
    result = tm("resume", "cut")
    assert result.code == 0
    assert "begins at step 1" in result.err


def test_a_run_may_go_on_elsewhere(tm, cut):
    assert tm("resume", "cut", "--device", "cpu", "--json").json["step"] == 40
    if not torch.cuda.is_available():
        for dry_run in ([], ["--dry-run"]):
            assert tm("resume", "cut", "--device", "cuda", *dry_run).code == 2


def test_a_dry_run_forecasts_and_touches_nothing(tm, recipe):
    result = tm("train", "--recipe", str(recipe), "--dry-run", "--json")
    first, second = result.json["phases"]
    assert first == {
        "name": "first",
        "steps": 20,
        "trainable": ["net", "discriminator"],
        "parameters": 32 + 17 + 16 + 9,
    }
    assert (second["trainable"], second["parameters"]) == (["net.0"], 32)
    assert result.json["disk_bytes"] > result.json["memory_bytes"] > 0
    table = tm("train", "--recipe", str(recipe), "--dry-run")
    assert "net, discriminator" in table.out
    assert sorted(path.name for path in Path().iterdir()) == ["curve.toml"]


@pytest.mark.parametrize(
    ("settings", "fault"),
    [
        (["steps=3"], "`steps` belongs into each `[[phase]]` here"),
        (["phase.0.trainable=['nett']"], "there is no part `nett` to train"),
        (["phase.1.optimizer='rangr'"], "did you mean `ranger`?"),
        (["phase.1.name='first'"], "needs a name of its own"),
        (["start='x'"], "begins from nothing"),
        (["phase.0.objective='x'"], "unknown objective `x`, known: none"),
        (["batch=0"], "greater than or equal to 1"),
    ],
)
def test_a_faulty_recipe_leaves_no_run(tm, recipe, settings, fault):
    more = [token for setting in settings for token in ("--set", setting)]
    result = tm("train", "--recipe", str(recipe), "--out", "run", *more)
    assert result.code == 2
    assert fault in " ".join(result.err.split())
    assert not Path("run/environment.json").exists()


def test_a_diverging_run_names_the_term(tm, recipe):
    result = tm("train", "--recipe", str(recipe), "--out", "run", "--set", "broken_from=12")
    assert result.code == 1
    assert "10 steps up to 21 were not finite: the term `l2` was the first" in result.err
    assert tm("resume", "run", "--dry-run", "--json").json["runs"][0]["step"] == 20


def test_a_folder_without_a_run_is_not_resumed(tm):
    result = tm("resume", "nowhere")
    assert (result.code, "`nowhere` holds no run" in result.err) == (2, True)


def test_a_recipe_is_required_and_must_train(tm):
    assert "which recipe?" in tm("train").err
    result = tm("train", "--recipe", "prep/photos")
    assert (result.code, "trains nothing" in result.err) == (2, True)


def test_photos_are_for_recipes_that_take_them(tm, recipe, tmp_path):
    result = tm("train", "--recipe", str(recipe), "--photos", tmp_path, "--dry-run")
    assert (result.code, "photos: unknown key" in result.err) == (2, True)
    argv = ("train", "--recipe", "nano/stage1", "--photos", tmp_path / "none")
    result = tm(*argv)
    assert (result.code, "none` is not a folder of photos" in result.err) == (2, True)
    result = tm(*argv, "--set", "loss.contrastive_id.weight=0.02")
    assert (result.code, "the `miner` needs a `bank`" in result.err) == (2, True)


def test_a_run_is_exported_with_its_card(tm, recipe):
    assert tm("train", "--recipe", str(recipe), "--out", "run", "-q").code == 0
    card = tm("weights", "export", "run", "curve.safetensors", "--half", "--json").json
    assert card["command"].startswith("tm train")
    assert (card["recipe"], card["seed"], card["steps"]) == ("curve", 0, 40)
    assert card["metrics"]["error"] == tm("resume", "run", "--json").json["best"]
    assert len(card["portraits"]["references"]) == 6
    whole = read_checkpoint(Path("run/checkpoints/best/nets.safetensors"))
    half = read_checkpoint(Path("curve.safetensors"))
    assert half.card["recipe_digest"] == card["recipe_digest"]
    for key, tensor in whole.part("net").items():
        assert half.part("net")[key].dtype == torch.float32
        assert torch.allclose(half.part("net")[key], tensor, atol=1e-3)
    assert Path("curve.safetensors").stat().st_size < 3 * 1024


def test_a_series_trains_its_unfinished_runs(tm, recipe):
    series = Path("both.toml")
    series.write_text(
        """
kind = "series"
about = "Two curves"
[[run]]
recipe = "curve.toml"
name = "one"
[[run]]
recipe = "curve.toml"
name = "two"
set = ["seed=1", "about='after {out}/one'"]
"""
    )
    listed = tm("train", "--recipe", "both.toml", "--dry-run", "--json").json
    assert [run["run"] for run in listed["runs"]] == ["one", "two"]
    assert tm("train", "--recipe", "both.toml", "--out", "all", "-q").code == 0
    assert "after all/one" in Path("all/two/recipe.toml").read_text()
    one = Path("all/one/checkpoints/step_40/nets.safetensors").stat().st_mtime_ns
    Path("all/two/environment.json").unlink()
    assert tm("resume", "all", "--json").json["ended"] == "finished"
    assert Path("all/one/checkpoints/step_40/nets.safetensors").stat().st_mtime_ns == one
    assert tm("train", "--recipe", "both.toml", "--out", "all").code == 2


def test_a_second_run_on_a_locked_folder_names_the_process(tm, recipe):
    from engine.core.lock import locked

    assert tm("train", "--recipe", str(recipe), "--out", "run", "-q").code == 0
    with locked(Path("run")):
        result = tm("resume", "run")
    assert (result.code, "is in use by process" in result.err) == (2, True)
