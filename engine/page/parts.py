"""Parts that several tabs share."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from threading import Event
from typing import Any

import gradio as gr
from gradio.components import Component
from gradio.events import Dependency

from engine.page.gate import SESSION
from engine.page.sessions import Session
from engine.page.work import Listener, apart


def photo_input() -> gr.Image:
    """Gradio's picture input, of which only the path of the upload is taken.

    Gradio would open the picture by Pillow, with whatever reader its bytes ask for, and copy it
    out of the session's folder. Its methods are replaced on the object, since Gradio writes a file
    beside the module of every subclass.
    """
    photo = gr.Image(
        label="Photograph",
        type="filepath",
        sources=["upload", "webcam", "clipboard"],
        buttons=[],
        height=300,
    )
    photo.preprocess = lambda payload: None if payload is None else payload.path
    photo.async_move_resource_to_block_cache = _as_it_is
    return photo


async def _as_it_is(url_or_file_path: str | Path | None) -> str | None:
    return None if url_or_file_path is None else str(url_or_file_path)


def cut_slider() -> gr.HTML:
    """What parts before from after in every `before_after` of the page."""
    return gr.HTML(
        '<label class="tm-cut"><span>before</span><input type="range" min="0" max="100" value="50"'
        ' aria-label="How much of the photograph before is seen"><span>after</span></label>',
        js_on_load="element.querySelector('input').addEventListener('input', (event) => "
        "document.documentElement.style.setProperty('--tm-cut', event.target.value + '%'));",
    )


def session_of(request: gr.Request) -> Session:
    """The session of the browser that asks; the gate let nobody else in."""
    assert request.request is not None
    return request.request.scope[SESSION]


def run_long(
    work: Callable[..., Any],
    arguments: Mapping[str, Any],
    request: gr.Request,
    progress: gr.Progress,
    *,
    here: AbstractContextManager[Any] | None = None,
) -> tuple[Any, list[str]]:
    """What `work` returns and its remarks, with its progress in the browser; TmError as of `apart`.

    here: do it in this process under a lock, where it takes less time than starting another one.
    """

    def report(task: str, done: int, total: int) -> None:
        progress((done, max(total, 1)), desc=task)

    progress(0, desc="Starting")
    if here is None:
        running, page, cancelled = session_of(request).running, str(request.session_hash), Event()
        running[page] = cancelled
        try:
            return apart(work, arguments, report, cancelled)
        finally:
            del running[page]
    listener = Listener(report)
    with here:
        return work(**arguments, progress=listener), listener.remarks


def long_click(
    button: gr.Button,
    work: Callable[..., Any],
    inputs: Sequence[Component],
    outputs: Component | Sequence[Component],
) -> Dependency:
    """Have a button start work in the one queue of long work."""
    return button.click(
        work,
        inputs,
        outputs,
        concurrency_id="long",
        concurrency_limit=1,
        api_visibility="private",
        show_progress_on=outputs if isinstance(outputs, Component) else outputs[0],
    )


def cancel_click(button: gr.Button, works: list[Dependency]) -> None:
    """Have a button end long work, whether it waits or runs."""
    button.click(stop_long, cancels=[*works], api_visibility="private")


def stop_long(request: gr.Request) -> None:
    """End the long work of the page that asks, or that was closed."""
    cancelled = session_of(request).running.get(str(request.session_hash))
    if cancelled is not None:
        cancelled.set()
