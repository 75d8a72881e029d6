"""Evaluation of the nano stack: its evaluators, its generator and its ageing prior.

Held-out people from 901,000 on. Give weights files or run folders; networks that are not given are
skipped and listed. Stand-ins in place of the networks validate the evaluation: the truth must pass,
the unchanged input and blur must fail.

    python benchmarks/nano.py                        # everything that ships with the package
    python benchmarks/nano.py --out DIR [--identity F] [--age F] [--age-evaluator F] [--landmarks F]
        [--model F] [--stand-in truth|unchanged|blur] [--people 100] [--json]
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from evaluation import ageing, networks
from evaluation.album import Album, albums, measured, outputs_of
from evaluation.grids import ageing_grid, reconstruction_grid
from evaluation.reconstruction import evaluate_reconstruction
from evaluation.report import Evaluation, metric_table, row_table
from torch import Tensor

from engine.core.atomic import write_text, written
from engine.core.digest import file_sha256, settings_digest
from engine.core.places import cache_folder
from engine.core.progress import Silence
from engine.data.jitter import luma_of
from engine.data.portraits import PortraitPlan, PortraitSet, rendered
from engine.evaluators.dlib import DLIB_NAME, Described, ImpostorTable, described
from engine.images.saving import save_png
from engine.images.srgb import Pixels
from engine.metrics.strata import Stratum, stratum_of
from engine.nets.assemble import time_machine
from engine.nets.loading import frozen
from engine.nets.nano.age import NanoAge
from engine.nets.nano.age_evaluator import NanoAgeEvaluator
from engine.nets.nano.identity import NanoIdentity
from engine.nets.nano.landmarks import NanoLandmarks
from engine.nets.perceptual.features import FeatureDistance
from engine.trainings.identity.task import mosaic
from engine.weights.find import find_weights
from engine.weights.load import read_checkpoint
from engine.worlds.portraits import VERSION

FIRST = 901_000
TARGETS = tuple(float(age) for age in range(10, 100, 10))
PARTS = {
    "identity": "nano-identity",
    "age": "nano-age",
    "age-evaluator": "nano-age-evaluator",
    "landmarks": "nano-landmarks",
    "model": "nano",
}
"""Networks by option, and their shipped weights."""
STAND_INS = ("truth", "unchanged", "blur")
BLUR = 1.5
SHOWN = 12

Reage = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True, slots=True)
class Stack:
    """The evaluated networks as functions of pictures (b, 3, s, s) in [-1, 1]."""

    embed: Callable[[Tensor], Tensor] | None = None
    """To (b, d)."""
    ages: Mapping[str, Callable[[Tensor], Tensor]] = field(default_factory=dict)
    """By name, to years (b,)."""
    age_evaluator: Callable[[Tensor], Tensor] | None = None
    """The age network that is in no loss."""
    points: Callable[[Tensor], Tensor] | None = None
    """To (b, 68, 2) in pixels."""
    reconstruct: Callable[[Tensor], Tensor] | None = None
    reage: Reage | None = None
    """Pictures and target ages (b,) to pictures."""
    perceptual: tuple[FeatureDistance, ...] = ()


@dataclass(frozen=True, slots=True)
class Truth:
    """Two photographs of everyone, and dlib on both."""

    one: Album
    other: Album
    described: Described
    described_other: Described
    impostors: ImpostorTable[Stratum]


def part(file: str, name: str) -> Mapping[str, Tensor]:
    """A network's weights in float32."""
    state = read_checkpoint(find_weights(file)).part(name)
    return {
        key: value.float() if value.is_floating_point() else value for key, value in state.items()
    }


def loaded(chosen: argparse.Namespace) -> Stack:
    stack, ages = Stack(), {}
    if chosen.identity:
        net = frozen(NanoIdentity.from_state(part(chosen.identity, "identity")))
        stack = replace(stack, embed=net)
    if chosen.age:
        ages["age net"] = frozen(NanoAge.from_state(part(chosen.age, "age"))).age
    if chosen.age_evaluator:
        evaluator = frozen(NanoAgeEvaluator.from_state(part(chosen.age_evaluator, "age")))
        ages["age evaluator"] = evaluator.age
        perceptual = FeatureDistance("features of the age evaluator", evaluator.features)
        stack = replace(stack, age_evaluator=evaluator.age, perceptual=(perceptual,))
    if chosen.landmarks:
        points = frozen(NanoLandmarks.from_state(part(chosen.landmarks, "landmarks")))
        stack = replace(stack, points=points.points)
    if chosen.model:
        model = frozen(time_machine(read_checkpoint(find_weights(chosen.model))))

        def reconstruct(pictures: Tensor) -> Tensor:
            return model.decode(model.invert(pictures))

        def reage(pictures: Tensor, ages: Tensor) -> Tensor:
            return model(pictures, ages.float()).image

        stack = replace(stack, reconstruct=reconstruct, reage=reage)
    return replace(stack, ages=ages)


def truth_of(portraits: PortraitSet, workers: int) -> Truth:
    """dlib on both photographs, cached on the disk."""
    one, other = albums(portraits)
    plan = {"version": VERSION, "judge": DLIB_NAME, **portraits.plan.model_dump(mode="json")}
    kept = cache_folder() / "descriptors" / f"{settings_digest(plan)}.npz"
    if not kept.exists():
        result = described(
            portraits.pictures, portraits.landmarks, workers=workers, progress=Silence()
        )
        kept.parent.mkdir(parents=True, exist_ok=True)
        with written(kept) as file:
            np.savez(file, vectors=result.vectors, found=result.detected)
    with np.load(kept) as file:
        shape = len(one.people), portraits.plan.scenes, len(one.ages)
        vectors = file["vectors"].reshape(*shape, -1)
        found = file["found"].reshape(shape)
    ours, theirs = (
        Described(vectors[:, i].reshape(-1, vectors.shape[-1]), found[:, i].ravel())
        for i in range(2)
    )
    strata = [one for row in one.strata for one in row]
    people = np.repeat(one.people, len(one.ages))
    impostors = ImpostorTable.of(
        np.concatenate([ours.vectors, theirs.vectors]), np.tile(people, 2), strata * 2
    )
    return Truth(one, other, ours, theirs, impostors)


def describe(outputs: Pixels, album: Album, workers: int) -> Described:
    size = outputs.shape[-2]
    flat = outputs.reshape(-1, size, size, 3)
    return described(flat, album.points.reshape(-1, 68, 2), workers=workers)


def _changed(
    change: Callable[[Tensor], Tensor], embed: Callable[[Tensor], Tensor], pictures: Tensor
) -> Tensor:
    return embed(change(pictures))


def evaluate_networks(stack: Stack, first: int, people: int) -> list[Evaluation]:
    """Everyone in four photographs, three ages each drawn over the whole span."""
    if stack.embed is None and not stack.ages and stack.points is None:
        return []
    plan = PortraitPlan(first=first, people=people, scenes=4, ages=3)
    portraits = rendered(plan, Silence())
    results: list[Evaluation] = []
    if stack.embed is not None:
        embeddings = measured(stack.embed, portraits.pictures)
        strata = [
            stratum_of(int(person), float(age))
            for person, age in zip(portraits.people, portraits.ages, strict=True)
        ]
        results.append(
            networks.evaluate_identity(
                embeddings, portraits.people, portraits.scenes, portraits.ages, strata
            )
        )
        views = {"colour": embeddings} | {
            name: measured(partial(_changed, change, stack.embed), portraits.pictures)
            for name, change in (("grey", luma_of), ("mosaic", mosaic))
        }
        results.append(networks.evaluate_recognition(views, portraits.people, portraits.scenes))
    for name, ages in stack.ages.items():
        years = measured(ages, portraits.pictures)
        results.append(networks.evaluate_age(portraits.ages, years, portraits.people, name=name))
    if stack.points is not None:
        points = measured(stack.points, portraits.pictures)
        results.append(networks.evaluate_landmarks(points, portraits.landmarks, portraits.people))
    return results


def reconstruction_of(outputs: Pixels, truth: Truth, stack: Stack, chosen: Any) -> Evaluation:
    result = describe(outputs, truth.one, chosen.workers)
    places = [(row % len(outputs), at) for row, at in enumerate(range(0, len(TARGETS), 2))]
    save_png(chosen.out / "reconstruction.png", reconstruction_grid(truth.one, outputs, places), {})
    return evaluate_reconstruction(
        truth.one,
        outputs,
        result,
        truth.described,
        truth.described_other,
        truth.impostors,
        stack.perceptual,
    )


def evaluate_prior(
    aged: ageing.AgedAlbum, truth: Truth, stack: Stack, chosen: Any
) -> list[Evaluation]:
    result = describe(aged.outputs, truth.one, chosen.workers)
    rows = np.linspace(0, len(aged.starts) - 1, min(SHOWN, len(aged.starts))).round()
    save_png(chosen.out / "ageing.png", ageing_grid(aged, rows.astype(int).tolist()), {})
    results: list[Evaluation] = []
    ages = None
    if stack.age_evaluator is not None:
        evaluation, ages = ageing.evaluate_ages(aged, stack.age_evaluator)
        results.append(evaluation)
    results += [ageing.evaluate_similarity(aged, stack.perceptual), ageing.evaluate_colours(aged)]
    identity = ageing.evaluate_identity(aged, result, truth.described, truth.described_other, ages)
    return [*results, identity]


def reaged(reage: Reage, inputs: Pixels) -> Pixels:
    """Everyone at every target, (people, targets, s, s, 3)."""
    made = [
        outputs_of(lambda x, age=age: reage(x, torch.full((len(x),), age)), inputs)
        for age in TARGETS
    ]
    return np.stack(made, axis=1)


def blurred(pictures: Tensor) -> Tensor:
    radius = 5
    across = torch.arange(-radius, radius + 1.0)
    gaussian = torch.exp(-(across**2) / (2 * BLUR**2))
    gaussian = (gaussian / gaussian.sum()).expand(3, 1, -1)
    padded = F.pad(pictures, (radius,) * 4, mode="reflect")
    return F.conv2d(
        F.conv2d(padded, gaussian[..., None], groups=3), gaussian[..., None, :], groups=3
    )


def pictures_of(
    stack: Stack, stand_in: str | None, album: Album, inputs: Pixels
) -> tuple[Pixels | None, Pixels | None]:
    """The reconstructions and the aged pictures, None without their networks."""
    match stand_in:
        case "truth":
            return album.pictures, album.pictures
        case "unchanged":
            return None, np.repeat(inputs[:, None], len(TARGETS), axis=1)
        case "blur":
            soft = outputs_of(blurred, album.pictures)
            return soft, soft
        case _:
            return (
                outputs_of(stack.reconstruct, album.pictures) if stack.reconstruct else None,
                reaged(stack.reage, inputs) if stack.reage else None,
            )


def evaluate(stack: Stack, chosen: argparse.Namespace) -> tuple[list[Evaluation], dict[str, Any]]:
    """Run every evaluation that the stack has networks for; also the table of impostors."""
    results = evaluate_networks(stack, chosen.first, chosen.people)
    if stack.reconstruct is None and stack.reage is None and chosen.stand_in is None:
        return results, {}
    plan = PortraitPlan(first=chosen.first, people=chosen.people, scenes=2, fixed=TARGETS)
    truth = truth_of(rendered(plan, Silence()), chosen.workers)
    starts = np.arange(chosen.people) % len(TARGETS)
    inputs = truth.one.pictures[np.arange(chosen.people), starts]
    rebuilt, older = pictures_of(stack, chosen.stand_in, truth.one, inputs)
    if rebuilt is not None:
        results.append(reconstruction_of(rebuilt, truth, stack, chosen))
    if older is not None:
        aged = ageing.AgedAlbum(truth.one, truth.other, older, starts)
        results += evaluate_prior(aged, truth, stack, chosen)
    everyone = truth.impostors.everyone._asdict()
    rows = [
        {**group._asdict(), **impostors._asdict()}
        for group, impostors in sorted(truth.impostors.groups.items())
    ]
    return results, {"identity_by": DLIB_NAME, "d0": rows, "d0_everyone": everyone}


def left_out(stack: Stack, stand_in: str | None) -> list[str]:
    missing = {
        "identity net": stack.embed is None,
        "age net": "age net" not in stack.ages,
        "age evaluator (and with it the ages and its perceptual distance)": stack.age_evaluator
        is None,
        "landmark net": stack.points is None,
        "encoder and generator": stack.reconstruct is None and stand_in in (None, "unchanged"),
        "ageing prior": stack.reage is None and stand_in is None,
    }
    return [name for name, absent in missing.items() if absent]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    for name in PARTS:
        parser.add_argument(f"--{name}", metavar="FILE", help="a weights file or a run folder")
    parser.add_argument("--stand-in", choices=STAND_INS)
    parser.add_argument("--out", type=Path, default=Path("runs/evaluation"))
    parser.add_argument("--people", type=int, default=100)
    parser.add_argument("--first", type=int, default=FIRST)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--workers", type=int, default=2, help="processes of dlib")
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    given = [name.replace("-", "_") for name in PARTS]
    if chosen.stand_in is None and not any(getattr(chosen, name) for name in given):
        for name, shipped in zip(given, PARTS.values(), strict=True):
            setattr(chosen, name, shipped)
    if chosen.first < FIRST:
        parser.error(f"people before {FIRST} are not held out")
    return chosen


def main() -> None:
    chosen = arguments()
    started = time.perf_counter()
    torch.set_num_threads(chosen.threads)
    chosen.out.mkdir(parents=True, exist_ok=True)
    stack = loaded(chosen)
    results, context = evaluate(stack, chosen)
    files = {name: getattr(chosen, name.replace("-", "_")) for name in PARTS}
    report = {
        "world": f"portraits {VERSION}",
        "people": [chosen.first, chosen.first + chosen.people - 1],
        "weights": {name: file_sha256(find_weights(f)) for name, f in files.items() if f},
        "stand_in": chosen.stand_in,
        "left_out": left_out(stack, chosen.stand_in),
        "seconds": round(time.perf_counter() - started, 1),
        "metrics": [metric for one in results for metric in one.dump()["metrics"]],
        "tables": {name: rows for one in results for name, rows in one.dump()["tables"].items()},
        **context,
    }
    text = json.dumps(report, indent=1, allow_nan=False)
    write_text(chosen.out / "evaluation.json", text)
    if chosen.json:
        print(text)
        return
    for name, rows in report["tables"].items():
        print(f"\n{name}\n{row_table(rows)}")
    print(f"\n{metric_table([metric for one in results for metric in one.metrics])}")
    for name in report["left_out"]:
        print(f"left out: {name}", file=sys.stderr)
    print(f"{chosen.people} people, {report['seconds']} s; {chosen.out / 'evaluation.json'}")


if __name__ == "__main__":
    main()
