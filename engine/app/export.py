"""A run as one weights file that says how it was made."""

import hashlib
import json
import re
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from engine.config.load import load_recipe_as
from engine.core.digest import file_sha256, settings_digest
from engine.core.errors import UsageError, WeightsError
from engine.training.checkpoint import METADATA, read_snapshot
from engine.training.launch import last_step
from engine.training.recipe import TrainingRecipe
from engine.training.run_folder import COMMAND, RECIPE, RunFolder
from engine.weights.find import find_weights
from engine.weights.native import read_native, save_native
from engine.weights.tensors import read_safetensors
from engine.worlds.landscapes import VERSION as LANDSCAPES
from engine.worlds.landscapes.reference import REFERENCE_DIGESTS as LANDSCAPE_DIGESTS
from engine.worlds.portraits import VERSION as PORTRAITS
from engine.worlds.portraits.reference import REFERENCE_DIGESTS as PORTRAIT_DIGESTS

LICENCE = "that of tm"


def tensors_sha256(file: Path) -> str:
    """SHA-256 of all tensors of a file in order of their names: its header is left out, so that
    the header can tell it.
    """
    found = hashlib.sha256()
    for name, tensor in sorted(read_safetensors(file)[1].items()):
        found.update(f"{name} {tuple(tensor.shape)} {tensor.dtype} ".encode())
        found.update(tensor.contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return found.hexdigest()


def without_folders(text: str) -> str:
    """The text with every path cut to its last part: a card goes to others, folders stay here.

    >>> without_folders("tm train --out /srv/runs/one --set identity='/srv/runs/id'")
    "tm train --out one --set identity='id'"
    """
    return re.sub(r"(?<![\w.])(?:[A-Za-z]:)?/(?:[^\s'\"/]+/)*([^\s'\"/]+)", r"\1", text)


def export_run(folder: Path, file: Path, *, half: bool = False) -> dict[str, Any]:
    """Write what a run delivers into one file with its card, which is returned.

    half: keep matrices and kernels as float16. UsageError for a folder that holds no run,
    WeightsError for a run that has not validated yet.
    """
    if file.suffix != ".safetensors":
        raise UsageError(f"`{file}` must end in `.safetensors`")
    run = RunFolder(folder)
    environment = run.environment()
    recipe = load_recipe_as(TrainingRecipe, folder / RECIPE)
    best = find_weights(str(folder))
    delivered = read_native(best)
    if delivered is None:
        raise WeightsError(f"`{best}` is not of our own format")
    told = json.loads(best.with_name(METADATA).read_text(encoding="utf-8"))
    last = read_snapshot(run.checkpoints / f"step_{last_step(folder)}")
    card = {
        "what": recipe.about,
        "made_by": f"tm {version('tm-toolkit')}",
        "licence": LICENCE,
        "recipe": recipe.name,
        "recipe_digest": settings_digest({"recipe": without_folders(json.dumps(recipe.dump()))}),
        "command": without_folders((folder / COMMAND).read_text(encoding="utf-8").strip()),
        "seed": recipe.seed,
        "step": told["step"],
        "steps": last.step,
        "metrics": told["metrics"],
        "minutes": round(last.state["seconds"] / 60, 1),
        "hardware": f"{environment.device}, {environment.cores} cores, "
        f"{environment.devices} x {environment.threads} threads, {environment.precision}",
        "packages": dict(environment.packages),
        "began_from": dict(environment.weights),
        "portraits": {"version": PORTRAITS, "references": list(PORTRAIT_DIGESTS)},
        "landscapes": {"version": LANDSCAPES, "references": list(LANDSCAPE_DIGESTS)},
    }
    save_native(file, replace(delivered, card=card), half=half)
    card["tensors_sha256"] = tensors_sha256(file)
    save_native(file, replace(delivered, card=card), half=half)
    return card | {"sha256": file_sha256(file), "bytes": file.stat().st_size}
