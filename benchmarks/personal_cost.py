"""What a step of personal ageing costs at 1024 px: multiply-adds for each photo, by network.

`python benchmarks/personal_cost.py [RECIPE ...] [--json]` writes random weights in the published
layouts to a temporary folder (3 GB), takes one step of each recipe at batch 1 on the CPU with
torch's flop counter around it, and prints what each network took forwards, and the backward pass
in whole. Nothing is estimated but LPIPS, whose backbone is not to be had at random: its AlexNet is
counted alone and added.

The ancestor's step is 3.7 TMAC: two passes of two encoders at 282 GMAC, forwards and back, and of a
decoder that a gradient passes and that learns nothing. Its losses are not in that figure, so ours
is printed without them too, and once more as if its decoder did not learn either.
"""

import argparse
import json
import os
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from engine.banks.bank import sorted_bank
from engine.banks.files import save_bank
from engine.config.load import load_recipe_as
from engine.core.places import WEIGHTS
from engine.core.progress import Silence
from engine.losses.face.roi_id import RoiId
from engine.nets.age.dex_vgg import Dex
from engine.nets.encoders.gradual import EncoderSpec, GradualStyleEncoder
from engine.nets.identity.ir_se50 import ArcFace
from engine.nets.named import load_identity_network
from engine.nets.stylegan2.generator import Generator
from engine.nets.stylegan2.spec import GeneratorSpec, widths
from engine.runtime.draws import Draws
from engine.training.launch import build_task
from engine.training.phases import Phase, parameters_of
from engine.training.task import StepContext
from engine.trainings.personal.recipe import PersonalRecipe
from engine.trainings.personal.task import PersonalTask

CPU = torch.device("cpu")
GIGA = 1e9
ANCESTOR = 3700.0
"""GMAC of the ancestor's step for each photo: encoders and decoder alone."""
TARGET = 800.0
RECIPES = ("mytm/stage1", "mytm/stage2", "mytm/cheap")
LPIPS_SIDES = (256, 188)
"""px of the whole picture and of its face, as LPIPS sees them."""
NO_LPIPS = ("networks.perceptual='none'",)


def write_published(folder: Path) -> None:
    """Random networks under the names and layouts of the published files."""
    torch.manual_seed(0)
    folder.mkdir(parents=True, exist_ok=True)
    parts = {
        "encoder": GradualStyleEncoder(EncoderSpec(planes=4)),
        "pretrained_encoder": GradualStyleEncoder(EncoderSpec(planes=3)),
        "decoder": Generator(GeneratorSpec(1024, widths(1024))),
    }
    state = {f"{name}.{k}": v for name, net in parts.items() for k, v in net.state_dict().items()}
    sam = {"state_dict": state, "latent_avg": torch.zeros(18, 512), "opts": {"output_size": 1024}}
    torch.save(sam, folder / "sam_ffhq_aging.pt")
    torch.save(ArcFace().state_dict(), folder / "model_ir_se50.pth")
    dex = {key.replace("_", "-", 1): value for key, value in Dex().state_dict().items()}
    torch.save({"state_dict": dex}, folder / "dex_age_classifier.pth")


def write_person(folder: Path, count: int = 6) -> None:
    """Aligned pictures of noise with ages 35 to 45: the cost does not depend on their content."""
    folder.mkdir(parents=True, exist_ok=True)
    draw = np.random.default_rng(0)
    for index in range(count):
        coarse = draw.integers(0, 256, (16, 16, 3), dtype=np.uint8)
        picture = Image.fromarray(coarse).resize((256, 256), Image.Resampling.BICUBIC)
        picture.save(folder / f"{35 + 2 * index}_{index}.png")


def write_bank(file: Path, faces: int = 200) -> None:
    """Random embeddings of the identity network in the weights folder."""
    identity = load_identity_network("ir-se50", CPU)
    rows = nn.functional.normalize(torch.randn(faces, identity.width), dim=1)
    ages = torch.linspace(30, 50, faces)
    bank = sorted_bank(rows, ages, (), embedder=identity.name, digest=identity.digest)
    save_bank(file, bank)


@contextmanager
def counted(nets: dict[str, nn.Module]) -> Iterator[tuple[FlopCounterMode, Counter[str]]]:
    """A counter of flops, and the part of it that each network spends forwards."""
    counter, forward = FlopCounterMode(display=False), Counter[str]()
    begun: dict[str, int] = {}

    def before(name: str) -> Callable[..., None]:
        return lambda *_: begun.__setitem__(name, counter.get_total_flops())

    def after(name: str) -> Callable[..., None]:
        return lambda *_: forward.update({name: counter.get_total_flops() - begun[name]})

    hooks = [
        hook
        for name, net in nets.items()
        for hook in (
            net.register_forward_pre_hook(before(name)),
            net.register_forward_hook(after(name)),
        )
    ]
    try:
        with counter:
            yield counter, forward
    finally:
        for hook in hooks:
            hook.remove()


def step(task: PersonalTask, phase: Phase, *, warm: bool) -> dict[str, float]:
    """GMAC of one step of one photo: forwards by network, backwards by pass, and in all.

    warm: the prior's codes of this photo at this age are cached from an earlier step.
    """
    names = phase.trained(task.parts)
    context = StepContext(0, phase.name, 0, Draws(1, 0, range(1)))
    batch = {**task.batch(context, 1)}
    batch["target"], batch["same"] = torch.tensor([40.0]), torch.tensor([False])
    if warm:
        row = batch["row"]
        inverted = task.cached["inverted"][row]
        task.prior_codes.at(row, batch["photo"], batch["target"], inverted)
    else:
        task.prior_codes._cache.clear()
    nets = {**task.parts, **task.frozen}
    cost: dict[str, float] = {}
    for part in task.parts.values():
        part.eval().requires_grad_(False)
    for own in parameters_of(task.parts, names).values():
        for parameter in own:
            parameter.requires_grad_(True)
    with counted(nets) as (counter, forward):
        for number, terms in enumerate(task.backward_passes("main", batch, context)):
            total = torch.stack([t.value.float() * t.weight for t in terms.values() if t.weight])
            before = counter.get_total_flops()
            total.sum().backward()
            spent = counter.get_total_flops() - before
            cost[f"backward, {('real', 'cycle')[number]}"] = gmac(spent)
    cost |= {f"{name} forward": gmac(spent) for name, spent in forward.items()}
    cost["in all"] = gmac(counter.get_total_flops())
    for part in task.parts.values():
        part.requires_grad_(False)
        part.zero_grad(set_to_none=True)
    # A frozen network of a loss runs forwards, and backwards to the output; the photo's regions run
    # forwards alone.
    losses = {name: forward[name] for name in ("identity", "age") if name in forward}
    backwards = gmac(sum(losses.values())) - regions_alone(task)
    cost["without losses"] = cost["in all"] - gmac(sum(losses.values())) - backwards
    return cost


def regions_alone(task: PersonalTask) -> float:
    """GMAC of embedding the regions of the photo, which needs no gradient."""
    count = sum(len(loss.regions) for loss in task.settings.loss if isinstance(loss, RoiId))
    return count * gmac_of(task.frozen["identity"], torch.rand(1, 3, 112, 112))


def lpips_alone() -> float:
    """GMAC of LPIPS in a step: whole and face, backwards to the output, in both passes."""
    from torchvision.models import alexnet

    total = 0.0
    net = alexnet(weights=None).features.eval().requires_grad_(False)
    for side in LPIPS_SIDES:
        output = torch.rand(1, 3, side, side, requires_grad=True)
        with FlopCounterMode(display=False) as counter:
            net(output.detach())
            net(output).sum().backward()
        total += gmac(counter.get_total_flops())
    return 2 * total


def gmac(flops: int) -> float:
    return flops / 2 / GIGA


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recipes", nargs="*", default=RECIPES)
    parser.add_argument("--weights", type=Path, help="where random weights are kept, or put")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        place = Path(temporary)
        weights = args.weights if args.weights is not None else place / "weights"
        os.environ[WEIGHTS] = str(weights)
        if not (weights / "sam_ffhq_aging.pt").exists():
            write_published(weights)
        write_person(place / "photos")
        write_bank(place / "bank.safetensors")
        given = (f"photos='{place}/photos'", f"bank='{place}/bank.safetensors'", *NO_LPIPS)
        costs = {name: cost_of(name, given) for name in args.recipes}
    if args.json:
        print(json.dumps({"gmac": costs, "ancestor": ANCESTOR, "target": TARGET}, indent=2))
        return
    for name, steps in costs.items():
        for when, row in steps.items():
            print(f"\n{name}, the prior's codes {when}")
            for what, spent in row.items():
                print(f"  {what:34} {spent:8.1f} GMAC")
    print(f"\nthe ancestor {ANCESTOR:.0f} GMAC, the target {TARGET:.0f}")


def cost_of(name: str, given: tuple[str, ...]) -> dict[str, dict[str, float]]:
    """The cost of a step of a recipe, with and without the prior's codes in the cache."""
    recipe = load_recipe_as(PersonalRecipe, name, given)
    task = build_task(recipe)
    assert isinstance(task, PersonalTask)
    task.prepare(Silence())
    task.precompute(CPU, Silence())
    (phase,) = recipe.phases
    costs = {
        when: step(task, phase, warm=warm) for when, warm in (("computed", False), ("cached", True))
    }
    decoder = gmac_of(task.parts["decoder"], task.machine.latent_average[None])
    lpips = lpips_alone()
    for row in costs.values():
        row["LPIPS, counted alone"] = lpips
        row["in all with LPIPS"] = row["in all"] + lpips
        row["without losses, decoder frozen"] = row["without losses"] - 2 * decoder
    return costs


def gmac_of(net: nn.Module, given: torch.Tensor) -> float:
    """GMAC of one forward pass."""
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        net(given)
    return gmac(counter.get_total_flops())


if __name__ == "__main__":
    main()
