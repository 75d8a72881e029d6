"""The checkpoints of a run on the disk: written atomically, the last few and the best."""

import json
import os
import re
import shutil
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter
from torch import Tensor

from engine.core.atomic import disk_error, write_json
from engine.core.errors import UsageError, WeightsError
from engine.core.held import begin
from engine.core.progress import Progress
from engine.core.regular import open_regular
from engine.training.tree import pack, unpack
from engine.weights.checkpoint import Checkpoint
from engine.weights.find import BEST, LATEST
from engine.weights.native import save_native
from engine.weights.tensors import read_safetensors, write_safetensors

NETS, STATE, METADATA = "nets.safetensors", "state.safetensors", "state.json"
SEPARATOR = "/"
DAMAGE = (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError, RuntimeError)
"""What reading a checkpoint raises whose files were tampered with or cut."""
STEP = re.compile(r"step_([0-9]{1,12})$")


@dataclass(frozen=True, slots=True)
class Delivered:
    """What stands beside delivered weights: their step, its validation, and what picked it."""

    step: int
    metrics: dict[str, float | None]
    chosen_by: str | None = None


DELIVERED = TypeAdapter(Delivered)


def read_delivered(weights: Path) -> Delivered:
    """What stands beside the file that a run delivers; WeightsError if it is damaged."""
    path = weights.with_name(METADATA)
    try:
        with open_regular(path) as file:
            return DELIVERED.validate_python(json.loads(file.read()))
    except (OSError, ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())[:160]
        raise WeightsError(
            f"`{path}` is damaged: {reason}", hint="resume the run, or take a copy of it"
        ) from None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All that a run needs to continue as if it had not been interrupted.

    nets: state dicts by part; state: optimizers, averages and the rest of what changes, nested;
    metrics: of the last validation.
    """

    step: int
    nets: Mapping[str, Mapping[str, Tensor]]
    state: Mapping[str, Any] = field(default_factory=dict[str, Any])
    metrics: Mapping[str, float] = field(default_factory=dict[str, float])


class Checkpoints:
    """The folder `checkpoints` of a run: `step_{N}` for the last few, and what it delivers."""

    def __init__(self, folder: Path, *, keep: int = 2) -> None:
        if keep < 1:
            raise ValueError("at least the last checkpoint must be kept")
        self.folder = folder
        self.keep = keep

    def save(self, snapshot: Snapshot, milestones: Collection[int] = ()) -> Path:
        """Write `step_{N}` and drop the oldest beyond those to keep and the milestones.

        Weights that are not finite displace none: a run that diverges keeps what it had before.
        """
        path = self.folder / f"step_{snapshot.step}"
        _write(path, lambda folder: _fill(folder, snapshot))
        if _is_finite(snapshot):
            passing = [step for step in self.steps() if _step_of(step) not in milestones]
            for old in passing[: -self.keep]:
                shutil.rmtree(old)
        return path

    def save_delivered(
        self,
        step: int,
        delivered: Checkpoint,
        metrics: Mapping[str, float],
        *,
        chosen_by: str | None,
    ) -> Path:
        """Replace what the run delivers: a file of our own format, as `tm` loads it, and metrics.

        chosen_by: the metric that picked the step, which is then `best`; None for `latest`.
        """
        name = LATEST if chosen_by is None else BEST
        path = self.folder / name

        def fill(folder: Path) -> None:
            save_native(folder / NETS, replace(delivered, step=step))
            said = {"step": step, "metrics": dict(metrics), "chosen_by": chosen_by}
            write_json(folder / METADATA, said)

        _write(path, fill)
        return path

    def steps(self) -> list[Path]:
        """The folders `step_{N}`, the oldest first."""
        found = self.folder.glob("step_*")
        folders = [path for path in found if STEP.search(path.name) and path.is_dir()]
        return sorted(folders, key=_step_of)

    def newest(self, progress: Progress) -> Snapshot | None:
        """The last undamaged checkpoint, None if there is none yet; a remark for each damaged one.

        WeightsError if there are some and all are damaged: to begin anew would hide the loss.
        """
        steps = self.steps()
        for number, path in enumerate(reversed(steps), 1):
            try:
                return read_snapshot(path)
            except WeightsError as error:
                if number == len(steps):
                    hint = "take a copy of it from elsewhere, or train anew in another folder"
                    raise WeightsError(f"no checkpoint is whole: {error}", hint=hint) from None
                progress.remark(f"{error}; using the checkpoint before it")
        return None


def best_of(run: Path) -> tuple[str, float, int] | None:
    """The metric that picked the best checkpoint of a run, its value and its step, or None."""
    path = current(run / "checkpoints" / BEST) / METADATA
    if not path.is_file():
        return None
    try:
        with open_regular(path) as file:
            kept = json.loads(file.read())
        return kept["chosen_by"], float(kept["metrics"][kept["chosen_by"]]), int(kept["step"])
    except DAMAGE as error:
        raise WeightsError(f"`{path}` is damaged: {error}") from None


def misfit(run: Path, error: Exception) -> UsageError:
    """The error for a checkpoint that the networks or phases of an edited recipe do not fit."""
    reason = " ".join(str(error).split())[:160]
    return UsageError(
        f"the recipe of `{run}` does not fit its checkpoint: {reason}",
        hint="undo the edit of its `recipe.toml`, or start a new run",
    )


def read_snapshot(folder: Path) -> Snapshot:
    """Read one checkpoint; WeightsError if any of its files is missing or damaged."""
    folder = current(folder)
    try:
        with open_regular(folder / METADATA) as file:
            metadata = json.loads(file.read())  # earlier versions wrote Infinity into it
        nets: dict[str, dict[str, Tensor]] = {name: {} for name in metadata["nets"]}
        for key, tensor in read_safetensors(folder / NETS)[1].items():
            name, _, rest = key.partition(SEPARATOR)
            nets[name][rest] = tensor
        state = unpack(metadata["state"], read_safetensors(folder / STATE)[1])
        snapshot = Snapshot(metadata["step"], nets, state, metadata["metrics"])
        _require_types(snapshot, folder)
        return snapshot
    except DAMAGE as error:
        raise WeightsError(f"the checkpoint `{folder}` is damaged: {error!r}") from None


def _require_types(snapshot: Snapshot, folder: Path) -> None:
    """ValueError for a checkpoint whose parts are of other types, or of another step."""
    step = STEP.search(folder.name)
    if type(snapshot.step) is not int or (step is not None and snapshot.step != int(step[1])):
        raise ValueError(f"it says that it is of step {snapshot.step!r}")
    if not isinstance(snapshot.state, Mapping):
        raise ValueError("its state is no table")
    values = snapshot.metrics.values()
    if not all(value is None or isinstance(value, int | float) for value in values):
        raise ValueError("its metrics are no numbers")
    if not _is_finite(snapshot):
        raise ValueError("its weights are not finite")


def _is_finite(snapshot: Snapshot) -> bool:
    try:
        Checkpoint("native", snapshot.nets).require_finite()
    except WeightsError:
        return False
    return True


def _write(path: Path, fill: Callable[[Path], None]) -> None:
    """Write a checkpoint under a temporary name and rename it."""
    try:
        partial = begin(path)
        partial.mkdir(parents=True)
        fill(partial)
        _replace(partial, path)
    except OSError as error:
        raise disk_error(error, path) from error


def _fill(folder: Path, snapshot: Snapshot) -> None:
    tensors: dict[str, Tensor] = {}
    metadata = {
        "step": snapshot.step,
        "nets": list(snapshot.nets),
        "state": pack(snapshot.state, "state", tensors),
        "metrics": dict(snapshot.metrics),
    }
    weights = {
        f"{name}{SEPARATOR}{key}": tensor
        for name, state in snapshot.nets.items()
        for key, tensor in state.items()
    }
    write_safetensors(folder / NETS, weights, {})
    write_safetensors(folder / STATE, tensors, {})
    write_json(folder / METADATA, metadata)


def _replace(partial: Path, path: Path) -> None:
    """Rename a complete folder into place; killed in between, the old one remains as `.old`."""
    old = _old(path)
    if path.exists():
        shutil.rmtree(old, ignore_errors=True)
        path.rename(old)
    partial.rename(path)
    if os.name != "nt":
        handle = os.open(path.parent, os.O_RDONLY)
        os.fsync(handle)
        os.close(handle)
    shutil.rmtree(old, ignore_errors=True)


def current(folder: Path) -> Path:
    """The folder itself, or the one that it was to replace when the run was killed."""
    return folder if folder.exists() or not _old(folder).exists() else _old(folder)


def _old(path: Path) -> Path:
    return path.with_name(f".{path.name}.old")


def _step_of(path: Path) -> int:
    match = STEP.search(path.name)
    assert match is not None
    return int(match[1])
