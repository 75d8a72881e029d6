"""The tab that learns how one person ages from their photographs."""

from collections import Counter
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr

from engine.core.errors import PictureError, TmError
from engine.core.regular import open_regular
from engine.images.reading import read_picture
from engine.inference.photo_method import long_side
from engine.page.album import Album
from engine.page.gate import UPLOAD
from engine.page.markup import embedded, facts, notes, picture, saved
from engine.page.parts import cancel_click, long_click, run_long, session_of
from engine.page.verbs import Verbs

THUMBNAIL = 128
EMPTY = (
    '<p class="tm-empty">Drop 10 to 80 photographs of one person, over as many years as you have.'
    " Name them <code>{age}_{n}.jpg</code>, or give the date of birth and let the cameras' dates"
    " say the ages.</p>"
)
DROP = """
<label class="tm-drop"><b>Drop photographs or a folder, or click to choose</b>
<input type="file" multiple accept="image/*" id="tm-photos"><span>${value}</span></label>
"""
NONE_YET = "none yet"
SEND = f"""
const send = async (files) => {{
  const sent = [...files].filter((one) => !one.name.startsWith('.'));
  const say = (text) => {{ element.querySelector('.tm-drop span').textContent = text; }};
  let refused = '', last = 0;
  for (const [number, one] of sent.entries()) {{
    say(`${{number + 1}} of ${{sent.length}}: ${{one.name}}`);
    const form = new FormData();
    form.append('files', one);
    const answer = await fetch('{UPLOAD}?person', {{method: 'POST', body: form}});
    if (!answer.ok) refused = `, ${{one.name}}: ${{await answer.text()}}`;
    else last += 1;
  }}
  props.value = `${{last}} of ${{sent.length}} are here now${{refused}}`;
  trigger('change');
}};
const within = async (entry) => {{
  if (entry.isFile) return [await new Promise((done, fail) => entry.file(done, fail))];
  const reader = entry.createReader(), found = [];
  for (;;) {{
    const some = await new Promise((done, fail) => reader.readEntries(done, fail));
    if (!some.length) return found;
    for (const one of some) found.push(...await within(one));
  }}
}};
element.addEventListener('change', (event) => {{
  if (event.target.files && event.target.files.length) send(event.target.files);
}});
element.addEventListener('dragover', (event) => event.preventDefault());
element.addEventListener('drop', async (event) => {{
  event.preventDefault();
  const entries = [...event.dataTransfer.items].map((one) => one.webkitGetAsEntry());
  const files = [];
  for (const one of entries.filter(Boolean)) files.push(...await within(one));
  send(files);
}});
"""
"""One photograph after the other: each upload has its own limit of bytes."""


@dataclass(frozen=True, slots=True)
class PeopleTab:
    """Photographs of one person to a personal model, step by step."""

    verbs: Verbs

    def build(self) -> None:
        """Lay the tab out."""
        with gr.Row(equal_height=False):
            with gr.Column(scale=2, min_width=280):
                photos = gr.HTML(NONE_YET, html_template=DROP, js_on_load=SEND, elem_id="tm-people")
                born = gr.Textbox(label="Date of birth, if names do not say the ages",
                                  placeholder="1975-03-31, or 1975")  # fmt: skip
                prepare = gr.Button("1. Find and check the faces", elem_id="tm-prepare")
                train = gr.Button("2. Learn this person", variant="primary", elem_id="tm-learn")
                with gr.Row():
                    cancel = gr.Button("Cancel", min_width=80)
                    clear = gr.Button("Forget this person", min_width=80, elem_id="tm-forget")
            with gr.Column(scale=3, min_width=300):
                faces = gr.HTML(EMPTY, elem_id="tm-faces")
        learned = gr.HTML(elem_id="tm-learned")
        photos.change(self.here, outputs=faces, show_progress="hidden", api_visibility="private")
        preparing = long_click(prepare, self.prepare, [born], [faces, learned])
        learning = long_click(train, self.learn, [born], [faces, learned])
        cancel_click(cancel, [preparing, learning])
        clear.click(self.clear, outputs=[photos, faces, learned], api_visibility="private")

    def here(self, request: gr.Request) -> str:
        """What was uploaded so far."""
        names = [one.name for one in Album.of(session_of(request)).uploaded()]
        if not names:
            return EMPTY
        return facts({"photographs": str(len(names)), "next": "find and check the faces"})

    def prepare(
        self, born: str, request: gr.Request, progress: gr.Progress = gr.Progress()
    ) -> tuple[str, str]:
        """The faces that were found, with verdicts."""
        try:
            return self._prepared(born, request, progress), ""
        except TmError as error:
            return notes([str(error)], "refused"), ""

    def _prepared(self, born: str, request: gr.Request, progress: gr.Progress) -> str:
        album = Album.of(session_of(request))
        if not album.uploaded():
            return notes(["Drop photographs of one person first"], "hint")
        arguments = {
            "photos": album.photos,
            "out": album.aligned,
            "born": born.strip() or None,
        }
        result, remarks = run_long(self.verbs.prepare, arguments, request, progress)
        rows: list[dict[str, Any]] = result["rows"]
        cards = "".join(_card(album.aligned, row) for row in rows)
        return (
            facts(_counts(rows))
            + notes([*result["warnings"], *remarks])
            + f'<div class="tm-cards">{cards}</div>'
        )

    def learn(
        self, born: str, request: gr.Request, progress: gr.Progress = gr.Progress()
    ) -> tuple[str, str]:
        """The faces, and the report on what was learned of them."""
        album, faces = Album.of(session_of(request)), ""
        try:
            faces = self._prepared(born, request, progress)
            if not album.uploaded():
                return faces, ""
            album.forget_training()
            arguments = {
                "photos": album.aligned,
                "run": album.run,
                "model": album.model,
                "cache": album.cache,
            }
            result, remarks = run_long(self.verbs.learn, arguments, request, progress)
            with open_regular(result["report"]) as file:
                report = file.read().decode("utf-8")
        except TmError as error:
            return faces, notes([str(error), *([error.hint] if error.hint else [])], "refused")
        said = {
            "learned": "how this person departs from the general model",
            "use it": "in the tab Age, under More, as the model “mine”; on the command line as"
            " --weights person.safetensors",
        }
        links = saved(album.model, "Save the model") + saved(result["report"], "Save the report")
        return faces, facts(said) + notes(remarks) + links + embedded(report, "the report")

    def clear(self, request: gr.Request) -> tuple[str, str, str]:
        """Forget everything about the person."""
        session = session_of(request)
        if session.running:
            return NONE_YET, notes(["cancel what is running first"], "refused"), ""
        Album.of(session).clear()
        return NONE_YET, EMPTY, ""


def _counts(rows: list[dict[str, Any]]) -> dict[str, str]:
    """How many photographs came through each step."""
    found = [row for row in rows if row["status"] == "done"]
    kept = [row for row in found if row.get("verdict") == "keep"]
    dated = sorted(row["age"] for row in kept if row["age"] is not None)
    sources = Counter(row.get("age_by") or "unknown" for row in kept)
    by = ", ".join(f"{count} by {source}" for source, count in sources.items())
    span = f"{dated[0]:g} to {dated[-1]:g} years ({by})" if dated else "unknown"
    return {"faces": f"{len(found)} of {len(rows)}", "kept": str(len(kept)), "ages": span}


def _card(folder: Path, row: dict[str, Any]) -> str:
    """A photograph: its face, its age, the verdict and the reasons."""
    name = Path(str(row["source"] or row["output"])).name
    kept = row["status"] == "done" and row.get("verdict") != "drop"
    age = "age unknown" if row["age"] is None else f"{row['age']:g} years"
    why = ", ".join(row.get("reasons") or ()) or row["reason"] or ("kept" if kept else "left out")
    face = '<span class="tm-noface">no face</span>'
    if row["status"] == "done" and row["output"]:
        try:
            pixels = read_picture(folder / str(row["output"])).pixels
            face = picture(long_side(pixels, THUMBNAIL), name)
        except PictureError as error:
            why = error.reason
    return (
        f'<figure class="tm-{"kept" if kept else "dropped"}">{face}<figcaption>'
        f"<b>{escape(name)}</b><br>{escape(age)}<br>{escape(why)}</figcaption></figure>"
    )
