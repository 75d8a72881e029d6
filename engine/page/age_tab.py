"""The tab that ages a photograph."""

from dataclasses import dataclass
from typing import Any

import gradio as gr

from engine.core.errors import PictureError, TmError, UsageError
from engine.inference.photo_method import EXTRAPOLATES, MODEL, OLDEST, YOUNGEST, flags_of_target
from engine.page.ageing import Choice, RefusedError, Sitting, Studio
from engine.page.album import Album
from engine.page.markup import before_after, estimates, facts, notes, picture, saved, shown
from engine.page.parts import (
    cancel_click,
    cut_slider,
    long_click,
    photo_input,
    run_long,
    session_of,
)
from engine.page.sessions import Session
from engine.page.verbs import Model, Verbs

OWN = Model("mine", "the person of the tab People")
STRIP = (35.0, 50.0, 65.0, 80.0)
FIRST_AGE = 65
SOURCES = {"estimated": "estimated by age-cc0", "given": "as you say"}
FLAGS = {
    "turned_away": "the face is turned to the side: the farther, the worse",
    "small_face": "the face is small: the portraits of the fit have 50 px between the eyes",
}
DROP = '<p class="tm-empty">Drop a photograph, or take one: the person appears here.</p>'
INSIST = "tick “Age it all the same” to do what `--force` does"


@dataclass(frozen=True, slots=True)
class AgeTab:
    """Ages the photograph that is dropped: at once by the photo model, else at a press."""

    studio: Studio
    verbs: Verbs

    def build(self) -> None:
        """Lay the tab out."""
        models = self.verbs.models()
        with gr.Row(equal_height=False):
            with gr.Column(scale=2, min_width=280):
                photo = photo_input()
                target = gr.Slider(
                    YOUNGEST, OLDEST, FIRST_AGE, step=1, label="Age", elem_id="tm-age"
                )
                with gr.Accordion("More", open=False):
                    weights = gr.Dropdown(
                        [(f"{one.name}: {one.about}", one.name) for one in (*models, OWN)],
                        value=models[0].name,
                        label="Model",
                    )
                    age = gr.Number(None, label="Age in the photograph, if you know it")
                    face = gr.Number(
                        1, label="Which face, the largest first", precision=0, minimum=1
                    )
                    force = gr.Checkbox(False, label="Age it all the same")
                strip = gr.Checkbox(False, label="Also a strip of four ages")
                with gr.Row():
                    make = gr.Button("Make full size", variant="primary", elem_id="tm-make")
                    cancel = gr.Button("Cancel", min_width=80)
            with gr.Column(scale=3, min_width=300):
                view = gr.HTML(DROP, elem_id="tm-view")
                cut_slider()
                about = gr.HTML(elem_id="tm-facts-of")
                made = gr.HTML(elem_id="tm-made")
        asked = [photo, face, age, force, weights, target]
        quick: dict[str, Any] = {
            "fn": self.show,
            "inputs": asked,
            "outputs": [view, about],
            "trigger_mode": "always_last",
            "show_progress": "hidden",
            "concurrency_id": "quick",
            "concurrency_limit": 1,
            "api_visibility": "private",
        }
        photo.change(**quick)
        photo.change(lambda: "", outputs=made, show_progress="hidden", api_visibility="private")
        target.input(**quick)
        for one in (face, age, force, weights):
            one.change(**quick)
        cancel_click(cancel, [long_click(make, self.make, [*asked, strip], made)])

    def show(
        self,
        photo: str | None,
        face: float | None,
        age: float | None,
        force: bool,
        weights: str,
        target: float,
        request: gr.Request,
    ) -> tuple[str, str]:
        """What is seen while the slider moves, and what there is to say about it."""
        if photo is None:
            return DROP, ""
        try:
            choice = self._choice(photo, face, age, force, request)
            if weights != MODEL:
                shown_face = picture(self.studio.face(choice), "the face that was found")
                return f'<div class="tm-only">{shown_face}</div>', notes(
                    [f"`{weights}` makes a picture at a press of the button"], "hint"
                )
            sitting = self.studio.sitting(choice)
            return self._live(sitting, target)
        except RefusedError as refused:
            text = notes([f"This photograph {refused.reason}"], "refused")
            seen = facts({}, face=refused.face, caption="the face that was found")
            return f'<div class="tm-only">{seen}</div>', text + notes([INSIST], "hint")
        except PictureError as error:
            return "", notes([f"This photograph {_clause(error.reason)}"], "refused")
        except TmError as error:
            return "", notes([str(error)], "refused")

    def _weights(self, name: str, session: Session) -> str:
        """What `--weights` takes for a name on the page, which is never a path."""
        if name == OWN.name:
            model = Album.of(session).model
            if not model.is_file():
                raise UsageError("learn a person first, in the tab People")
            return str(model)
        if name not in {one.name for one in self.verbs.models()}:
            raise UsageError(f"there is no model `{name}` here")
        return name

    def _choice(
        self,
        photo: str,
        face: float | None,
        age: float | None,
        force: bool,
        request: gr.Request,
    ) -> Choice:
        return Choice(session_of(request).file(photo), max(int(face or 1), 1), age, force)

    def _live(self, sitting: Sitting, target: float) -> tuple[str, str]:
        target = min(max(float(target), YOUNGEST), OLDEST)
        aged = self.studio.at(sitting, target)
        row = self.studio.evaluated(sitting, aged, target)
        source = sitting.sitter.source
        made = {"made": "re-aged", "synthetic": True, "target_age": target, "model": MODEL}
        made |= {"source_sha256": sitting.sha256}
        view = before_after(sitting.before, aged, f"the person at {target:g}", made)
        known_by = SOURCES.get(source.source, source.source)
        rows = {
            "model": f"{MODEL}, in the package",
            "in the photograph": f"{source.years:.0f} ({known_by})",
            "shown at": f"{target:g}",
            **estimates(row),
        }
        remarks = [FLAGS.get(flag, flag) for flag in sitting.sitter.flags]
        remarks += [EXTRAPOLATES] if flags_of_target(target) else []
        seen = facts(rows, face=sitting.face, caption="the face that was found")
        return view, seen + notes(remarks)

    def make(
        self,
        photo: str | None,
        face: float | None,
        age: float | None,
        force: bool,
        weights: str,
        target: float,
        strip: bool,
        request: gr.Request,
        progress: gr.Progress = gr.Progress(),
    ) -> str:
        """Age the photograph at its own size, as `tm infer` does; links to what came of it."""
        if photo is None:
            return notes(["Drop a photograph first"], "hint")
        session = session_of(request)
        try:
            choice = self._choice(photo, face, age, force, request)
            model = self._weights(weights, session)
            out = session.new_results(choice.photo)
            ages = sorted({*STRIP, float(target)}) if strip else [float(target)]
            arguments = {
                "photo": choice.photo,
                "out": out,
                "ages": tuple(ages),
                "weights": model,
                "face": None if choice.face == 1 else str(choice.face),
                "age": choice.age,
                "force": choice.force,
                "strip": strip,
            }
            here = self.studio.lock if weights == MODEL else None
            result, remarks = run_long(self.verbs.age, arguments, request, progress, here=here)
        except TmError as error:
            return notes([str(error)], "refused")
        parts: list[str] = []
        for row in result["rows"]:
            if row["status"] != "done":
                parts.append(notes([f"This photograph {_clause(row['reason'])}"], "refused"))
                continue
            path = session.file(str(out / row["output"]))
            if row["target_age"] == float(target):
                rows = {"model": str(row.get("model", weights)), **estimates(row)}
                parts += [shown(path, f"the person at {target:g}")] if weights != MODEL else []
                parts.append(facts(rows))
            parts.append(saved(path, f"Save {row['target_age']:g} years, PNG"))
        for path in out.glob("*_strip.png"):
            parts += [shown(path, "the person at several ages"), saved(path, "Save the strip, PNG")]
        return "".join(parts) + notes(remarks)


def _clause(reason: str) -> str:
    """A reason after `This photograph`: some name what is missing."""
    return f"cannot be aged: {reason}" if reason.startswith(("no ", "face ")) else reason
