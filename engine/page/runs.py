"""Runs and reports of a folder that was named on the command line, as the page shows them."""

import os
from dataclasses import dataclass
from pathlib import Path

from engine.core.errors import PictureError, TmError, UsageError
from engine.core.regular import open_regular
from engine.images.reading import read_picture
from engine.inference.photo_method import long_side
from engine.page.markup import drawing, embedded, facts, notes, picture
from engine.training.checkpoint import best_of
from engine.training.curves import curves_of
from engine.training.run_folder import CHECKPOINTS, SAMPLES, RunFolder, holds_run
from engine.trainings.series.runs import run_progress

REPORT = "report.html"
DEEPEST = 3
MOST = 200
LARGEST = 32 << 20
"""Bytes of a report that is shown."""
SAMPLE_SIDE, SAMPLE_MEGAPIXELS = 1280, 60.0
CLOSED = {CHECKPOINTS, SAMPLES, "tensorboard"}


@dataclass(frozen=True, slots=True)
class Runs:
    """The runs below a folder; a link out of it is not followed."""

    root: Path

    def names(self) -> list[str]:
        """Folders with a run or a report, by their path in the root, the newest first."""
        found: dict[str, float] = {}
        for place, folders, files in os.walk(self.root):
            folder = Path(place)
            depth = len(folder.relative_to(self.root).parts)
            open_ones = [one for one in folders if one not in CLOSED and not one.startswith(".")]
            folders[:] = sorted(open_ones) if depth < DEEPEST else []
            report = REPORT in files and not (folder / REPORT).is_symlink()
            if report or holds_run(folder):
                found[folder.relative_to(self.root).as_posix()] = folder.stat().st_mtime
        return sorted(found, key=lambda name: (-found[name], name))[:MOST]

    def show(self, name: str) -> str:
        """What a run says of itself; UsageError for a name that is none of `names`."""
        if name not in self.names():
            raise UsageError("this run is gone: look again")
        folder = self.root / name
        parts = [_summary(folder), _curves(folder), _sample(folder)] if holds_run(folder) else []
        return "".join([*parts, _report(folder)])


def _summary(folder: Path) -> str:
    """Steps, the best, where it was started."""
    try:
        environment = RunFolder(folder).environment()
        rows = {name: f"{done:,} of {steps:,} steps" for name, done, steps in run_progress(folder)}
        best = best_of(folder)
    except TmError as error:
        return notes([str(error)], "refused")
    if best is not None:
        rows["best"] = f"{best[0]} {best[1]:.4g} at step {best[2]:,}"
    rows |= {"started": environment.started, "on": environment.device}
    return facts(rows)


def _curves(folder: Path) -> str:
    try:
        svg = curves_of(folder)
    except TmError as error:
        return notes([str(error)], "refused")
    return "" if svg is None else drawing(svg, "curves of losses, validation and rates")


def _sample(folder: Path) -> str:
    """The newest sheet of samples."""
    place = folder / SAMPLES
    sheets = sorted(place.glob("step_*.png")) if place.is_dir() else []
    if not sheets:
        return ""
    try:
        pixels = read_picture(sheets[-1], max_megapixels=SAMPLE_MEGAPIXELS).pixels
    except PictureError as error:
        return notes([f"`{sheets[-1].name}` {error.reason}"], "refused")
    side = min(SAMPLE_SIDE, max(pixels.shape[:2]))
    return picture(long_side(pixels, side), f"samples of {sheets[-1].stem}", kind="tm-wide")


def _report(folder: Path) -> str:
    path = folder / REPORT
    if not path.exists() or path.is_symlink():
        return notes([f"no report yet: `tm eval {folder}` makes one"], "hint")
    try:
        with open_regular(path) as file:
            text = file.read(LARGEST + 1)
    except OSError as error:
        return notes([f"`{path}` cannot be read: {error.strerror}"], "refused")
    if len(text) > LARGEST:
        return notes([f"`{path}` has more than {LARGEST >> 20} MB: open it by itself"], "hint")
    return embedded(text.decode("utf-8", "replace"), f"the report of {folder.name}")
