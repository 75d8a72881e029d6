"""Containers of the published size through `tm infer`: the picture that the networks give."""

import gc

import numpy as np
import pytest
import torch
from PIL import Image

from engine.data.faces import FaceSource
from engine.faces.choose import FaceChoice
from engine.images.ranges import to_pixels, to_tensor
from engine.inference.subject import find_subject
from engine.nets.adapter import Adapter
from engine.nets.encoders.gradual import GradualStyleEncoder
from engine.nets.stylegan2.generator import Generator
from engine.nets.timemachine import TimeMachine

skimage_data = pytest.importorskip("skimage.data")


def prefixed(**parts):
    return {f"{name}.{key}": value for name, state in parts.items() for key, value in state.items()}


def states(parity, kind):
    """The state dicts of a container: encoder, pSp's encoder, generator, adapter if it has one."""
    encoder = parity.state("fork_encoder" if kind == "fork" else "sam_encoder", "encoder")
    if kind == "fork":
        psp = dict(encoder)
        psp["input_layer.0.weight"] = encoder["input_layer.0.weight"][:, :3].contiguous()
    else:
        psp = parity.state("psp_encoder", "encoder")
    parts = {
        "encoder": encoder,
        "pretrained_encoder": psp,
        "decoder": parity.state("stylegan2_1024", "stylegan2"),
    }
    if kind == "mytm":
        parts["blender"] = parity.state("mytm_blender", "default")
    return parts


def container(parts, kind, latent):
    content = {"state_dict": prefixed(**parts), "latent_avg": latent, "opts": {"coach": "delta"}}
    if kind == "fork":
        # The averaged decoder differs from the raw one: what is shown must be the average.
        shadow = {key: value * 0.9 for key, value in parts["decoder"].items()}
        content |= {
            "opts": {"coach": "orig_nn"},
            "global_step": 60_000,
            "ema": {"decoder": {"decay": 0.999, "shadow": shadow}},
        }
        return content, {**parts, "decoder": shadow}
    return content, parts


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["sam", "mytm", "fork"])
def test_a_container_of_the_published_size_gives_its_networks_picture(tm, parity, tmp_path, kind):
    photo = tmp_path / "eve.png"
    Image.fromarray(skimage_data.astronaut()).save(photo)
    latent = 0.3 * parity.normal(4, 18, 512)
    content, parts = container(states(parity, kind), kind, latent)
    torch.save(content, tmp_path / "weights.pt")
    machine = TimeMachine(
        psp=GradualStyleEncoder.from_state(parts["pretrained_encoder"]),
        sam=GradualStyleEncoder.from_state(parts["encoder"]),
        latent_average=latent,
        decoder=Generator.from_state(parts["decoder"]),
        adapter=Adapter.from_state(parts["blender"]) if "blender" in parts else None,
    ).eval()
    face = to_tensor(find_subject(photo, FaceChoice(), FaceSource()).face(256))
    with torch.inference_mode():
        expected = to_pixels(machine(face, torch.tensor([40.0])).image).astype(int)
    del machine, content, parts
    gc.collect()
    argv = ("--ages", 40, "--out", tmp_path / "out", "--weights", tmp_path / "weights.pt")
    assert tm("infer", photo, *argv, "--set", "evaluate=false").code == 0
    shown = np.asarray(Image.open(tmp_path / "out" / "eve_age40.png")).astype(int)
    assert shown.shape == (1024, 1024, 3)
    assert np.abs(shown - expected).max() <= 1
    assert shown.std() > 1
