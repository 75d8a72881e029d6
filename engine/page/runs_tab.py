"""The tab that shows runs and their reports."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from engine.core.errors import TmError
from engine.page.markup import notes
from engine.page.runs import Runs

NOWHERE = (
    '<p class="tm-empty">Start the page with <code>tm serve --runs DIR</code>: the trainings and'
    " reports of that folder appear here.</p>"
)
NOTHING = '<p class="tm-empty">There is neither a run nor a report in this folder yet.</p>'


@dataclass(frozen=True, slots=True)
class RunsTab:
    """Curves, samples and reports of a folder that the command line named, never the browser."""

    root: Path | None

    def build(self, blocks: gr.Blocks) -> None:
        """Lay the tab out; blocks: the page, which looks at the folder whenever it is loaded."""
        if self.root is None:
            gr.HTML(NOWHERE)
            return
        with gr.Row(equal_height=False):
            which = gr.Dropdown(self.runs.names(), value=None, label="Run", elem_id="tm-run",
                                scale=4)  # fmt: skip
            again = gr.Button("Look again", scale=1, min_width=100)
        view = gr.HTML(NOTHING, elem_id="tm-run-shown")
        quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
        which.change(self.show_run, which, view, **quiet)
        again.click(self.look, which, [which, view], **quiet)
        blocks.load(self.look, which, [which, view], **quiet)

    @property
    def runs(self) -> Runs:
        """The runs of the folder."""
        assert self.root is not None
        return Runs(self.root)

    def look(self, name: str | None) -> tuple[Any, str]:
        """The runs that are there now, and the one that was chosen, else the newest."""
        names = self.runs.names()
        chosen = name if name in names else next(iter(names), None)
        return gr.Dropdown(choices=names, value=chosen), self.show_run(chosen)

    def show_run(self, name: str | None) -> str:
        """A run by its name in the folder."""
        if not name:
            return NOTHING
        try:
            return self.runs.show(name)
        except TmError as error:
            return notes([str(error)], "refused")
