"""Containers with every key and shape of the published networks, written without their bulk."""

import json
from pathlib import Path

import pytest
import torch

from engine.weights.load import read_checkpoint

PARITY = Path(__file__).parents[4] / "shared" / "parity" / "manifest.json"


@pytest.fixture(scope="module")
def shapes():
    if not PARITY.is_file():
        pytest.skip("no shared parity here")
    manifest = json.loads(PARITY.read_text(encoding="utf-8"))
    return {
        net: {key: tuple(shape) for key, (shape, _) in keys.items()}
        for net, keys in manifest.items()
    }


@pytest.fixture
def hollow(shapes):
    """The state dict of a published network whose tensors share one number each."""

    def make(net, prefix=""):
        return {prefix + key: torch.zeros(()).expand(shape) for key, shape in shapes[net].items()}

    return make


def joined(*states):
    return {key: value for state in states for key, value in state.items()}


@pytest.fixture
def written(hollow, saved):
    """Every container of the published networks; name -> (path, part -> network)."""

    def make(name):
        decoder = hollow("stylegan2_1024", "decoder.")
        encoder = hollow("sam_encoder", "encoder.")
        prior = hollow("psp_encoder", "pretrained_encoder.")
        blender, latent = hollow("mytm_blender", "blender."), torch.zeros(18, 512)
        long = hollow("fork_encoder", "encoder.")
        psp = {"decoder": "stylegan2_1024", "pretrained_encoder": "psp_encoder"}
        content, parts = {
            "sam": (
                {"state_dict": joined(encoder, decoder, prior), "latent_avg": latent, "opts": {}},
                {**psp, "encoder": "sam_encoder"},
            ),
            "mytm": (
                {"state_dict": joined(encoder, decoder, prior, blender), "latent_avg": latent},
                {**psp, "encoder": "sam_encoder", "adapter": "mytm_blender"},
            ),
            "fork": (
                {
                    "state_dict": joined(long, decoder, prior, blender),
                    "latent_avg": latent,
                    "global_step": 60000,
                    "ema": {"decoder": {"decay": 0.999, "shadow": hollow("stylegan2_1024")}},
                },
                {**psp, "encoder": "fork_encoder", "adapter": "mytm_blender"},
            ),
            "rosinality": (
                {"g_ema": hollow("stylegan2_256"), "latent_avg": torch.zeros(512)},
                {"decoder": "stylegan2_256"},
            ),
            "dex": (
                {"state_dict": {k.replace("_", "-"): v for k, v in hollow("dex_vgg").items()}},
                {"age": "dex_vgg"},
            ),
            "agetransformer": (
                {"g_ema": hollow("agetransformer_g128"), "d": hollow("agetransformer_d128")},
                {"generator": "agetransformer_g128", "discriminator": "agetransformer_d128"},
            ),
        }[name]
        return saved(content, f"{name}.pt"), parts

    return make


@pytest.mark.parametrize("name", ["sam", "mytm", "fork", "rosinality", "dex", "agetransformer"])
def test_every_published_key_arrives_in_its_part(written, shapes, name):
    path, parts = written(name)
    checkpoint = read_checkpoint(path)
    assert checkpoint.kind == name
    assert set(checkpoint.parts) == set(parts)
    for part, net in parts.items():
        assert {key: tuple(value.shape) for key, value in checkpoint.part(part).items()} == shapes[
            net
        ]


def test_ir_se50_arrives_whole(hollow, shapes, saved):
    body, output = hollow("irse50"), "output_layer.3.weight"
    if not any(key.startswith("output_layer.") for key in body):
        body[output] = torch.zeros(()).expand(512, 25088)
    assert read_checkpoint(saved(body)).kind == "ir_se50"


def test_parameters_are_those_of_the_papers(written):
    fork = read_checkpoint(written("fork")[0])
    mytm = read_checkpoint(written("mytm")[0])
    assert mytm.parameters("adapter") == 11_187_888
    assert round(mytm.parameters("encoder") / 1e6, 1) == 267.1
    assert round(mytm.parameters("decoder") / 1e6, 2) == 30.37
    assert round(fork.parameters("encoder") / 1e6, 1) == 309.6
    assert fork.facts["layout"] == "fork"
    assert mytm.facts["layout"] == "published"
    assert fork.facts["size"] == 1024
