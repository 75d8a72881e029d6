"""Identity banks, and a person's own anchors and prototypes: what `tm bank` does."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch.nn.functional as F

from engine.banks.anchors import anchors_of_photos, prototypes_of_photos
from engine.banks.bank import BIN
from engine.banks.build import BATCH, BankPlan, BankReport, build_bank, count_faces
from engine.banks.coverage import MinerNeed, coverage_warnings
from engine.banks.faces import faces_in, read_portrait
from engine.banks.files import read_bank, read_bank_for, require_suffix
from engine.banks.search import Engine
from engine.banks.strip import Impostor, aligned_face, draw_strip, impostors_of
from engine.config.find import shipped_recipes
from engine.config.load import load_recipe_as, read_tree
from engine.core.dry_run import checks_only
from engine.core.errors import PictureError, UsageError
from engine.core.progress import Progress, Silence
from engine.core.single import require_free
from engine.data.ages import AgeSource, read_age_csv
from engine.data.domains import Domain
from engine.evaluators.drawn import domain_of
from engine.faces.descriptor import SMALLEST, Descriptor, describe_aligned
from engine.images.ranges import to_pixels
from engine.nets.assemble import time_machine
from engine.nets.named import load_age_estimator, load_identity_network
from engine.prep.synth import parse_ages
from engine.runtime.device import Device, choose
from engine.trainings.personal.recipe import PersonalRecipe
from engine.weights.find import find_weights
from engine.weights.load import read_checkpoint

MADE_FOR: dict[str, Domain] = {"nano-identity": "portraits", "ir-se50": "photos"}
"""What the embedders of the shipped recipes know."""
LOOKED_AT = 8
"""Pictures by which it is decided whether a bank is of photographs."""


@dataclass(frozen=True, slots=True)
class FaceCounts:
    """What a dry run counts: usable pictures, and those of them without an age."""

    kind: str
    pictures: int
    without_age: int


@dataclass(frozen=True, slots=True)
class SearchReport:
    """The most similar faces, the path of their strip, and how many pictures of it were missing."""

    nearest: list[Impostor]
    strip: Path | None
    absent: int


@dataclass(frozen=True, slots=True)
class AnchorsReport:
    """What a file of anchors or prototypes was made of."""

    kind: str
    """`age anchors` or `prototypes`."""
    used: int
    """Pictures."""
    ages: tuple[float, ...]
    """Of the rows, in years."""
    left_out: tuple[tuple[str, str], ...]
    """Names of pictures with the reason."""


def build(
    source: Path,
    out: Path,
    progress: Progress,
    *,
    bin_size: int = BIN,
    embedder: str = "nano-identity",
    ages: Path | None = None,
    age_by: str | None = None,
    batch: int = BATCH,
    device: Device = "auto",
) -> BankReport:
    """Embed a folder of aligned faces and write a bank; a rerun embeds only new pictures.

    bin_size: years; embedder: a shipped identity network, or a run or weights file of one; ages:
    CSV with the columns `path` and `age`; age_by: age estimator for pictures without an age, which
    are left out without it; batch: pictures at once. UsageError for an `out` that does not end in
    .safetensors, InputError if no picture is usable, MissingWeightsError for absent networks.
    """
    plan = BankPlan(source, out, bin_size, _age_source(ages), batch)
    where = choose(device).device
    estimator = load_age_estimator(age_by, where) if age_by is not None else None
    identity_net = load_identity_network(embedder, where)
    return build_bank(plan, identity_net, progress, device=where, age_estimator=estimator)


def build_warnings(source: Path, report: BankReport) -> list[str]:
    """Sentences on a bank just built of a folder: ages without a face, recipes it does not serve.

    An embedder that was made for drawn faces and has embedded photographs, or the other way round,
    is one of them.
    """
    bank, needs = report.bank, shipped_needs()
    warnings = coverage_warnings(bank, needs)
    made_for = MADE_FOR.get(bank.embedder)
    domain = None
    if made_for is not None:
        pictures = [face.path for face in faces_in(source, AgeSource())]
        domain = _domain(pictures[:: max(len(pictures) // LOOKED_AT, 1)][:LOOKED_AT])
    if made_for is not None and domain not in (None, made_for):
        right = next(name for name, kind in MADE_FOR.items() if kind == domain)
        takers = ", ".join(f"`{need.recipe}`" for need in needs if need.embedder == right)
        content = "photographs" if domain == "photos" else "drawn faces"
        warnings.append(
            f"these are {content}, and `{bank.embedder}` was made for others: recipes for"
            f" {content} ({takers}) need a bank by `--embedder {right}`"
        )
    return warnings


def shipped_needs() -> list[MinerNeed]:
    """What the miners of the shipped recipes take."""
    needs: list[MinerNeed] = []
    for name, path in shipped_recipes().items():
        if read_tree(path).get("kind") != "personal":  # others need not be imported
            continue
        recipe = load_recipe_as(PersonalRecipe, path)
        if recipe.miner is not None:
            miner = recipe.miner
            needs.append(MinerNeed(name, recipe.networks.identity, miner.ages, miner.k))
    return needs


def _domain(pictures: Sequence[Path]) -> Domain | None:
    """Whether aligned pictures are drawn or photographs; None if none can be read."""
    descriptors: list[Descriptor] = []
    for path in pictures:
        try:
            portrait = read_portrait(path)
        except PictureError:
            continue  # the report of the bank names it
        side = max(portrait.shape[-1], SMALLEST)
        enlarged = F.interpolate(portrait, (side, side), mode="bilinear", antialias=True)
        descriptors.append(describe_aligned(to_pixels(enlarged[0])))
    return domain_of(*descriptors) if descriptors else None


def count_build(
    source: Path,
    out: Path,
    *,
    bin_size: int = BIN,
    embedder: str = "nano-identity",
    ages: Path | None = None,
    age_by: str | None = None,
    device: Device = "auto",
) -> FaceCounts:
    """Count what `build` would embed, without writing; arguments and errors as of `build`."""
    with checks_only():
        build(
            source,
            out,
            Silence(),
            bin_size=bin_size,
            embedder=embedder,
            ages=ages,
            age_by=age_by,
            device=device,
        )
    pictures, without_age = count_faces(BankPlan(source, out, ages=_age_source(ages)))
    return FaceCounts("bank", pictures, without_age)


def info(file: Path, *, embedder: str | None = None) -> dict[str, Any]:
    """The facts of a bank, and its faces by age bin under `bins`.

    embedder: the network that built a published bank, which does not name it (UsageError).
    """
    bank = read_bank(file, embedder=embedder)
    return {
        "file": str(file),
        "faces": len(bank),
        "embedder": bank.embedder,
        "digest": bank.digest,
        "width": bank.width,
        "youngest": float(bank.ages[0]),
        "oldest": float(bank.ages[-1]),
        "bin_size": bank.bin_size,
        "people": len(bank.facts.get("people", ())),
        "sources": bool(bank.sources),
        "bins": bank.bin_counts(),
    }


def search(
    file: Path,
    photo: Path,
    *,
    k: int = 10,
    ages: str | None = None,
    out: Path | None = None,
    aligned: bool = False,
    embedder: str | None = None,
    engine: Engine = "torch",
    device: Device = "auto",
    dry_run: bool = False,
) -> SearchReport:
    """Find the `k` faces of a bank most similar to that of a photo, and draw them in a strip.

    ages: `LOW..HIGH`, faces of these ages alone; out: the strip, drawn only if it is named, and
    not in a dry run; aligned: the photo is an aligned face; embedder: the
    network, by default the one that the bank names. InputError if there is no face to search for or
    none of these ages, WeightsError if bank and network do not match.
    """
    where = choose(device).device
    span, step = parse_ages(ages) if ages is not None else (None, 0.0)
    if step:
        raise UsageError(
            f"`{ages}` has a step, and faces of all ages between are searched",
            hint="write it as `20..50`",
        )
    bank, identity_net = read_bank_for(file, embedder, where)
    require_free([] if out is None else [out], inputs=[file, photo])
    face = aligned_face(photo, aligned=aligned)
    nearest = impostors_of(bank, face, identity_net, k=k, ages=span, device=where, engine=engine)
    absent = 0
    if not dry_run and out is not None:
        absent = draw_strip(out, face, nearest, folder=file.parent, name=photo.name)
    return SearchReport(nearest, out, absent)


def anchors(
    source: Path,
    out: Path,
    progress: Progress,
    *,
    model: str | None = None,
    embedder: str | None = None,
    bin_size: int = BIN,
    ages: Path | None = None,
    device: Device = "auto",
) -> AnchorsReport:
    """Write a person's mean codes by age bin (`model`) or mean embeddings by year (`embedder`).

    Exactly one of both, else UsageError: a personal or prior model as name, run or file; or an
    identity network. bin_size: years, of the codes. InputError if no picture is usable.
    """
    kind = _anchor_kind(out, model, embedder)
    require_free([out])
    faces, where = faces_in(source, _age_source(ages)), choose(device).device
    if model is not None:
        machine = time_machine(read_checkpoint(find_weights(model))).to(where)
        table, measured = anchors_of_photos(
            faces, machine, progress, device=where, bin_size=bin_size
        )
    else:
        identity_net = load_identity_network(str(embedder), where)
        table, measured = prototypes_of_photos(faces, identity_net, progress, device=where)
    table.save(out)
    return AnchorsReport(kind, len(measured.ages), tuple(table.ages.tolist()), measured.left_out)


def count_anchors(
    source: Path,
    out: Path,
    *,
    model: str | None = None,
    embedder: str | None = None,
    ages: Path | None = None,
    device: Device = "auto",
) -> FaceCounts:
    """Count what `anchors` would read, without writing; arguments and errors as of `anchors`."""
    with checks_only():
        anchors(source, out, Silence(), model=model, embedder=embedder, ages=ages, device=device)
    kind = _anchor_kind(out, model, embedder)
    faces = faces_in(source, _age_source(ages))
    return FaceCounts(kind, len(faces), sum(face.age is None for face in faces))


def _anchor_kind(out: Path, model: str | None, embedder: str | None) -> str:
    if (model is None) == (embedder is None):
        raise UsageError(
            "choose one: `--from MODEL` for age anchors, or `--embedder NAME` for prototypes"
        )
    require_suffix(out)
    return "age anchors" if model is not None else "prototypes"


def _age_source(ages: Path | None) -> AgeSource:
    return AgeSource(read_age_csv(ages)) if ages is not None else AgeSource()
