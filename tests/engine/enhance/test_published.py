"""The large published networks with random weights, and the traps of calling them."""

import numpy as np
import pytest
import torch

from engine.enhance.base import ENHANCERS
from engine.enhance.colour import gray_square
from engine.images.lab import to_lab
from engine.images.ranges import to_floats
from engine.images.raster import Raster
from engine.weights.formats.spandrel import architectures, spandrel

CPU = torch.device("cpu")
pytestmark = pytest.mark.slow


def gfpgan():
    torch.manual_seed(0)
    return spandrel().architectures.GFPGAN.GFPGAN(
        out_size=512, num_style_feat=512, channel_multiplier=2, decoder_load_path=None,
        fix_decoder=False, num_mlp=8, input_is_latent=True, different_w=True, narrow=1,
        sft_half=True,
    )  # fmt: skip


def ddcolor(encoder):
    architectures()
    from spandrel_extra_arches.architectures.DDColor import DDColor

    torch.manual_seed(0)
    return DDColor(
        encoder_name=encoder, num_output_channels=2, last_norm="Spectral", num_queries=100,
        num_scales=3, dec_layers=9, input_size=(64, 64),
    ).eval()  # fmt: skip


def built(kind, path, **more):
    choice = ENHANCERS[kind](kind=kind, weights=str(path), **more)
    return choice.build(choice.model(CPU), CPU)


def test_gfpgan_gets_its_own_range_and_no_noise(tmp_path):
    net = gfpgan().eval()
    # A fresh network has learned no strength of noise yet, and would be deterministic anyhow.
    noisy = [p for name, p in net.named_parameters() if "style_conv" in name and p.numel() == 1]
    assert noisy
    for strength in noisy:
        strength.data.fill_(0.5)
    state = net.state_dict()
    assert len(state) == 285
    assert sum(value.numel() for value in state.values()) == pytest.approx(87.14e6, rel=1e-3)
    torch.save({"params_ema": state}, tmp_path / "GFPGANv1.4.pth")
    step = built("gfpgan", tmp_path / "GFPGANv1.4.pth")
    assert (step.side, step.model.architecture) == (512, "GFPGAN")
    face = torch.rand(1, 3, 512, 512) * 2 - 1
    made = step.restore(face)
    assert made.shape == face.shape
    assert made.abs().max() <= 1
    assert torch.equal(made, step.restore(face)), "noise would make every run another picture"
    with torch.inference_mode():
        right = net(face, return_rgb=False, randomize_noise=False)[0].clamp(-1, 1)
        wrong = net((face + 1) / 2, return_rgb=False, randomize_noise=False)[0].clamp(0, 1)
    assert (made - right).abs().max() < 1e-5
    assert (made - (wrong * 2 - 1)).abs().max() > 0.05


@pytest.mark.parametrize(
    ("encoder", "values", "keys"), [("convnext-t", 55.05e6, 440), ("convnext-l", 227.9e6, 602)]
)
def test_ddcolor_colours_at_512_and_keeps_the_light(tmp_path, encoder, values, keys):
    state = ddcolor(encoder).state_dict()
    assert len(state) == keys
    assert sum(value.numel() for value in state.values()) == pytest.approx(values, rel=2e-3)
    torch.save({"params": state}, tmp_path / "dd.pth")
    step = built("ddcolor", tmp_path / "dd.pth")
    assert step.model.architecture == "DDColor"
    assert step.model.net.input_size == (512, 512)
    gray = np.random.default_rng(0).integers(16_000, 52_000, (60, 90, 1)).astype(np.uint16)
    source = Raster(np.repeat(gray, 3, axis=2))
    with torch.inference_mode():
        ab = step.model.net((gray_square(source, 512) + 1) / 2)
    assert ab.shape == (1, 2, 512, 512)
    # Random weights give colours that no screen has.
    step.choice = step.choice.model_copy(update={"gain": 10 / float(ab.abs().mean())})
    made = step.apply(source).picture
    assert made.pixels.shape == source.pixels.shape
    assert np.ptp(made.pixels.astype(int), axis=2).mean() > 100
    # Where sRGB has the colour, the light is the source's; elsewhere it was clipped.
    has = ((made.pixels > 0) & (made.pixels < 65_535)).all(axis=2)
    off = to_lab(to_floats(made.pixels)) - to_lab(to_floats(source.pixels))
    assert has.mean() > 0.1
    assert off[0, 0][torch.from_numpy(has)].abs().max() < 0.1


def test_the_published_rrdb_of_23_blocks(tmp_path):
    torch.manual_seed(0)
    net = spandrel().architectures.ESRGAN.ESRGAN(num_blocks=23)
    assert sum(p.numel() for p in net.parameters()) == pytest.approx(16.70e6, rel=1e-3)
    torch.save({"params_ema": net.state_dict()}, tmp_path / "w.pth")
    step = built("esrgan", tmp_path / "w.pth", tile=32)
    pixels = np.random.default_rng(0).integers(0, 256, (40, 40, 3)).astype(np.uint8)
    assert step.apply(Raster(pixels)).picture.pixels.shape == (160, 160, 3)
