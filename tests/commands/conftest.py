"""Small networks in the containers that the published ones come in."""

import pytest
import torch
from PIL import Image

from engine.nets.adapter import Adapter, AdapterSpec
from engine.nets.encoders.gradual import EncoderSpec, GradualStyleEncoder
from engine.nets.stylegan2.generator import Generator
from engine.nets.stylegan2.spec import GeneratorSpec
from engine.nets.timemachine import TimeMachine

SMALL = {"n_styles": 8, "style_width": 16, "widths": (4, 6, 8, 10), "depths": (1, 1, 1, 1)}


@torch.no_grad()
def encoder(planes, layout="published"):
    """A small random encoder whose codes lie about 0 and plainly depend on what it sees."""
    net = GradualStyleEncoder(EncoderSpec(planes=planes, layout=layout, **SMALL)).eval()
    seen = torch.rand(1, planes, 256, 256).expand(2, -1, -1, -1) * 2 - 1
    seen = seen * torch.tensor([0.2, 0.9]).view(2, 1, 1, 1)
    if planes == 4:
        seen = torch.cat([seen[:1, :3].expand(2, -1, -1, -1), seen[:, 3:]], dim=1)
        seen[:, 3] = torch.tensor([0.2, 0.7]).view(2, 1, 1)
    for head, codes in zip(net.styles, net(seen).transpose(0, 1), strict=True):
        stretch = 0.5 / (codes[0] - codes[1]).std()
        head.linear.weight.mul_(stretch)
        head.linear.bias.sub_(stretch * codes.mean(0))
    return net


def generator():
    net = Generator(GeneratorSpec(32, (16, 16, 16, 16), 16, 2)).eval()
    for name, parameter in net.named_parameters():
        if name.endswith("noise.weight"):
            parameter.data.fill_(0.2)
        elif name.startswith("to_rgb") and name.endswith("conv.weight"):
            # Pictures that are clipped to black and white would hide every difference.
            parameter.data.mul_(0.04)
    return net


@pytest.fixture(scope="module")
def nets():
    torch.manual_seed(0)
    adapter = Adapter(AdapterSpec(n_styles=8, style_width=16, bottleneck=4, summary=8, age_width=4))
    for parameter in adapter.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return {
        "psp": encoder(3),
        "sam": encoder(4),
        "fork_psp": encoder(3, "fork"),
        "fork_sam": encoder(4, "fork"),
        "decoder": generator(),
        "averaged": generator(),
        "adapter": adapter.eval(),
        "latent": torch.randn(8, 16),
    }


def joined(**parts):
    return {f"{name}.{k}": v for name, net in parts.items() for k, v in net.state_dict().items()}


@pytest.fixture(scope="module")
def containers(nets, tmp_path_factory):
    """A file of each published container, and the model that it must become."""
    folder = tmp_path_factory.mktemp("containers")
    plain = joined(encoder=nets["sam"], decoder=nets["decoder"], pretrained_encoder=nets["psp"])
    forked = joined(
        encoder=nets["fork_sam"], decoder=nets["decoder"], pretrained_encoder=nets["fork_psp"]
    )
    shadow = nets["averaged"].state_dict()
    written = {
        "sam": {"state_dict": plain, "latent_avg": nets["latent"], "opts": {"output_size": 32}},
        "mytm": {
            "state_dict": plain | joined(blender=nets["adapter"]),
            "latent_avg": nets["latent"],
            "opts": {"coach": "delta"},
        },
        "fork": {
            "state_dict": forked,
            "latent_avg": nets["latent"],
            "opts": {"coach": "orig_nn"},
            "global_step": 40_000,
            "optimizer": {},
            "ema": {"decoder": {"decay": 0.999, "shadow": shadow}},
            "ema_scope": "decoder",
            "ema_decay": 0.999,
        },
    }
    for name, content in written.items():
        torch.save(content, folder / f"{name}.pt")
    rosinality = {"g_ema": nets["decoder"].state_dict(), "latent_avg": nets["latent"][0]}
    torch.save(rosinality, folder / "rosinality.pt")

    def machine(psp, sam, decoder, adapter=None):
        return TimeMachine(
            psp=nets[psp],
            sam=nets[sam],
            latent_average=nets["latent"],
            decoder=nets[decoder],
            adapter=nets[adapter] if adapter else None,
        ).eval()

    models = {
        "sam": machine("psp", "sam", "decoder"),
        "mytm": machine("psp", "sam", "decoder", "adapter"),
        "fork": machine("fork_psp", "fork_sam", "averaged"),
    }
    return folder, models


@pytest.fixture
def photo(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    skimage_data = pytest.importorskip("skimage.data")
    Image.fromarray(skimage_data.astronaut()).save(folder / "eve.png")
    return folder / "eve.png"
