"""One portrait at six ages: `tm infer` against a transcription of the published inference.

The published script (`inference_unified.py` of MyTimeMachine) aligns anew for every
age, encodes twice with both encoders, decodes twice for codes alone and once for the picture, with
the generator in its plain form. Ours encodes a photo once and decodes a picture once. Same random
weights, same threads, same precision; at strength 1 both must give the same pictures.
"""

import argparse
import json
import statistics
import time

import torch
from torch import Tensor

from engine.inference.reage import Reager
from engine.nets.encoders.gradual import EncoderSpec, GradualStyleEncoder, with_age_plane
from engine.nets.stylegan2.generator import Generator
from engine.nets.stylegan2.plain import synthesise
from engine.nets.stylegan2.spec import GeneratorSpec, widths
from engine.nets.timemachine import TimeMachine
from engine.runtime.device import choose

AGES = (5.0, 20.0, 35.0, 50.0, 65.0, 80.0)
STRENGTH = 1.0


def random_machine(size: int) -> TimeMachine:
    """The published architecture with random weights, scaled so that codes stay near w's size."""
    torch.manual_seed(0)
    decoder = Generator(GeneratorSpec(size, widths(size)))
    styles = decoder.spec.n_latent
    psp, sam = (GradualStyleEncoder(EncoderSpec(planes=n, n_styles=styles)) for n in (3, 4))
    return TimeMachine(
        psp=psp, sam=sam, latent_average=torch.randn(styles, 512) * 0.3, decoder=decoder
    ).eval()


@torch.inference_mode()
def published(machine: TimeMachine, photo: Tensor) -> list[Tensor]:
    """Three decodes and two double encodings for every age as the published script does."""
    pictures: list[Tensor] = []
    noise = machine.decoder.stored_noise()

    def whole_pass(age: float) -> Tensor:
        years = torch.tensor([age])
        codes = machine.sam(with_age_plane(photo, years))
        codes = codes + machine.psp(photo) + machine.latent_average
        synthesise(machine.decoder, codes, noise)
        return codes

    for age in AGES:
        aged, own = whole_pass(age), whole_pass(STRENGTH * age)
        hybrid = (1 - STRENGTH) * own + STRENGTH * aged
        pictures.append(synthesise(machine.decoder, hybrid, noise))
    return pictures


def ours(reager: Reager, photo: Tensor) -> list[Tensor]:
    """One pSp pass, one SAM pass and one decode for every age."""
    codes = reager.codes(photo, AGES)
    return [picture[None] for picture in reager.pictures(codes.targets, 0)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=1024)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    compute = choose("cpu")
    machine, photo = random_machine(options.size), torch.rand(1, 3, 256, 256) * 2 - 1
    reager = Reager(machine, compute, batch=1)
    gap = max(
        float((one - other).abs().max() / other.abs().max())
        for one, other in zip(ours(reager, photo), published(machine, photo), strict=True)
    )
    times: list[tuple[float, float]] = []
    for _ in range(options.rounds):
        start = time.perf_counter()
        published(machine, photo)
        middle = time.perf_counter()
        ours(reager, photo)
        times.append((middle - start, time.perf_counter() - middle))
    theirs, own = (statistics.median(column) for column in zip(*times, strict=True))
    ratio = statistics.median(a / b for a, b in times)
    result = {
        "size": options.size,
        "ages": len(AGES),
        "compute": str(compute),
        "rounds": options.rounds,
        "published_s": round(theirs, 2),
        "ours_s": round(own, 2),
        "ratio": round(ratio, 2),
        "largest_relative_difference": gap,
    }
    if options.json:
        print(json.dumps(result))
        return
    print(f"infer: one portrait, {options.size} px, {len(AGES)} ages, {compute}")
    print(f"  published      {theirs:7.1f} s")
    print(f"  tm infer       {own:7.1f} s   {ratio:.2f}x, difference {gap:.1e} of the range")


if __name__ == "__main__":
    main()
