"""The weights folder and what may be done with it: list, fetch, import, export a run, check."""

import json
import re
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

from engine.app.onnx_export import OnnxExport, export_onnx, require_onnx
from engine.config.find import shipped_recipes
from engine.config.load import load_recipe_as
from engine.core.atomic import write_json
from engine.core.digest import file_sha256, settings_digest
from engine.core.dry_run import checks_only
from engine.core.errors import UsageError, WeightsError
from engine.core.places import weights_folder
from engine.core.progress import Progress, Silence
from engine.core.regular import read_text
from engine.core.single import require_free
from engine.enhance.models import require_buildable
from engine.nets.assemble import on_its_prior
from engine.training.checkpoint import read_delivered, read_snapshot
from engine.training.launch import last_step
from engine.training.recipe import TrainingRecipe
from engine.training.run_folder import COMMAND, RECIPE, Environment, RunFolder, holds_run
from engine.weights.check import check_folder
from engine.weights.checkpoint import Checkpoint
from engine.weights.fetch import fetch, require_fetchable
from engine.weights.find import find_weights, shipped_weights
from engine.weights.folder import WeightsStatus, imported_files, status_of
from engine.weights.importing import ImportPlan, plan_import, write_import
from engine.weights.inspection import FileCheck
from engine.weights.lockfile import Lock
from engine.weights.manifest import Weight, known_weights
from engine.weights.native import read_card, read_native, save_native
from engine.weights.tensors import read_safetensors, tensors_sha256
from engine.worlds.landscapes import VERSION as LANDSCAPES
from engine.worlds.landscapes.reference import REFERENCE_DIGESTS as LANDSCAPE_DIGESTS
from engine.worlds.portraits import VERSION as PORTRAITS
from engine.worlds.portraits.reference import REFERENCE_DIGESTS as PORTRAIT_DIGESTS

LICENCE = "that of tm"
WORLDS = {
    "portraits": (PORTRAITS, PORTRAIT_DIGESTS),
    "landscapes": (LANDSCAPES, LANDSCAPE_DIGESTS),
}
BIOMETRIC = {("personal", "identity"): "the mean descriptor of the person's face (dlib, 128-D)"}
"""Tensors that identify a person, by part and key."""
PATHS = re.compile(r"""[^=,'"\[\]]*[/\\]([^/\\=,'"\[\]]+)/?""")
"""A path and its last part."""
QUOTED = re.compile(r"[\s'\"\[\]]")


@dataclass(frozen=True, slots=True)
class ShippedWeights:
    """A weights file of the package with the card in its header."""

    name: str
    path: Path
    card: dict[str, Any]


@dataclass(frozen=True, slots=True)
class WeightsList:
    """All weights by where they come from."""

    folder: Path
    known: tuple[WeightsStatus, ...]
    """Those of the manifest, here or not."""
    imported: tuple[Path, ...]
    """Those imported under names of the user's own."""
    shipped: tuple[ShippedWeights, ...]

    def origin(self, path: Path) -> str:
        """Where an imported file is from, as far as that is on record."""
        record = Lock(self.folder).files.get(path.relative_to(self.folder).as_posix())
        return "-" if record is None else re.sub(r" [0-9a-f]{64}", "", record.source)


@dataclass(frozen=True, slots=True)
class PulledWeights:
    """Where one of the named weights is now, and whether it was fetched just now."""

    name: str
    path: Path
    licence: str
    commercial: str
    """`yes`, `no` or `unknown`."""
    fetched: bool


@dataclass(frozen=True, slots=True)
class ImportedWeights:
    """What a file was recognised as and where it goes; whether it was written."""

    plan: ImportPlan
    written: bool


@dataclass(frozen=True, slots=True)
class ExportedWeights:
    """The file that a run delivers, and the export of it; no card after a dry run."""

    source: Path
    file: Path
    card: dict[str, Any] | None
    biometric: tuple[str, ...] = ()
    """What of the file identifies a person by the face."""
    graph: OnnxExport | None = None
    """What the file computes, if it is a graph."""


@dataclass(frozen=True, slots=True)
class WeightsCheck:
    """The checks of all files of a folder."""

    folder: Path
    files: tuple[FileCheck, ...]

    @property
    def bad(self) -> list[FileCheck]:
        """The files that must not be used."""
        return [file for file in self.files if file.bad]


def list_weights() -> WeightsList:
    """All known weights, the imported ones, and those of the package."""
    folder = weights_folder()
    return WeightsList(
        folder,
        tuple(status_of(weight, folder) for weight in known_weights(folder).weights),
        tuple(imported_files(folder)),
        tuple(
            ShippedWeights(name, path, read_card(path)["card"])
            for name, path in shipped_weights().items()
        ),
    )


def pull_weights(
    names: Iterable[str],
    *,
    confirm: Callable[[Sequence[Weight]], None],
    dry_run: bool = False,
    progress: Progress | None = None,
) -> list[PulledWeights]:
    """Fetch known weights that are not here yet; the rows are in the order of the names.

    Those of the package are here always: nothing is fetched for them.

    confirm: gets those that would be fetched, shows their terms, and raises to refuse. UsageError
    for an unknown name, WeightsError for a file that cannot be fetched by a program, or was not.
    """
    folder = weights_folder()
    manifest, wanted = known_weights(folder), dict.fromkeys(names)
    ours = {n: path for n, path in shipped_weights().items() if n not in manifest.by_name}
    named = {name: status_of(manifest[name], folder) for name in wanted if name not in ours}
    missing = [status.weight for status in named.values() if not status.here]
    for weight in missing:
        require_fetchable(weight)
    if missing:
        confirm(missing)
    for weight in missing:
        with checks_only() if dry_run else nullcontext():
            fetch(weight, folder=folder, progress=progress or Silence())
    return [
        _pulled(named[name], folder, fetched=not named[name].here and not dry_run)
        if name in named
        else _of_the_package(name, ours[name])
        for name in wanted
    ]


def _pulled(status: WeightsStatus, folder: Path, *, fetched: bool) -> PulledWeights:
    weight = status.weight
    path = status.path if status.here and status.path else folder / weight.file
    return PulledWeights(weight.name, path, weight.licence, weight.commercial, fetched)


def _of_the_package(name: str, path: Path) -> PulledWeights:
    licence = read_card(path)["card"].get("licence", LICENCE)
    return PulledWeights(name, path, licence, "yes", fetched=False)


def import_weights(
    file: Path,
    *,
    name: str | None = None,
    ema: bool = True,
    replacing: bool = False,
    dry_run: bool = False,
) -> ImportedWeights:
    """Recognise a checkpoint, verify it, and keep it as safetensors in the weights folder.

    name: what to call it; without one, the known name, else that of the file. ema: take averaged
    weights where the file has both. replacing: replace other weights of that name, which is a
    UsageError otherwise. WeightsError if the file is damaged, unknown or not what `name` says.
    """
    plan = plan_import(file, name=name, ema=ema)
    if plan.checkpoint is not None:
        require_buildable(file, plan.checkpoint)
    with checks_only() if dry_run else nullcontext():
        written = write_import(plan, replacing=replacing)
        return ImportedWeights(plan, written)
    return ImportedWeights(plan, written=False)


def check_weights(
    *, full: bool = False, write: bool = True, progress: Progress | None = None
) -> WeightsCheck:
    """Compare all files of the weights folder with their published digests and the record.

    full: read every file again, also those not touched since. write: put new files on record.
    """
    folder = weights_folder()
    return WeightsCheck(
        folder, tuple(check_folder(folder, full=full, write=write, progress=progress))
    )


def export_weights(
    run: Path,
    file: Path,
    *,
    half: bool = False,
    form: Literal["safetensors", "onnx"] = "safetensors",
    dry_run: bool = False,
) -> ExportedWeights:
    """Write what a run delivers into one file, with a card that says how it was made.

    half: keep matrices and kernels as float16; form: `onnx` writes a graph, checked against torch,
    and the card as JSON beside it. UsageError for a folder that holds no run,
    WeightsError for a run that has not validated yet.
    """
    if form == "onnx":
        return _exported_graph(run, file, half=half, dry_run=dry_run)
    if file.suffix != ".safetensors":
        raise UsageError(f"`{file}` must end in `.safetensors`")
    best = find_weights(str(run))
    require_free([file], inputs=[best])
    if dry_run:
        with checks_only():
            export_weights(run, file, half=half)
        return ExportedWeights(best, file, None)
    delivered = read_native(best)
    if delivered is None:
        raise WeightsError(f"`{best}` is not of our own format")
    card = _card_of(run, best) | dict(delivered.card)
    delivered = _without_paths(delivered)
    save_native(file, replace(delivered, card=card), half=half)
    card["tensors_sha256"] = tensors_sha256(read_safetensors(file)[1])
    save_native(file, replace(delivered, card=card), half=half)
    card |= {"sha256": file_sha256(file), "bytes": file.stat().st_size}
    held = [
        words
        for (part, key), words in BIOMETRIC.items()
        if key in delivered.parts.get(part, {}) and bool(delivered.parts[part][key].any())
    ]
    return ExportedWeights(best, file, card, tuple(held))


def _exported_graph(run: Path, file: Path, *, half: bool, dry_run: bool) -> ExportedWeights:
    require_onnx(file)
    if half:
        raise UsageError("`--half` is for `.safetensors`: a graph is in float32")
    best, beside = find_weights(str(run)), file.with_suffix(".json")
    require_free([file, beside], inputs=[best])
    if dry_run:
        return ExportedWeights(best, file, None)
    graph = export_onnx(best, file)
    card = _card_of(run, best) if holds_run(run) else dict(read_card(best)["card"])
    card |= {"inputs": graph.inputs, "output": graph.output, "off_torch": graph.difference}
    card |= {"sha256": file_sha256(file), "bytes": file.stat().st_size}
    write_json(beside, card)
    return ExportedWeights(best, file, card, graph=graph)


def _without_paths(delivered: Checkpoint) -> Checkpoint:
    """What a run delivers, to be used elsewhere: a prior that has a name there is named, any other
    is put in.
    """
    prior = delivered.facts.get("prior")
    if prior is None:
        return delivered
    name, facts = prior["name"], dict(delivered.facts)
    if name in shipped_weights() or name in known_weights().by_name:
        facts["prior"] = {"name": name, "sha256": prior["sha256"]}
        return replace(delivered, facts=facts)
    whole = on_its_prior(delivered)
    return replace(whole, facts={k: v for k, v in whole.facts.items() if k != "prior"})


def _card_of(run: Path, best: Path) -> dict[str, Any]:
    """How the weights of a run were made, without the folders of the machine it ran on."""
    folder = RunFolder(run)
    environment = folder.environment()
    recipe = load_recipe_as(TrainingRecipe, run / RECIPE)
    validation = read_delivered(best)
    command = read_text(run / COMMAND, errors="replace")
    last = read_snapshot(folder.checkpoints / f"step_{last_step(run)}")
    return {
        "what": recipe.about,
        "made_by": f"tm {version('tm-toolkit')}",
        "licence": LICENCE,
        "recipe": recipe.name,
        "recipe_digest": settings_digest({"recipe": _without_folders(json.dumps(recipe.dump()))}),
        "command": command_without_folders(command),
        "seed": recipe.seed,
        "step": validation.step,
        "chosen_by": validation.chosen_by,
        "steps": last.step,
        "metrics": validation.metrics,
        "minutes": round(last.state["seconds"] / 60, 1),
        "hardware": f"{environment.device}, {environment.cores} cores, "
        f"{environment.devices} x {environment.threads} threads, {environment.precision}",
        "packages": dict(environment.packages),
        "began_from": dict(environment.weights),
    } | _worlds(environment, recipe.worlds())


def _worlds(environment: Environment, rendered: Mapping[str, str]) -> dict[str, Any]:
    """The drawn worlds of a card: the version a run rendered, this one where it rendered none.

    The digests of reference pictures are those of this version, so only it has them.
    """
    found: dict[str, Any] = {}
    for name, (version_now, digests) in WORLDS.items():
        drawn = environment.world(name) if name in rendered else version_now
        references = list(digests) if drawn == version_now else []
        found[name] = {"version": drawn, "references": references}
    return found


def command_without_folders(command: str) -> str:
    """A command line with every path cut to its last part, whatever is quoted in it; names of
    shipped recipes stay.

    >>> command_without_folders("tm train --photos '/home/Ann Lee/me' --set a='runs/x y/id'")
    'tm train --photos me --set a=id'
    """
    try:
        tokens = shlex.split(command)
    except ValueError:  # an open quotation mark: what follows has no end
        tokens = re.split("['\"]", command)[0].split()
    shipped = shipped_recipes()
    cut = [token if token in shipped else PATHS.sub(r"\1", token) for token in tokens]
    return " ".join(shlex.quote(token) if QUOTED.search(token) else token for token in cut)


def _without_folders(text: str) -> str:
    """The text with every path cut to its last part.

    >>> _without_folders("tm train --out /srv/runs/one --set identity='/srv/runs/id'")
    "tm train --out one --set identity='id'"
    """
    return re.sub(r"(?<![\w.])(?:[A-Za-z]:)?/(?:[^\s'\"/]+/)*([^\s'\"/]+)", r"\1", text)
