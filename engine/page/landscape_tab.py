"""The tab that renders landscapes of a mood."""

from dataclasses import dataclass
from html import escape

import gradio as gr

from engine.core.errors import TmError
from engine.page.markup import facts, notes, saved, shown
from engine.page.parts import session_of
from engine.page.verbs import Verbs

MIDDLE = "0.50,0.50"
NEAR = """
element.addEventListener('click', (event) => {
  const plane = element.querySelector('.tm-plane');
  const box = plane.getBoundingClientRect();
  const share = (at, length) => Math.min(Math.max(at / length, 0), 1).toFixed(2);
  const valence = share(event.clientX - box.left, box.width);
  const arousal = share(box.bottom - event.clientY, box.height);
  props.value = valence + ',' + arousal;
  trigger('change');
});
"""
"""Where the plane was clicked becomes its value, `valence,arousal`."""
SPOT = "left: calc(${value.split(',')[0]} * 100%); bottom: calc(${value.split(',')[1]} * 100%)"
PLANE = f"""
<div class="tm-plane" role="img" aria-label="Valence from left to right, arousal upwards">
<span>tense</span><span>joyful</span><span>gloomy</span><span>calm</span><i style="{SPOT}"></i>
</div><p>valence to the right, arousal upwards: ${{value}}</p>
"""


@dataclass(frozen=True, slots=True)
class LandscapeTab:
    """Renders the landscape of the mood that is clicked."""

    verbs: Verbs

    def build(self) -> None:
        """Lay the tab out."""
        with gr.Row(equal_height=False):
            with gr.Column(scale=2, min_width=280):
                mood = gr.HTML(MIDDLE, html_template=PLANE, js_on_load=NEAR, elem_id="tm-mood")
                seed = gr.Number(0, label="Seed: another one is another place", precision=0)
            with gr.Column(scale=3, min_width=300):
                view = gr.HTML('<p class="tm-empty">Click a mood.</p>', elem_id="tm-landscape")
        for one in (mood, seed):
            one.change(
                self.render,
                [mood, seed],
                view,
                trigger_mode="always_last",
                show_progress="hidden",
                concurrency_id="quick",
                concurrency_limit=1,
                api_visibility="private",
            )

    def render(self, mood: str, seed: float | None, request: gr.Request) -> str:
        """The landscape of a mood, `valence,arousal` in 0..1."""
        session = session_of(request)
        try:
            path = session.new_landscape()
            number = max(int(seed or 0), 0)
            row = self.verbs.landscape(out=path, va=str(mood), seed=number)["landscapes"][0]
        except TmError as error:
            return notes([str(error)], "refused")
        except OverflowError:
            return notes([f"the seed {escape(str(seed))} is too large"], "refused")
        rows = {"valence": f"{row['valence']:.2f}", "arousal": f"{row['arousal']:.2f}"}
        return (
            f'<div class="tm-landscape">{shown(path, "a landscape of this mood")}</div>'
            + facts(rows)
            + saved(path, "Save it, PNG")
        )
