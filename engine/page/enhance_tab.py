"""The tab that restores a photograph."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
from PIL import Image

from engine.core.errors import PictureError, TmError
from engine.faces.rotation import Pixels
from engine.images.reading import opened, read_picture, require_size
from engine.inference.photo_method import long_side
from engine.page.ageing import MOST_MEGAPIXELS, SHOWN_SIDE
from engine.page.markup import before_after, facts, notes, saved
from engine.page.parts import (
    cancel_click,
    cut_slider,
    long_click,
    photo_input,
    run_long,
    session_of,
)
from engine.page.verbs import Verbs

STEPS = [
    ("colourise (ddcolor)", "ddcolor"),
    ("enlarge (esrgan)", "esrgan"),
    ("restore the face (gfpgan)", "gfpgan"),
]
EMPTY = '<p class="tm-empty">Drop an old or a small photograph, choose the steps, and start.</p>'
LARGEST_OUTPUT = 250.0
"""Megapixels of a result that is opened to be shown: 60 enlarged twice."""


@dataclass(frozen=True, slots=True)
class EnhanceTab:
    """Colourises, enlarges and restores what is dropped, under the guard on identity and age."""

    verbs: Verbs

    def build(self) -> None:
        """Lay the tab out."""
        with gr.Row(equal_height=False):
            with gr.Column(scale=2, min_width=280):
                photo = photo_input()
                steps = gr.CheckboxGroup(STEPS, value=["esrgan"], label="Steps, in this order")
                strength = gr.Slider(0, 1, 1, step=0.05, label="Strength")
                with gr.Row():
                    start = gr.Button("Enhance", variant="primary", elem_id="tm-enhance")
                    cancel = gr.Button("Cancel", min_width=80)
            with gr.Column(scale=3, min_width=300):
                view = gr.HTML(EMPTY)
                cut_slider()
                about = gr.HTML(elem_id="tm-enhanced")
        cancel_click(
            cancel, [long_click(start, self.enhance, [photo, steps, strength], [view, about])]
        )

    def enhance(
        self,
        photo: str | None,
        steps: list[str],
        strength: float,
        request: gr.Request,
        progress: gr.Progress = gr.Progress(),
    ) -> tuple[str, str]:
        """The photograph before and after, and what the guard says."""
        if photo is None or not steps:
            return EMPTY, notes(["Drop a photograph and choose a step first"], "hint")
        session = session_of(request)
        try:
            path = session.file(photo)
            out = session.new_results(path)
            before = _shown(path, MOST_MEGAPIXELS)
            chain = ",".join(name for _, name in STEPS if name in steps)
            arguments = {"photo": path, "out": out, "steps": chain, "strength": float(strength)}
            result, remarks = run_long(self.verbs.enhance, arguments, request, progress)
            (row,) = result["rows"]
            if row["status"] != "done":
                return "", notes([f"This photograph {row['reason']}"], "refused") + notes(remarks)
            made = session.file(str(out / row["output"]))
            after = _shown(made, LARGEST_OUTPUT)
        except PictureError as error:
            return "", notes([f"This photograph {error.reason}"], "refused")
        except TmError as error:
            return "", notes([str(error)], "refused")
        said = {"made": "enhanced", "synthetic": True, "source_sha256": row["sha256"]}
        view = before_after(_like(before, after), after, "the photograph enhanced", said)
        return view, _about(row, result["models"]) + saved(made, "Save it, PNG") + notes(remarks)


def _about(row: dict[str, Any], models: tuple[dict[str, Any], ...]) -> str:
    """Steps, models, and the verdict of the guard."""
    guards = row["guarded_by"]
    rows = {model["step"]: f"{model['model']} (licence: {model['licence']})" for model in models}
    rows["guard"] = "no face was found: nothing to guard"
    if guards is not None:
        names = [name for name in guards.values() if name is not None]
        rows["guard"] = f"{row['verdict']}, by {' and '.join(names)}"
    skipped = [f"{step} was skipped: {why}" for step, why in row["skipped_steps"].items()]
    return facts(rows) + notes([*row["reasons"], *skipped])


def _shown(path: Path, megapixels: float) -> Pixels:
    with opened(path) as image:
        require_size(image, megapixels)
    pixels = read_picture(path).pixels
    return long_side(pixels, min(SHOWN_SIDE, max(pixels.shape[:2])))


def _like(before: Pixels, after: Pixels) -> Pixels:
    """A picture at the size of another (h, w, 3)."""
    height, width = after.shape[:2]
    picture = Image.fromarray(before).resize((width, height), Image.Resampling.BICUBIC)
    return np.asarray(picture)
