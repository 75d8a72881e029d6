"""Evaluation of the nano stack: its evaluators, its generator and its ageing prior.

People from 901,000 on, on whom no network was trained. Give weights files or run folders; the
report lists what is left out. A stand-in in place of the networks checks the evaluation itself:
the truth has to pass, the unchanged photo and blur have to fail.

    python benchmarks/nano.py                        # everything that ships with the package
    python benchmarks/nano.py --out DIR [--identity F] [--age F] [--age-judge F] [--landmarks F]
        [--model F] [--stand-in truth|nothing|blur] [--people 100] [--json]
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from evaluation import ageing
from evaluation import networks as nets
from evaluation.album import Album, Pixels, albums, drawn, measured
from evaluation.figures import Examined, figure_table, row_table
from evaluation.grids import ageing_grid, reconstruction_grid
from evaluation.reconstruction import examine_reconstruction
from torch import Tensor

from engine.core.atomic import write_text, written
from engine.core.digest import file_sha256, settings_digest
from engine.core.places import cache_folder
from engine.core.progress import Silence
from engine.data.portraits import PortraitPlan, PortraitSet, rendered
from engine.evaluators.dlib import JUDGE, Described, ImpostorTable, described
from engine.images.saving import save_png
from engine.metrics.strata import Stratum, stratum_of
from engine.nets.assemble import time_machine
from engine.nets.loading import frozen
from engine.nets.nano.age import NanoAge
from engine.nets.nano.age_judge import NanoAgeJudge
from engine.nets.nano.identity import NanoIdentity
from engine.nets.nano.landmarks import NanoLandmarks
from engine.nets.perceptual.features import FeatureDistance
from engine.weights.find import find_weights
from engine.weights.load import read_checkpoint
from engine.worlds.portraits import VERSION

FIRST = 901_000
TARGETS = tuple(float(age) for age in range(10, 100, 10))
PARTS = {
    "identity": "nano-identity",
    "age": "nano-age",
    "age-judge": "nano-age-judge",
    "landmarks": "nano-landmarks",
    "model": "nano",
}
"""The parts, and the shipped weights of each."""
STAND_INS = ("truth", "nothing", "blur")
BLUR = 1.5
SHOWN = 4

Reage = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True, slots=True)
class Stack:
    """The evaluated networks as functions of pictures (b, 3, s, s) in [-1, 1]."""

    embed: Callable[[Tensor], Tensor] | None = None
    """To (b, d)."""
    ages: Mapping[str, Callable[[Tensor], Tensor]] = field(default_factory=dict)
    """By name, to years (b,)."""
    age_evaluator: Callable[[Tensor], Tensor] | None = None
    """Ages by the network that is in no loss."""
    points: Callable[[Tensor], Tensor] | None = None
    """To (b, 68, 2) in pixels."""
    reconstruct: Callable[[Tensor], Tensor] | None = None
    reage: Reage | None = None
    """Pictures and target ages (b,) to pictures."""
    perceptual: tuple[FeatureDistance, ...] = ()


@dataclass(frozen=True, slots=True)
class Truth:
    """Two photographs of everybody, and dlib's descriptors of both."""

    one: Album
    other: Album
    descriptors: Described
    other_descriptors: Described
    impostors: ImpostorTable[Stratum]


def part(file: str, name: str) -> Mapping[str, Tensor]:
    """A network's weights, in float32 whatever they were stored in."""
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
    if chosen.age_judge:
        evaluator = frozen(NanoAgeJudge.from_state(part(chosen.age_judge, "age")))
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
    """Descriptors of both photographs, cached on disk."""
    one, other = albums(portraits)
    plan = {"version": VERSION, "judge": JUDGE, **portraits.plan.model_dump(mode="json")}
    kept = cache_folder() / "descriptors" / f"{settings_digest(plan)}.npz"
    if not kept.exists():
        result = described(
            portraits.pictures, portraits.landmarks, workers=workers, progress=Silence()
        )
        kept.parent.mkdir(parents=True, exist_ok=True)
        with written(kept) as file:
            np.savez(file, vectors=result.vectors, found=result.found)
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


def descriptors_of(outputs: Pixels, album: Album, workers: int) -> Described:
    size = outputs.shape[-2]
    flat = outputs.reshape(-1, size, size, 3)
    return described(flat, album.points.reshape(-1, 68, 2), workers=workers)


def evaluators_exam(stack: Stack, first: int, people: int) -> list[Examined]:
    """Everybody in four photographs, at three random ages each."""
    if stack.embed is None and not stack.ages and stack.points is None:
        return []
    plan = PortraitPlan(first=first, people=people, scenes=4, ages=3)
    portraits = rendered(plan, Silence())
    results: list[Examined] = []
    if stack.embed is not None:
        embeddings = measured(stack.embed, portraits.pictures)
        strata = [
            stratum_of(int(person), float(age))
            for person, age in zip(portraits.people, portraits.ages, strict=True)
        ]
        results.append(
            nets.examine_identity(
                embeddings, portraits.people, portraits.scenes, portraits.ages, strata
            )
        )
    for name, ages in stack.ages.items():
        years = measured(ages, portraits.pictures)
        results.append(nets.examine_age(portraits.ages, years, portraits.people, name=name))
    if stack.points is not None:
        points = measured(stack.points, portraits.pictures)
        results.append(nets.examine_landmarks(points, portraits.landmarks, portraits.people))
    return results


def reconstruction_exam(outputs: Pixels, truth: Truth, stack: Stack, chosen: Any) -> Examined:
    descriptors = descriptors_of(outputs, truth.one, chosen.workers)
    places = [(row % len(outputs), at) for row, at in enumerate(range(0, len(TARGETS), 2))]
    save_png(chosen.out / "reconstruction.png", reconstruction_grid(truth.one, outputs, places), {})
    return examine_reconstruction(
        truth.one,
        outputs,
        descriptors,
        truth.descriptors,
        truth.other_descriptors,
        truth.impostors,
        stack.perceptual,
    )


def prior_exam(aged: ageing.Aged, truth: Truth, stack: Stack, chosen: Any) -> list[Examined]:
    descriptors = descriptors_of(aged.outputs, truth.one, chosen.workers)
    shown = np.linspace(0, len(aged.starts) - 1, min(SHOWN, len(aged.starts))).round()
    save_png(chosen.out / "ageing.png", ageing_grid(aged, shown.astype(int).tolist()), {})
    results: list[Examined] = []
    ages = None
    if stack.age_evaluator is not None:
        examined, ages = ageing.examine_ages(aged, stack.age_evaluator)
        results.append(examined)
    results += [ageing.examine_likeness(aged, stack.perceptual), ageing.examine_colours(aged)]
    identity = ageing.examine_identity(
        aged, descriptors, truth.descriptors, truth.other_descriptors, ages
    )
    return [*results, identity]


def reaged(reage: Reage, inputs: Pixels) -> Pixels:
    """Everyone at every target, (people, targets, s, s, 3)."""
    outputs = [
        drawn(lambda x, age=age: reage(x, torch.full((len(x),), age)), inputs) for age in TARGETS
    ]
    return np.stack(outputs, axis=1)


def blurred(pictures: Tensor) -> Tensor:
    radius = 5
    across = torch.arange(-radius, radius + 1.0)
    bell = torch.exp(-(across**2) / (2 * BLUR**2))
    bell = (bell / bell.sum()).expand(3, 1, -1)
    padded = F.pad(pictures, (radius,) * 4, mode="reflect")
    return F.conv2d(F.conv2d(padded, bell[..., None], groups=3), bell[..., None, :], groups=3)


def pictures_of(
    stack: Stack, stand_in: str | None, album: Album, inputs: Pixels
) -> tuple[Pixels | None, Pixels | None]:
    """The reconstructions and the aged pictures to evaluate; None where there is no network."""
    match stand_in:
        case "truth":
            return album.pictures, album.pictures
        case "nothing":
            return None, np.repeat(inputs[:, None], len(TARGETS), axis=1)
        case "blur":
            soft = drawn(blurred, album.pictures)
            return soft, soft
        case _:
            return (
                drawn(stack.reconstruct, album.pictures) if stack.reconstruct else None,
                reaged(stack.reage, inputs) if stack.reage else None,
            )


def examined(stack: Stack, chosen: argparse.Namespace) -> tuple[list[Examined], dict[str, Any]]:
    """Run every evaluation that the stack has the parts for; also the impostor distances behind."""
    results = evaluators_exam(stack, chosen.first, chosen.people)
    if stack.reconstruct is None and stack.reage is None and chosen.stand_in is None:
        return results, {}
    plan = PortraitPlan(first=chosen.first, people=chosen.people, scenes=2, fixed=TARGETS)
    truth = truth_of(rendered(plan, Silence()), chosen.workers)
    starts = np.arange(chosen.people) % len(TARGETS)
    inputs = truth.one.pictures[np.arange(chosen.people), starts]
    rebuilt, older = pictures_of(stack, chosen.stand_in, truth.one, inputs)
    if rebuilt is not None:
        results.append(reconstruction_exam(rebuilt, truth, stack, chosen))
    if older is not None:
        aged = ageing.Aged(truth.one, truth.other, older, starts)
        results += prior_exam(aged, truth, stack, chosen)
    everyone = truth.impostors.everyone._asdict()
    rows = [
        {**group._asdict(), **row._asdict()}
        for group, row in sorted(truth.impostors.groups.items())
    ]
    return results, {"identity_by": JUDGE, "d0": rows, "d0_everyone": everyone}


def left_out(stack: Stack, stand_in: str | None) -> list[str]:
    missing = {
        "identity net": stack.embed is None,
        "age net": "age net" not in stack.ages,
        "age evaluator (with ages of outputs and its distance)": stack.age_evaluator is None,
        "landmark net": stack.points is None,
        "encoder and generator": stack.reconstruct is None and stand_in in (None, "nothing"),
        "ageing prior": stack.reage is None and stand_in is None,
    }
    return [name for name, absent in missing.items() if absent]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    for name in PARTS:
        parser.add_argument(f"--{name}", metavar="FILE", help="a weights file or a run folder")
    parser.add_argument("--stand-in", choices=STAND_INS)
    parser.add_argument("--out", type=Path, default=Path("runs/exam"))
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
        parser.error(f"people before {FIRST} are not for exams of networks")
    return chosen


def main() -> None:
    chosen = arguments()
    started = time.perf_counter()
    torch.set_num_threads(chosen.threads)
    chosen.out.mkdir(parents=True, exist_ok=True)
    stack = loaded(chosen)
    results, details = examined(stack, chosen)
    files = {name: getattr(chosen, name.replace("-", "_")) for name in PARTS}
    report = {
        "world": f"portraits {VERSION}",
        "people": [chosen.first, chosen.first + chosen.people - 1],
        "weights": {name: file_sha256(find_weights(f)) for name, f in files.items() if f},
        "stand_in": chosen.stand_in,
        "left_out": left_out(stack, chosen.stand_in),
        "seconds": round(time.perf_counter() - started, 1),
        "figures": [figure for one in results for figure in one.dump()["figures"]],
        "tables": {name: rows for one in results for name, rows in one.dump()["tables"].items()},
        **details,
    }
    text = json.dumps(report, indent=1, allow_nan=False)
    write_text(chosen.out / "exam.json", text)
    if chosen.json:
        print(text)
        return
    for name, rows in report["tables"].items():
        print(f"\n{name}\n{row_table(rows)}")
    print(f"\n{figure_table([figure for one in results for figure in one.figures])}")
    for name in report["left_out"]:
        print(f"left out: {name}", file=sys.stderr)
    print(f"{chosen.people} people, {report['seconds']} s; {chosen.out / 'exam.json'}")


if __name__ == "__main__":
    main()
