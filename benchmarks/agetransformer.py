"""Evaluation of an AgeTransformer: held-out people against their truth, operations, and speed.

People from 903,000 on, on whom no network was trained, each from one age to every anchor. The
evaluators are in no loss: three families of age networks, of which the worst is named, dlib for
identity. The unchanged photo, the truth itself, and the truth as soft as the outputs are measured
too. `age_mae` is by the network that chose the weights of a training; the others chose nothing.

    python benchmarks/agetransformer.py exam [--weights agetransformer] [--people 100] [--dlib 20]
        [--out DIR]
    python benchmarks/agetransformer.py cost [--published] [--repeats 5]
"""

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from evaluation.families import by_families
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from engine.core.digest import file_sha256
from engine.core.progress import Silence
from engine.data.portraits import PortraitPlan, rendered
from engine.evaluators.photographs import NANO, PhotoEvaluators
from engine.images.ranges import to_pixels
from engine.images.saving import save_png
from engine.inference.anchored import anchors_of, transformer_of
from engine.metrics.age import mae, spearman
from engine.metrics.energy import laplacian
from engine.metrics.gradients import gradient_distance
from engine.metrics.pixels import psnr
from engine.nets.agetransformer.v1 import PublishedTransformer
from engine.nets.agetransformer.v2 import SlimTransformer
from engine.nets.loading import frozen
from engine.nets.named import load_age_estimator
from engine.nets.nano.trunk import resized
from engine.weights.find import find_weights
from engine.weights.load import read_checkpoint

FIRST, ORDERED, SHOWN = 903_000, 0.95, 6
CPU = torch.device("cpu")
Results = dict[str, object]


def exam(chosen: argparse.Namespace) -> Results:
    """Every metric, and a grid of pictures."""
    checkpoint = read_checkpoint(find_weights(chosen.weights))
    anchors, net = anchors_of(checkpoint), frozen(transformer_of(checkpoint))
    plan = PortraitPlan(first=FIRST, people=chosen.people, scenes=1, fixed=anchors.years)
    people, count = rendered(plan, Silence()), len(anchors)
    starts = torch.arange(chosen.people) % count
    rows = torch.arange(chosen.people) * count + starts
    small = net.spec.size
    photos = resized(people.tensor(rows), small)
    ages = anchors.weights(torch.tensor(anchors.years))[None]
    with torch.inference_mode():
        outputs = torch.cat([net(some, ages) for some in photos.split(10)]).clamp(-1, 1)
    truth = resized(people.tensor(range(len(people))), small).unflatten(0, outputs.shape[:2])
    unchanged = photos[:, None].expand_as(outputs)
    years = np.broadcast_to(np.asarray(anchors.years), outputs.shape[:2])
    file = find_weights(chosen.weights)
    results: Results = {"weights": chosen.weights, "sha256": file_sha256(file)}
    results |= {"people": chosen.people, "size": small}
    estimator = load_age_estimator(NANO, CPU)
    sets = {"output": outputs, "truth": truth, "nothing": unchanged}
    for name, pictures in sets.items():
        flat = pictures.flatten(0, 1)
        with torch.inference_mode():
            estimates = torch.cat([estimator.years(some) for some in flat.split(100)]).numpy()
        estimates = estimates.reshape(years.shape)
        order = [spearman(a, b) for a, b in zip(years, estimates, strict=True)]
        results[name] = {
            "age_mae": mae(years, estimates),
            "ordered": float(np.mean([rho >= ORDERED for rho in order])),
            "spearman": float(np.mean(order)),
            "mean_age": estimates.mean(axis=0).round(1).tolist(),
            "psnr": float(psnr(flat, truth.flatten(0, 1)).nan_to_num(posinf=99).mean()),
            "gradient": float(gradient_distance(flat, truth.flatten(0, 1)).mean()),
            "sharpness": float(laplacian(flat).square().mean()),
        }
    results["ages"] = by_families(sets, years)
    results["identity"] = identities(outputs, truth, unchanged, photos, chosen.dlib)
    if chosen.out is not None:
        chosen.out.mkdir(parents=True, exist_ok=True)
        save_png(chosen.out / "grid.png", grid(photos, outputs, truth), {"made": "benchmark"})
        (chosen.out / "exam.json").write_text(json.dumps(results, indent=1))
    return results


def identities(
    outputs: Tensor, truth: Tensor, unchanged: Tensor, photos: Tensor, people: int
) -> Results:
    """dlib's identity to truth and to input: 1 for the same picture, 0 for an impostor."""
    evaluators, values = PhotoEvaluators(CPU, "portraits"), dict[str, list[float]]()
    for person in range(min(people, len(outputs))):
        own = evaluators.embedding(photos[person : person + 1])
        for age in range(outputs.shape[1]):
            known = evaluators.embedding(truth[person, age][None])
            output = evaluators.embedding(outputs[person, age][None])
            for name, one, other in (
                ("output_to_truth", output, known),
                ("nothing_to_truth", own, known),
                ("output_to_input", output, own),
            ):
                values.setdefault(name, []).append(evaluators.identity(one, other).value)
    return {"people": people, **{name: float(np.mean(row)) for name, row in values.items()}}


def grid(photos: Tensor, outputs: Tensor, truth: Tensor) -> np.ndarray:
    """For a few people a row of outputs, with the truth below; the photograph comes first."""
    rows = [
        np.concatenate([to_pixels(picture) for picture in (photo, *some)], axis=1)
        for photo, outputs, known in zip(photos[:SHOWN], outputs, truth, strict=False)
        for some in (outputs, known)
    ]
    return np.concatenate(rows).repeat(2, axis=0).repeat(2, axis=1)


def cost(chosen: argparse.Namespace) -> Results:
    """Operations and seconds of ten ages: in one call, and in ten."""
    torch.manual_seed(0)
    nets: dict[str, PublishedTransformer | SlimTransformer] = {"v2": SlimTransformer()}
    nets["nano"] = transformer_of(read_checkpoint(find_weights(chosen.weights)))
    if chosen.published:
        nets["v1"] = PublishedTransformer()
    return {name: compared(frozen(net), chosen.repeats) for name, net in nets.items()}


@torch.inference_mode()
def compared(net: PublishedTransformer | SlimTransformer, repeats: int) -> Results:
    photo, ten = torch.rand(1, 3, net.spec.size, net.spec.size), torch.eye(10)[None]
    with FlopCounterMode(display=False) as counter:
        net(photo, ten[:, :1])
    one = counter.get_total_flops()
    with FlopCounterMode(display=False) as counter:
        net(photo, ten)
    together, single = list[float](), list[float]()
    for _ in range(repeats):
        together.append(seconds(lambda: net(photo, ten)))
        single.append(seconds(lambda: [net(photo, ten[:, at : at + 1]) for at in range(10)]))
    return {
        "parameters": sum(p.numel() for p in net.parameters()),
        "size": net.spec.size,
        "multiply_adds_one": one / 2,
        "multiply_adds_ten": counter.get_total_flops() / 2,
        "seconds_ten_in_one_call": min(together),
        "seconds_ten_calls": min(single),
        "ratio": min(single) / min(together),
    }


def seconds(work: Callable[[], object]) -> float:
    """Processor seconds, which depend little on the load of the machine."""
    started = time.process_time()
    work()
    return time.process_time() - started


def main() -> None:
    parser = argparse.ArgumentParser(description="The exam and the cost of AgeTransformers.")
    parser.add_argument("part", choices=["exam", "cost"])
    parser.add_argument("--weights", default="agetransformer")
    parser.add_argument("--people", type=int, default=100)
    parser.add_argument("--dlib", type=int, default=20)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--published", action="store_true")
    parser.add_argument("--repeats", type=int, default=5)
    chosen = parser.parse_args()
    print(json.dumps(exam(chosen) if chosen.part == "exam" else cost(chosen), indent=1))


if __name__ == "__main__":
    main()
