"""`tm doctor`: check what works on this machine."""

import importlib.metadata
import importlib.util
import os
import platform
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from engine.core.errors import WeightsError
from engine.core.places import WEIGHTS, offline, weights_folder
from engine.runtime.pool import cores
from engine.weights.folder import list_files

State = Literal["ok", "note", "fault"]

BASE = ("torch", "torchvision", "numpy", "opencv-python-headless", "dlib-bin", "faiss-cpu")
EXTRAS = {"heif": "pillow_heif", "ui": "gradio", "video": "av", "vlm": "transformers"}
GIGABYTE = 1 << 30
LITTLE_ROOM = 5 * GIGABYTE


@dataclass(frozen=True, slots=True)
class Check:
    """One result: a `fault` means that tm cannot work, a `note` that something is missing."""

    name: str
    state: State
    result: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """The results of all checks."""

    checks: tuple[Check, ...]

    @property
    def works(self) -> bool:
        """Whether no check found a fault."""
        return all(check.state != "fault" for check in self.checks)


def diagnose() -> Diagnosis:
    """Check Python, packages, device, detectors, extras and folders; nothing is changed."""
    return Diagnosis(tuple(check for group in CHECKS for check in group()))


def _machine() -> Iterator[Check]:
    yield Check("python", "ok", f"{platform.python_version()} on {platform.platform(terse=True)}")
    hardware = f"{cores()} cores"
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        hardware += f", {memory / GIGABYTE:.0f} GiB of memory"
    yield Check("machine", "ok", hardware)


def _packages() -> Iterator[Check]:
    for name in ("tm-toolkit", *BASE):
        try:
            yield Check(name, "ok", importlib.metadata.version(name))
        except importlib.metadata.PackageNotFoundError:
            yield Check(name, "fault", "not installed", "run `make setup`, or install tm again")


def _torch() -> Iterator[Check]:
    try:
        import torch
        from torchvision.ops import nms
    except Exception as error:  # a broken build raises anything, and to name it is this check's job
        yield Check("torchvision.ops", "fault", f"cannot be imported: {error}", "install both anew")
        return
    boxes, scores = torch.tensor([[0.0, 0.0, 2.0, 2.0]]).repeat(2, 1), torch.tensor([0.9, 0.8])
    kept = nms(boxes, scores, 0.5).tolist()
    if kept == [0]:
        yield Check("torchvision.ops", "ok", "nms runs")
    else:
        yield Check("torchvision.ops", "fault", f"nms kept {kept}, not [0]", "install both anew")
    if torch.cuda.is_available():
        properties = torch.cuda.get_device_properties(0)
        memory = f"{properties.total_memory / GIGABYTE:.0f} GiB"
        yield Check("device", "ok", f"cuda: {properties.name}, {memory}, {torch.version.cuda}")
    elif torch.backends.mps.is_available():
        from engine.runtime.self_test import disagreement

        fault = disagreement(torch.device("mps"))
        advice = "" if fault is None else f"it {fault}; the processor is used instead"
        yield Check("device", "ok" if fault is None else "note", "mps: Apple GPU", advice)
    else:
        yield Check("device", "ok", f"cpu, {torch.get_num_threads()} threads; no GPU seen")


def _detectors() -> Iterator[Check]:
    from engine.faces.files import DLIB_FILES, POINTS_68, dlib_file

    yield Check("face detector", "ok", "dlib HOG, built in")
    for purpose in DLIB_FILES:
        try:
            yield Check(purpose, "ok", dlib_file(purpose).name)
        except WeightsError as error:
            instead = ", the face mesh takes its place" if purpose == POINTS_68 else ""
            yield Check(purpose, "note", f"not found{instead}", error.hint or str(error))


def _extras() -> Iterator[Check]:
    for extra, module in EXTRAS.items():
        if importlib.util.find_spec(module) is not None:
            yield Check(f"extra {extra}", "ok", f"{module} is installed")
        else:
            hint = f"run `pip install 'tm-toolkit[{extra}]'` if you need it"
            yield Check(f"extra {extra}", "note", f"{module} is not installed", hint)


def _folders() -> Iterator[Check]:
    weights = weights_folder()
    network = ", offline" if offline() else ""
    if weights.exists() and not weights.is_dir():
        hint = f"set {WEIGHTS} to a folder, or unset it"
        yield Check("weights folder", "fault", f"{weights} is a file", hint)
    else:
        said = f"{weights} ({len(list(list_files(weights)))} files; {WEIGHTS} moves it{network})"
        yield Check("weights folder", "ok", said)
    for name, folder in (
        ("this folder", Path.cwd()),
        ("temporary folder", Path(tempfile.gettempdir())),
    ):
        yield _writable(name, folder)


def _writable(name: str, folder: Path) -> Check:
    try:
        with tempfile.TemporaryFile(dir=folder):
            free = shutil.disk_usage(folder).free
    except OSError as error:
        return Check(name, "note", f"{folder} may not be written", str(error.strerror))
    space = f"writable, {free / GIGABYTE:.0f} GiB free"
    if free < LITTLE_ROOM:
        return Check(name, "note", space, "training runs need several gigabytes")
    return Check(name, "ok", space)


CHECKS: tuple[Callable[[], Iterator[Check]], ...] = (
    _machine,
    _packages,
    _torch,
    _detectors,
    _extras,
    _folders,
)
