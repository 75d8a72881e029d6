"""`tm serve`: a local page over the other commands."""

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.app.enhance import EnhanceRequest, enhance
from engine.app.gan import render_landscapes
from engine.app.infer import InferRequest, infer
from engine.core.errors import UsageError
from engine.core.places import weights_folder
from engine.core.progress import Progress
from engine.page.server import EXTRA, KEPT, Address, serve_page
from engine.page.verbs import Model, Verbs
from engine.weights.folder import imported_files, status_of
from engine.weights.manifest import known_weights

AGEING = ("sam", "mytm", "fork", "agetransformer")
"""Formats of published checkpoints that age faces."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeRequest:
    """A page to serve.

    Args:
        port: where it listens; 0 takes a free one.
        host: the address it listens at; other than loopback, the page asks for a token.
        keep: leave the results in `tm-serve/` of the current folder at the end.
    """

    port: int = 7860
    host: str = "127.0.0.1"
    keep: bool = False


def serve(request: ServeRequest, ready: Callable[[Address], None]) -> None:
    """Serve the page until the process is interrupted; `ready` receives where it is.

    Raises UsageError without the extra `ui`, and for an address that cannot be used.
    """
    if importlib.util.find_spec("gradio") is None:
        raise UsageError(
            "the page needs Gradio, which is not installed",
            hint=f"run `pip install 'tm-toolkit[{EXTRA}]'`",
        )
    keep = Path(KEPT) if request.keep else None
    verbs = Verbs(models, age_photo, enhance_photo, landscape)
    serve_page(verbs, request.host, request.port, keep=keep, ready=ready)


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
