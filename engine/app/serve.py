"""`tm serve`: a local page over the other commands."""

import importlib.util
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.app.enhance import EnhanceRequest, enhance
from engine.app.eval import EvalRequest, evaluate
from engine.app.gan import render_landscapes
from engine.app.infer import InferRequest, infer
from engine.app.prep import AlignRequest, FilterRequest, align, filter_pictures
from engine.app.train import train
from engine.app.weights import export_weights
from engine.core.errors import InputError, UsageError
from engine.core.jsontext import to_json
from engine.core.places import CACHE, weights_folder
from engine.core.progress import Progress
from engine.data.manifest import Row
from engine.page.server import EXTRA, KEPT, Address, serve_page
from engine.page.verbs import Model, Verbs
from engine.training.callbacks import SilentCallback
from engine.weights.folder import imported_files, status_of
from engine.weights.manifest import known_weights

REPORT = "report.html"
AGEING = ("sam", "mytm", "fork", "agetransformer")
"""Formats of published checkpoints that age faces."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeRequest:
    """A page to serve.

    Args:
        port: where it listens; 0 takes a free one.
        host: the address it listens at; other than loopback, the page asks for a token.
        keep: leave the results in `tm-serve/` of the current folder at the end.
        runs: a folder whose runs and reports are shown.
    """

    port: int = 7860
    host: str = "127.0.0.1"
    keep: bool = False
    runs: Path | None = None


def serve(request: ServeRequest, ready: Callable[[Address], None]) -> None:
    """Serve the page until the process is interrupted; `ready` receives where it is.

    Raises UsageError without the extra `ui`, for an address that cannot be used, and for runs
    that are no folder.
    """
    if request.runs is not None and not request.runs.is_dir():
        raise UsageError(f"`{request.runs}` is no folder", hint="give the folder of your runs")
    if importlib.util.find_spec("gradio") is None:
        raise UsageError(
            "the page needs Gradio, which is not installed",
            hint=f"run `pip install 'tm-toolkit[{EXTRA}]'`",
        )
    keep = Path(KEPT) if request.keep else None
    verbs = Verbs(models, age_photo, enhance_photo, landscape, prepare_person, learn_person)
    serve_page(verbs, request.runs, request.host, request.port, keep=keep, ready=ready)


def models() -> list[Model]:
    """What can age a face here, the photo model first."""
    folder = weights_folder()
    here = [
        Model(weight.name, "in the weights folder")
        for weight in known_weights(folder).weights
        if weight.kind in AGEING and status_of(weight, folder).here
    ]
    return [
        Model("photo", "photographs, at once"),
        Model("nano", "drawn portraits"),
        *here,
        *(Model(path.stem, "imported") for path in imported_files(folder)),
    ]


def age_photo(
    *,
    photo: Path,
    out: Path,
    ages: tuple[float, ...],
    weights: str,
    face: str | None,
    age: float | None,
    force: bool,
    strip: bool,
    progress: Progress,
) -> dict[str, Any]:
    """`tm infer` of one photo; the rows of `results.jsonl`, and which models were used."""
    request = InferRequest(
        source=photo, out=out, ages=ages, weights=weights, face=face, age=age, force=force,
        strip=strip,
    )  # fmt: skip
    result = infer(request, progress)
    return {"rows": list(result.report.rows), "models": result.models}


def enhance_photo(
    *, photo: Path, out: Path, steps: str, strength: float, progress: Progress
) -> dict[str, Any]:
    """`tm enhance` of one photo; the rows of `manifest.jsonl`, and the models of its steps."""
    request = EnhanceRequest(source=photo, out=out, steps=steps, strength=strength, workers=1)
    result = enhance(request, progress)
    return {"rows": list(result.report.rows), "models": result.models}


def landscape(*, out: Path, va: str, seed: int) -> dict[str, Any]:
    """`tm gan` of one landscape."""
    return render_landscapes(out, va=va, seed=seed)


def prepare_person(
    *, photos: Path, out: Path, born: str | None, progress: Progress
) -> dict[str, Any]:
    """`tm prep align` and `tm prep filter` of one person's photographs."""
    aligned = align(AlignRequest(source=photos, out=out, born=born), progress)
    rows, warnings = aligned.rows, aligned.warnings
    try:
        filtered = filter_pictures(FilterRequest(folder=out), progress)
    except InputError:  # no face in any of them: the rows say why
        return {"rows": _dumped(rows), "warnings": list(warnings)}
    return {"rows": _dumped(filtered.rows), "warnings": list(filtered.warnings)}


def learn_person(
    *, photos: Path, run: Path, model: Path, cache: Path, progress: Progress
) -> dict[str, Any]:
    """`tm train --recipe photo/personal`, `tm eval`, and the model as one file.

    For a process of its own: what is measured is kept in `cache`, and nowhere else.
    """
    os.environ[CACHE] = str(cache)
    folder = to_json(str(photos))
    callback = _Training(progress)
    train("photo/personal", [f"photos={folder}"], out=run, callback=lambda first: callback)
    report = evaluate(EvalRequest(folders=[run], command="tm eval runs/me"), progress)
    export_weights(run, model)
    return {"report": run / REPORT, "figures": {name: report[name] for name in report["methods"]}}


class _Training(SilentCallback):
    """A training's callback that passes progress and remarks on."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress

    def begin(self, task: str, total: int) -> None:
        self._progress.begin(task, total)

    def advance(self, note: str = "") -> None:
        self._progress.advance(note)

    def end(self) -> None:
        self._progress.end()

    def remark(self, text: str) -> None:
        self._progress.remark(text)


def _dumped(rows: Sequence[Row]) -> list[dict[str, Any]]:
    return [row.dump() for row in rows]
