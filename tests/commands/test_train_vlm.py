"""Training an AgeTransformer with captions and an image tower, tiny; off by default."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from engine.core.digest import file_sha256
from engine.data.captions import Caption, Captions, Maker
from engine.training.checkpoint import read_snapshot
from engine.trainings.agetransformer.recipe import AgeTransformerNet
from engine.weights.find import find_weights
from engine.weights.load import read_checkpoint

RECIPE = """
kind = "agetransformer"
name = "tiny"
about = "Tiny"
seed = 3
size = 32
batch = 3
threads = 1
precision = "float32"
photos = "faces"
labels = "labels.json"
anchors = [20, 50, 80]
log_every = 1
save_every = 2
validate_every = 3
curriculum = { first = 3, last = 3 }

[[phase]]
name = "picture"
steps = 3
rate = 1e-3

[net]
stem = 4
widths = [8, 32]
decoder_widths = [8, 32]
blocks = 1
convolved = 1
style = 8
shared_channels = 4
window = 4
discriminator = [4, 8, 8]
"""
MAKER = Maker("tiny", "r1", "p", "s", 5)
UNSURE = 12.0
"""A standard deviation beyond the limit of the curriculum."""


@pytest.fixture
def home(tmp_path, monkeypatch):
    """Forty faces with labels, every third of them too unsure to be drawn; captions of all."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tiny.toml").write_text(RECIPE)
    (tmp_path / "faces").mkdir()
    draws, labels = np.random.default_rng(0), {}
    for number in range(40):
        age = 10 + 80 * number // 40
        pixels = draws.integers(0, 255, (4, 4, 3), np.uint8)
        picture = Image.fromarray(pixels).resize((32, 32), Image.Resampling.BICUBIC)
        picture.save(tmp_path / "faces" / f"{age}_{number}.png")
        labels[str(number)] = {
            "source": f"faces/{age}_{number}.png",
            "age": float(age),
            "age_std": 2.0 if number % 3 else UNSURE,
            "reliability": 0.9,
            "keep": True,
        }
    (tmp_path / "labels.json").write_text(json.dumps({"schema": 1, "labels": labels}))
    captioned(tmp_path / "captions", sorted((tmp_path / "faces").iterdir()))
    return tmp_path


def captioned(folder, files, maker=MAKER):
    captions = tuple(Caption(file.stem, file_sha256(file), "a face", "30") for file in files)
    seed = torch.Generator().manual_seed(0)
    image, text = (torch.randn(len(files), 5, generator=seed).half() for _ in range(2))
    Captions(maker, captions, image, text).save(folder)


def train(tm, out, *pairs):
    settings = [word for pair in pairs for word in ("--set", pair)]
    return tm("train", "--recipe", "tiny.toml", "--out", out, *settings)


def weights(run, step=3):
    nets = read_snapshot(run / "checkpoints" / f"step_{step}").nets
    return {f"{part}.{key}": value for part, net in nets.items() for key, value in net.items()}


def metrics(run):
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return {key: value for row in rows for key, value in row.items()}


def test_without_captions_and_weights_nothing_changes(tm, home):
    unsure = [file for file in sorted((home / "faces").iterdir()) if int(file.stem[3:]) % 3 == 0]
    captioned(home / "unsure", unsure)
    assert train(tm, "plain").code == 0
    # No sampled face has a caption, and the tower is not installed.
    unused = ('vlm={captions="unsure",caption_dropout=0,tower="janus-pro-1b"}', "loss.direction=0")
    result = train(tm, "unused", *unused)
    assert result.code == 0, result.err
    plain, other = weights(home / "plain"), weights(home / "unused")
    added = {f"generator.guide.{key}" for key in ("gate", "project.weight")}
    assert set(other) - set(plain) == added
    assert all(torch.equal(other[key], value) for key, value in plain.items())
    assert other["generator.guide.gate"] == 0
    assert "vlm" not in read_checkpoint(find_weights("plain")).facts
    assert not {"loss/direction", "loss/attributes"} & set(metrics(home / "unused"))


def test_with_captions_it_trains_resumes_and_infers_without_captions(
    tm, home, tiny_janus, monkeypatch
):
    on = (
        f'vlm={{captions="captions",tower="{tiny_janus.as_posix()}",caption_dropout=0.2}}',
        "loss.direction=1",
        "loss.attributes=1",
    )
    result = train(tm, "on", *on)
    assert result.code == 0, result.err
    assert "faces have a caption" in result.err
    assert {"loss/direction", "loss/attributes"} <= set(metrics(home / "on"))
    trained = weights(home / "on")
    assert trained["generator.guide.gate"] != 0
    environment = json.loads((home / "on" / "environment.json").read_text())
    assert {"vlm/index.jsonl", "vlm/model.safetensors"} <= set(environment["weights"])
    assert read_checkpoint(find_weights("on")).facts["vlm"] == MAKER.facts()
    with monkeypatch.context() as patch:
        patch.setattr("engine.training.launch.train", stopping(2))
        assert train(tm, "stopped", *on).code == 0
    assert tm("resume", "stopped").code == 0
    again = weights(home / "stopped")
    assert all(torch.equal(again[key], value) for key, value in trained.items())
    argv = ("--weights", "on", "--out", "aged", "--aligned", "--force", "--set", "evaluate=false")
    result = tm("infer", home / "faces" / "10_0.png", *argv, "--json")
    assert result.json["done"] == 3


def stopping(step):
    from engine.training.loop import train as loop

    def until(task, plan, run, processes, watcher):
        return loop(task, plan, run, processes, watcher, until=step)

    return until


def test_an_unguided_start_is_accepted_and_captions_of_another_model_are_refused(tm, home):
    assert train(tm, "plain").code == 0
    guided = 'vlm.captions="captions"'
    result = train(tm, "on", 'start="plain"', guided)
    assert result.code == 0, result.err
    assert train(tm, "further", 'start="on"', guided).code == 0
    result = train(tm, "none", 'start="on"')
    assert result.code == 4
    assert "`on` is guided by captions" in result.err
    files = sorted((home / "faces").iterdir())
    captioned(home / "others", files, Maker("tiny", "r2", "p", "s", 5))
    result = train(tm, "other", 'start="on"', 'vlm.captions="others"')
    assert result.code == 4
    assert "captions of another model: revision `r2`, not `r1`" in result.err


@pytest.mark.parametrize(
    ("pairs", "code", "message"),
    [
        (("loss.attributes=1",), 2, "need a `vlm.tower`"),
        (("loss.direction=1", 'vlm.tower="janus-pro-1b"'), 4, "`janus-pro-1b` are not in"),
        (('vlm.captions="nowhere"',), 2, "cannot be read as captions"),
        (('vlm.captions="others_only"',), 2, "no caption for any of"),
        (("vlm.caption_dropout=1",), 2, "vlm.caption_dropout"),
    ],
)
def test_a_faulty_setting_is_refused(tm, home, pairs, code, message):
    captioned(home / "others_only", [home / "tiny.toml"])
    result = train(tm, "no", *pairs)
    assert result.code == code
    assert message in result.err


@pytest.mark.parametrize("version", [1, 2])
def test_either_version_is_built_for_the_width_of_the_captions(version):
    with torch.device("meta"):
        nets = [
            AgeTransformerNet(version=version).build_generator(32, 3, width) for width in (0, 5)
        ]
    assert [net.spec.guided for net in nets] == [0, 5]
    assert [net.guide is not None for net in nets] == [False, True]


def test_drawn_portraits_have_no_captions(tm, home):
    argv = ("train", "--recipe", "agetransformer/nano", "--dry-run")
    result = tm(*argv, "--set", 'vlm.captions="captions"')
    assert result.code == 2
    assert "rendered portraits have no captions" in result.err
