"""Proof of personal ageing on people whose truth is known, and what each part of it is worth.

Each person has 60 photos of ages 20 to 50, none within 1.5 years of 25, 35 and 45. Two stages are
trained on them from the frozen prior, then a one-shot at 40; photographs from other scenes are aged
and compared with the same photograph rendered at the target. The oracle is the renderer itself with
the way of ageing that the photos tell: nobody can know more. Runs and judgements that stand in
--out are kept, so a stopped proof goes on.

`gains.json` has what each method is nearer to the truth than what it is compared with; the variants
without a loss are compared with all losses, by the same people and seeds.

    python benchmarks/personal.py --out DIR [--first 900001] [--people 12] [--seeds 2]
        [--variants personal,oneshot,full] [--threads 2] [--recipe nano/short] [--set KEY=VALUE ...]
    python benchmarks/personal.py --out DIR --people 4 --set loss.nearest_id.weight=0.2
        --set loss.contrastive_id.weight=0.02 --variants personal,no-nearest,no-contrastive,...
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from evaluation.album import outputs_of
from evaluation.personal import (
    MeasuredTruth,
    PersonalEvaluators,
    TestPhotos,
    evaluate_method,
    measure_truth,
)
from evaluation.personal_gains import WAYS, gains, said, table_of
from evaluation.report import row_table
from scipy.optimize import least_squares
from torch import Tensor

from engine.banks.build import BankPlan, build_bank
from engine.core.atomic import write_json
from engine.core.digest import file_sha256
from engine.core.numbers import Span
from engine.core.progress import Silence
from engine.data.ages import AgeSource
from engine.data.portraits import PortraitPlan, view_of
from engine.evaluators.photographs import DRAWN_IMPOSTOR_DISTANCE
from engine.images.saving import save_png
from engine.images.srgb import Pixels
from engine.metrics.gradients import gradient_distance
from engine.nets.assemble import time_machine
from engine.nets.loading import frozen
from engine.nets.named import load_age_estimator, load_distance, load_identity_network
from engine.prep.synth import SynthPlan, synthesise
from engine.training.photos import read_photos
from engine.weights.find import find_weights
from engine.weights.load import read_checkpoint
from engine.worlds.portraits import identity, render
from engine.worlds.portraits.seeds import IMPOSTORS, scene_seed
from engine.worlds.portraits.traits import LIMIT, STYLE_TRAITS, Identity

CPU = torch.device("cpu")
SIZE = 128
PHOTOS = 60
HELD_AGES = (25.0, 35.0, 45.0)
TARGETS = (25.0, 35.0, 45.0, 38.0, 40.0, 42.0, 60.0, 70.0)
"""Held-out ages, those of the one-shot, those beyond the photos."""
INPUT_AGES = (22.0, 28.0, 32.0, 38.0, 42.0, 48.0)
FIRST_HELD = 100
"""Photograph number of the first that is in no training."""
SAME_FACE = 0.37
"""dlib distance at which as many people are mistaken for each other as are not known again."""
IMPOSTOR_PEOPLE, IMPOSTOR_EACH, IMPOSTOR_AGES = 200, 18, Span(5, 90)
"""200 impostors in every window of five years."""
FITTED, FIT_SIZE = 12, 64
"""Photos that the oracle looks at, and their side in px."""
AWAY = 4.0
"""Added to what is fitted, since steps are shares of it: nothing then lies near 0."""
AGES = {"held-out ages": HELD_AGES, "beyond the photos": (60.0, 70.0)}
ABLATIONS = {
    "no-nearest": ["loss.nearest_id.weight=0"],
    "no-contrastive": ["loss.contrastive_id.weight=0"],
    "no-roi": ["loss.roi_id.weight=0"],
    "no-w-norm": ["loss.adaptive_w_norm.weight=0"],
    "no-nearest-no-contrastive": ["loss.nearest_id.weight=0", "loss.contrastive_id.weight=0"],
    "w-norm-alone": [
        "loss.nearest_id.weight=0",
        "loss.contrastive_id.weight=0",
        "loss.roi_id.weight=0",
    ],
}


def photo_ages() -> list[int]:
    """Ages of the photos: spread evenly over 20..50 without those held out."""
    allowed = [a for a in range(20, 51) if min(abs(a - held) for held in HELD_AGES) > 1.5]
    return [allowed[i * len(allowed) // PHOTOS] for i in range(PHOTOS)]


def photo(person: int, age: float, number: int) -> tuple[Pixels, np.ndarray]:
    plan = PortraitPlan(first=person, people=1, size=SIZE)
    view = view_of(plan, scene_seed(person, number))
    portrait = render(identity(person), age, view, SIZE)
    return portrait.picture, portrait.landmarks


def photos_of(person: int, folder: Path) -> Path:
    """The 60 photos as a user would have them."""
    for number, age in enumerate(photo_ages()):
        path = folder / f"{age}_{number}.png"
        if not path.exists():
            save_png(path, photo(person, age, number)[0], {})
    return folder


def test_photos(person: int) -> TestPhotos:
    numbers = range(FIRST_HELD, FIRST_HELD + len(INPUT_AGES))
    pairs = list(zip(INPUT_AGES, numbers, strict=True))
    truth = [[photo(person, target, number) for target in TARGETS] for _, number in pairs]
    return TestPhotos(
        person,
        np.stack([photo(person, age, number)[0] for age, number in pairs]),
        np.asarray(INPUT_AGES, np.float32),
        np.asarray(TARGETS, np.float32),
        np.stack([np.stack([picture for picture, _ in row]) for row in truth]),
        np.stack([np.stack([points for _, points in row]) for row in truth]),
    )


def foretold(person: int) -> Identity:
    """The person with the way of ageing that least squares finds in some of the photos.

    Their scenes and the rest of the face are given: an oracle's knowledge, not a method's.
    """
    ages = photo_ages()
    chosen = range(0, PHOTOS, PHOTOS // FITTED)
    plan = PortraitPlan(first=person, people=1, size=FIT_SIZE)
    views = [view_of(plan, scene_seed(person, number)) for number in chosen]
    unknown = identity(person).changed(**dict.fromkeys(STYLE_TRAITS, 0.0))

    def pictures(who: Identity) -> np.ndarray:
        drawn = [
            render(who, ages[number], view, FIT_SIZE).picture
            for number, view in zip(chosen, views, strict=True)
        ]
        return np.stack(drawn).astype(np.float64).ravel()

    def styled(style: np.ndarray) -> Identity:
        return unknown.changed(**dict(zip(STYLE_TRAITS, style, strict=True)))

    true = pictures(identity(person))
    found = least_squares(
        lambda raised: pictures(styled(raised - AWAY)) - true,
        np.full(len(STYLE_TRAITS), AWAY),
        bounds=(AWAY - LIMIT, AWAY + LIMIT),
        diff_step=0.03,
        max_nfev=12,
    )
    return styled(found.x - AWAY)


def oracle(person: int) -> Pixels:
    """The inputs at every target as the renderer foretells them: (n, t, s, s, 3)."""
    who = foretold(person)
    plan = PortraitPlan(first=person, people=1, size=SIZE)
    views = [
        view_of(plan, scene_seed(person, FIRST_HELD + number)) for number in range(len(INPUT_AGES))
    ]
    return np.stack(
        [np.stack([render(who, age, view, SIZE).picture for age in TARGETS]) for view in views]
    )


def bank_of(out: Path) -> Path:
    """A bank of strangers, none of whom anything was trained on."""
    path = out / "bank.safetensors"
    if not path.exists():
        plan = SynthPlan(
            out / "strangers",
            IMPOSTOR_PEOPLE,
            IMPOSTOR_EACH,
            IMPOSTOR_AGES,
            size=SIZE,
            seed=IMPOSTORS.start,
        )
        synthesise(plan, workers=2, progress=Silence())
        identity_net = load_identity_network("nano-identity", CPU)
        build_bank(
            BankPlan(out / "strangers", path, 5, AgeSource(), 32),
            identity_net,
            Silence(),
            device=CPU,
        )
    return path


def trained(run: Path, words: Sequence[str], settings: Sequence[str]) -> Path:
    """A run of the command line, begun, gone on with, or finished before; minutes beside it."""
    done = run / "minutes"
    if done.exists():
        return run
    started = time.perf_counter()
    told = [part for setting in settings for part in ("--set", setting)]
    command = ["resume", str(run)] if (run / "environment.json").exists() else [*words, *told]
    subprocess.run([sys.executable, "-m", "tm", *command, "-q"], check=True)
    done.write_text(f"{(time.perf_counter() - started) / 60:.2f}\n")
    return run


def reaged(weights: str, inputs: Pixels) -> Pixels:
    """Every input at every target by a model: (n, t, s, s, 3)."""
    model = frozen(time_machine(read_checkpoint(find_weights(weights))))

    def aged(target: float, pictures: Tensor) -> Tensor:
        return model(pictures, torch.full((len(pictures),), target)).image

    return np.stack([outputs_of(partial(aged, target), inputs) for target in TARGETS], axis=1)


def judged(
    file: Path,
    against: MeasuredTruth,
    evaluators: PersonalEvaluators,
    outputs: Pixels | None,
    weights: str | None,
) -> list[dict[str, Any]]:
    """The rows of one method, cached beside the run."""
    if file.exists():
        return json.loads(file.read_text())
    if outputs is None:
        assert weights is not None
        outputs = reaged(weights, against.photos.inputs)
    rows = evaluate_method(outputs, against, evaluators)
    save_png(file.with_suffix(".png"), _grid(against.photos, outputs), {})
    write_json(file, rows)
    return rows


def _grid(photos: TestPhotos, outputs: Pixels) -> Pixels:
    """A pair of lines for each input: made, true; the input first."""
    lines = [
        np.concatenate([shown, *row], axis=1)
        for index in range(0, len(outputs), 2)
        for shown, row in (
            (photos.inputs[index], outputs[index]),
            (np.zeros_like(photos.inputs[index]), photos.truth[index]),
        )
    ]
    return np.concatenate(lines)


def examine_person(
    person: int, chosen: argparse.Namespace, evaluators: PersonalEvaluators
) -> list[dict[str, Any]]:
    own = chosen.out / f"{person}"
    folder = photos_of(person, own / "photos")
    bank = bank_of(chosen.out)
    against = measure_truth(test_photos(person), evaluators)
    sides = read_photos(folder, SIZE, Silence())
    known = np.concatenate([sides.train.pictures, sides.test.pictures])
    ages = np.concatenate([sides.train.ages, sides.test.ages])
    methods: dict[str, list[dict[str, Any]]] = {
        "input copied": judged(
            own / "copied.json", against, evaluators, against.photos.unchanged(), None
        ),
        "nearest photo": judged(
            own / "nearest.json", against, evaluators, against.photos.nearest(known, ages), None
        ),
        "oracle": judged(own / "oracle.json", against, evaluators, oracle(person), None),
        "prior": judged(own / "prior.json", against, evaluators, None, "nano"),
    }
    for variant in chosen.variants:
        for seed in range(1 if variant == "full" else chosen.seeds):
            run = own / f"{variant}-{seed}"
            common = ["--photos", str(folder), "--bank", str(bank), "--out", str(run)]
            own_settings = [f"seed={seed}", f"threads={chosen.threads}"]
            settings = [*own_settings, *chosen.settings]
            if variant == "oneshot":
                words = ["oneshot", "--age", "40", "--jitter", "2", "--out", str(run)]
                words += ["--from", str(own / f"personal-{seed}")]
                settings = own_settings
            else:
                recipe = "nano/full" if variant == "full" else chosen.recipe
                words = ["train", "--recipe", recipe, *common]
                settings += ABLATIONS.get(variant, [])
            trained(run, words, settings)
            rows = judged(run / "exam.json", against, evaluators, None, str(run))
            methods.setdefault(variant, []).extend({**row, "seed": seed} for row in rows)
    return [{"method": method, **row} for method, rows in methods.items() for row in rows]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--out", type=Path, default=Path("runs/personal_proof"))
    parser.add_argument("--first", type=int, default=900_001)
    parser.add_argument("--people", type=int, default=12)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--recipe", default="nano/short")
    parser.add_argument("--variants", default="personal,oneshot")
    parser.add_argument("--set", dest="settings", action="append", default=[])
    chosen = parser.parse_args()
    chosen.variants = [name for name in chosen.variants.split(",") if name]
    return chosen


def main() -> None:
    chosen = arguments()
    torch.set_num_threads(chosen.threads)
    chosen.out.mkdir(parents=True, exist_ok=True)
    print(f"prior {file_sha256(find_weights('nano'))}, before any person is touched")
    distances = {name: load_distance(net, CPU) for name, net in WAYS.items()}
    evaluators = PersonalEvaluators(
        load_age_estimator("nano-age-evaluator", CPU).years,
        {**distances, "gradients": gradient_distance},
        DRAWN_IMPOSTOR_DISTANCE,
        SAME_FACE,
    )
    rows: list[dict[str, Any]] = []
    for person in range(chosen.first, chosen.first + chosen.people):
        rows += examine_person(person, chosen, evaluators)
        write_json(chosen.out / "rows.json", rows)
    report: dict[str, Any] = {
        "made_by": "python benchmarks/personal.py",
        "people": chosen.people,
        "seeds": chosen.seeds,
        "of": chosen.recipe,
        "prior": file_sha256(find_weights("nano")),
    }
    for name, targets in (
        ("held-out ages 25, 35, 45", HELD_AGES),
        ("38 to 42", (38.0, 40.0, 42.0)),
        ("60 and 70, beyond the photos", (60.0, 70.0)),
    ):
        print(f"\n{name}\n{row_table(table_of(rows, targets, ['method']))}")
        print(row_table(table_of(rows, targets, ["method", "person"])))
        report[f"means, {name}"] = table_of(rows, targets, ["method"])
    compared = [("personal", "prior"), ("oneshot", "personal")]
    compared += [(name, "personal") for name in ("full", *ABLATIONS)]
    for method, than in compared:
        if not {method, than} <= {"prior", *chosen.variants}:
            continue
        ages = {"38 to 42": (38.0, 40.0, 42.0)} if method == "oneshot" else AGES
        for when, targets in ages.items():
            lower = gains(rows, method, than, targets)
            report[f"{method} lower than {than}, {when}"] = lower
            print(f"\n{method} lower than {than}, {when}: {said(lower)}")
    write_json(chosen.out / "gains.json", report)


if __name__ == "__main__":
    main()
