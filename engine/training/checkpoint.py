"""The whole state of a training on the disk: whole or absent, the last few and the best."""

import json
import os
import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from torch import Tensor

from engine.core.atomic import disk_error, write_json
from engine.core.errors import WeightsError
from engine.core.progress import Progress
from engine.training.tree import pack, unpack
from engine.weights.checkpoint import Checkpoint
from engine.weights.native import save_native
from engine.weights.tensors import read_safetensors, write_safetensors

NETS, STATE, TOLD = "nets.safetensors", "state.safetensors", "state.json"
BEST, BETWEEN = "best", "/"
STEP = re.compile(r"step_(\d+)$")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything a run needs to go on as if it had not been stopped.

    nets: state dicts by name, as they are used; state: optimizers, averages, random streams and
    whatever else changes, nested; metrics: what the run was worth here.
    """

    step: int
    nets: Mapping[str, Mapping[str, Tensor]]
    state: Mapping[str, Any] = field(default_factory=dict[str, Any])
    metrics: Mapping[str, float] = field(default_factory=dict[str, float])


class Checkpoints:
    """The folder `checkpoints` of a run: `step_{N}` for the last few, and `best`."""

    def __init__(self, folder: Path, *, keep: int = 2) -> None:
        if keep < 1:
            raise ValueError("at least the last checkpoint must be kept")
        self.folder = folder
        self.keep = keep

    def save(self, snapshot: Snapshot) -> Path:
        """Write `step_{N}` and drop the oldest beyond those to keep."""
        path = self.folder / f"step_{snapshot.step}"
        _write(path, lambda folder: _fill(folder, snapshot))
        for old in self.steps()[: -self.keep]:
            shutil.rmtree(old)
        return path

    def save_best(self, step: int, delivered: Checkpoint, metrics: Mapping[str, float]) -> Path:
        """Replace `best`: a file of our own format, as `tm` loads it, and its figures."""
        path = self.folder / BEST

        def fill(folder: Path) -> None:
            save_native(folder / NETS, replace(delivered, step=step))
            write_json(folder / TOLD, {"step": step, "metrics": dict(metrics)})

        _write(path, fill)
        return path

    def steps(self) -> list[Path]:
        """The folders `step_{N}`, the oldest first."""
        found = [path for path in self.folder.glob("step_*") if STEP.search(path.name)]
        return sorted(found, key=_step_of)

    def newest(self, progress: Progress) -> Snapshot | None:
        """The last checkpoint that is whole, None if there is none; damaged ones are told of."""
        for path in reversed(self.steps()):
            try:
                return read_snapshot(path)
            except WeightsError as error:
                progress.remark(f"{error}; going back to the checkpoint before it")
        return None


def read_snapshot(folder: Path) -> Snapshot:
    """Read one checkpoint; WeightsError if any of its files is missing or damaged."""
    folder = standing(folder)
    try:
        told = json.loads((folder / TOLD).read_text(encoding="utf-8"))
        nets: dict[str, dict[str, Tensor]] = {name: {} for name in told["nets"]}
        for key, tensor in read_safetensors(folder / NETS)[1].items():
            name, _, rest = key.partition(BETWEEN)
            nets[name][rest] = tensor
        state = unpack(told["state"], read_safetensors(folder / STATE)[1])
        return Snapshot(told["step"], nets, state, told["metrics"])
    except (OSError, ValueError, KeyError) as error:
        raise WeightsError(f"the checkpoint `{folder}` is damaged: {error}") from None


def _write(path: Path, fill: Callable[[Path], None]) -> None:
    """Write a checkpoint beside its place and put it there by renaming."""
    partial = path.with_name(f".{path.name}.partial")
    try:
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        fill(partial)
        _replace(partial, path)
    except OSError as error:
        raise disk_error(error, path) from error


def _fill(folder: Path, snapshot: Snapshot) -> None:
    tensors: dict[str, Tensor] = {}
    told = {
        "step": snapshot.step,
        "nets": list(snapshot.nets),
        "state": pack(snapshot.state, "state", tensors),
        "metrics": dict(snapshot.metrics),
    }
    weights = {
        f"{name}{BETWEEN}{key}": tensor
        for name, state in snapshot.nets.items()
        for key, tensor in state.items()
    }
    write_safetensors(folder / NETS, weights, {})
    write_safetensors(folder / STATE, tensors, {})
    write_json(folder / TOLD, told)


def _replace(partial: Path, path: Path) -> None:
    """Rename a whole folder into place; killed in between, the old one stands as `.old`."""
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


def standing(folder: Path) -> Path:
    """The folder itself, or the one it was about to replace when the run was killed."""
    return folder if folder.exists() or not _old(folder).exists() else _old(folder)


def _old(path: Path) -> Path:
    return path.with_name(f".{path.name}.old")


def _step_of(path: Path) -> int:
    found = STEP.search(path.name)
    assert found is not None
    return int(found[1])
