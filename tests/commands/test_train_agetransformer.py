"""Training an AgeTransformer, tiny: with the truth, and from labels alone."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from engine.training.checkpoint import read_snapshot
from engine.weights.find import find_weights
from engine.weights.load import read_checkpoint

SIZE = 32
NET = (
    "net={stem=4,widths=[8,32],decoder_widths=[8,32],blocks=1,convolved=1,style=8,shared_channels=4,"
    "window=4,discriminator=[4,8,8]}"
)
SMALL = (
    f"size={SIZE}",
    "batch=3",
    "threads=1",
    'precision="float32"',
    "log_every=1",
    "save_every=2",
    "loss.r1_every=2",
    NET,
)
DRAWN = (
    *SMALL,
    f"data.train={{first=430_000,people=4,scenes=1,ages=3,size={SIZE}}}",
    f"data.validation={{first=430_100,people=2,scenes=1,fixed=[10,50,90],size={SIZE}}}",
    "validate_every=6",
    "sample_every=6",
    'phase=[{name="outline",objective="outline",steps=2,trainable=["generator"]},{name="picture",steps=4}]',
)


def settings(*pairs):
    return [word for pair in pairs for word in ("--set", pair)]


def weights(run, step):
    nets = read_snapshot(run / "checkpoints" / f"step_{step}").nets
    return torch.cat([t.reshape(-1).float() for net in nets.values() for t in net.values()])


def metrics(run):
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return {key: value for row in rows for key, value in row.items()}


@pytest.fixture
def faces(tmp_path):
    """Sixty squares with ages in their names, and labels of which one in three is unsure."""
    folder, draws = tmp_path / "faces", np.random.default_rng(0)
    folder.mkdir()
    labels = {}
    for number in range(60):
        age = 5 + 90 * number // 60
        pixels = draws.integers(0, 255, (4, 4, 3), np.uint8)
        picture = Image.fromarray(pixels).resize((40, 40), Image.Resampling.BICUBIC)
        picture.save(folder / f"{age}_{number}.png")
        labels[f"{number}"] = {
            "source": f"faces/{age}_{number}.png",
            "age": float(age),
            "age_std": 2.0 if number % 3 else 12.0,
            "reliability": 0.9 if number % 3 else 0.1,
            "keep": number != 7,
        }
    (tmp_path / "labels.json").write_text(json.dumps({"schema": 1, "labels": labels}))
    return folder


def labelled(faces, *more):
    return (
        *SMALL,
        f'photos="{faces.as_posix()}"',
        f'labels="{(faces.parent / "labels.json").as_posix()}"',
        'networks.identity="nano-identity"',
        'networks.age="nano-age"',
        'networks.perceptual="nano-identity-features"',
        'networks.age_evaluator="nano-age-evaluator"',
        "validate_every=4",
        "sample_every=4",
        'phase=[{name="picture",steps=4}]',
        *more,
    )


def test_with_the_truth_it_trains_resumes_and_ages(tm, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    recipe = ("train", "--recipe", "agetransformer/nano", *settings(*DRAWN))
    assert tm(*recipe, "--out", "straight").code == 0
    with monkeypatch.context() as patch:
        patch.setattr("engine.training.launch.train", stopping(3))
        assert tm(*recipe, "--out", "stopped").code == 0
    assert not (tmp_path / "stopped/checkpoints/step_6").exists()
    assert tm("resume", "stopped").code == 0
    assert torch.equal(weights(tmp_path / "straight", 6), weights(tmp_path / "stopped", 6))
    logged = metrics(tmp_path / "straight")
    assert {
        "loss/adversarial",
        "loss/discriminator_age_class",
        "loss/r1",
        "loss/perceptual",
    } <= set(logged)
    assert {"val/feature_distance", "val/age_mae", "val/in_order", "val/psnr_unchanged"} <= set(
        logged
    )
    facts = read_checkpoint(find_weights("straight")).facts
    assert facts["age_anchors"] == [*range(5, 100, 10)]
    assert facts["age_bins"][-1] == [90, 120]
    assert facts["domain"] == "portraits"
    Image.new("RGB", (SIZE, SIZE)).save(tmp_path / "eve.png")
    argv = ("--out", "aged", "--aligned", "--force", "--set", "evaluate=false")
    assert tm("infer", "eve.png", "--weights", "straight", *argv, "--json").json["done"] == 10


def stopping(step):
    from engine.training.loop import train

    def until(task, plan, run, processes, watcher):
        return train(task, plan, run, processes, watcher, until=step)

    return until


@pytest.mark.parametrize("version", [1, 2])
def test_from_labels_alone_either_version_trains(tm, tmp_path, faces, monkeypatch, version):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("engine.trainings.agetransformer.recipe.STYLE", 16)
    monkeypatch.setattr("engine.trainings.agetransformer.recipe.widths", lambda size: (8,) * 4)
    given = labelled(faces, f"net.version={version}", 'anchors="ffhq_aging"')
    result = tm("train", "--recipe", "agetransformer/base", "--out", "run", *settings(*given))
    assert result.code == 0, result.err
    logged = metrics(tmp_path / "run")
    assert {"loss/cycle", "loss/reconstruction", "loss/age_class", "loss/age"} <= set(logged)
    assert {"val/cost", "val/reconstruction", "val/identity", "val/age_mae"} <= set(logged)
    checkpoint = read_checkpoint(find_weights("run"))
    assert checkpoint.facts["age_bins"][0] == [0, 3]
    assert checkpoint.facts["version"] == version
    more = (*given, 'start="run"')
    again = tm("train", "--recipe", "agetransformer/base", "--out", "next", *settings(*more))
    assert again.code == 0, again.err
    other = ("net.version=2", "net.stem=8") if version == 2 else ("net.version=2",)
    result = tm(
        *("train", "--recipe", "agetransformer/base", "--out", "no"), *settings(*more, *other)
    )
    assert result.code == 4
    assert "does not fit this recipe" in result.err or "has no `discriminator`" in result.err


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("anchors=[5,5]", "anchors must rise"),
        ('photos="x"', "exclude each other"),
        ('trust="labels"', "needs `labels`"),
        ("data.train.ages=1", "two ages or more"),
        ("net.version=1", "power of two"),
        ('networks.age_evaluator="nano-age"', "must not be the network of the loss"),
    ],
)
def test_a_faulty_recipe_is_refused(tm, change, message):
    more = ("size=48",) if change == "net.version=1" else ()
    argv = ("train", "--recipe", "agetransformer/nano", *settings(change, *more), "--dry-run")
    result = tm(*argv)
    assert result.code == 2
    assert message in result.err


def test_missing_photographs_and_faulty_labels_are_errors(tm, tmp_path, faces):
    argv = ("train", "--recipe", "agetransformer/base", "--out", tmp_path / "run")
    assert "`photos` is required" in tm(*argv).err
    given = labelled(faces)
    (tmp_path / "labels.json").write_text('{"labels": {"a": {"age": "old"}}}')
    result = tm(*argv, *settings(*given))
    assert result.code == 2
    assert "cannot be read as labels" in result.err
