"""The page: its tabs, in the fonts and colours of the browser's own machine."""

import threading
from pathlib import Path

import gradio as gr

from engine.page.age_tab import AgeTab
from engine.page.ageing import Studio
from engine.page.enhance_tab import EnhanceTab
from engine.page.landscape_tab import LandscapeTab
from engine.page.parts import stop_long
from engine.page.people_tab import PeopleTab
from engine.page.runs_tab import RunsTab
from engine.page.verbs import Verbs

THEME = gr.themes.Default(
    primary_hue=gr.themes.colors.slate,
    font=["system-ui", "sans-serif"],
    font_mono=["ui-monospace", "monospace"],
)
CONSENT = (
    "Nothing leaves this machine. Age people who agreed to it; what is saved says it is synthetic."
)


def page(verbs: Verbs, runs: Path | None) -> gr.Blocks:
    """The whole page; runs: a folder of runs to show."""
    studio = Studio()
    with gr.Blocks(title="tm", analytics_enabled=False) as blocks:
        gr.HTML(f'<header class="tm-head"><h1>tm</h1><p>{CONSENT}</p></header>')
        with gr.Tabs(overflow_behavior="wrap"):
            with gr.Tab("Age"):
                AgeTab(studio, verbs).build()
            with gr.Tab("Enhance"):
                EnhanceTab(verbs).build()
            with gr.Tab("Landscape"):
                LandscapeTab(verbs).build()
            with gr.Tab("People"):
                PeopleTab(verbs).build()
            with gr.Tab("Runs"):
                RunsTab(runs).build(blocks)
        blocks.unload(stop_long)
    threading.Thread(target=studio.warm_up).start()
    return blocks
