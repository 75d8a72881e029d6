"""The files of an evaluation."""

import json
from importlib.metadata import version
from pathlib import Path

from engine.core.atomic import write_text
from engine.images.saving import save_png
from engine.scoring.evaluate import Evaluation
from engine.scoring.page import page
from engine.scoring.plots import curves
from engine.scoring.strip import best_source, grid, strip

REPORT = "report.json"
MADE = {"made": "evaluation", "synthetic": True}


def save_evaluation(evaluation: Evaluation, out: Path, *, command: str) -> None:
    """Write pictures and plots, then `report.html`, and `report.json` last.

    command: the command line that reproduces them.
    """
    made_by = f"tm {version('tm-toolkit')}"
    # What stands in folders of photographs may be photographs, or made by anybody.
    made = MADE if evaluation.material.reference is None else {"made": MADE["made"]}
    save_png(out / "strip.png", strip(evaluation, best_source(evaluation)), made)
    for method in evaluation.material.methods:
        save_png(out / f"grid_{method.name.replace('/', '_')}.png", grid(evaluation, method), made)
    for name, svg in curves(evaluation).items():
        write_text(out / f"curve_{name}.svg", svg)
    write_text(out / "report.html", page(evaluation, command, made_by))
    text = json.dumps(evaluation.report, indent=1, ensure_ascii=False, allow_nan=False)
    write_text(out / REPORT, text + "\n")
