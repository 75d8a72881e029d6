"""`tm weights export`."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from commands._console import emit_json, escape, say, warn
from commands._options import AsJson, DryRun

HELP = "Write what a run delivers into one file, with a card that says how it was made."
EXAMPLE = "tm weights export runs/identity identity.safetensors"
WRITES = True
MEBIBYTE = 1 << 20


def run(
    folder: Annotated[Path, typer.Argument(metavar="RUN", help="The folder of a run.")],
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where to, ending as its format.")],
    half: Annotated[
        bool, typer.Option("--half", help="Matrices and kernels as float16: half the size.")
    ] = False,
    form: Annotated[
        Literal["safetensors", "onnx"],
        typer.Option("--format", help="`onnx`: a graph for programs without torch."),
    ] = "safetensors",
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    from engine.app.weights import export_weights

    export = export_weights(folder, file, half=half, form=form, dry_run=dry_run)
    if export.card is None:
        say(f"would write `{escape(str(export.source))}` to `{escape(str(file))}`")
        return
    if as_json:
        emit_json({"file": str(file), **export.card, "biometric": export.biometric})
    say(f"[green]written[/]: `{escape(str(file))}`, {export.card['bytes'] / MEBIBYTE:.1f} MiB")
    if (graph := export.graph) is not None:
        inputs = ", ".join(f"{name} {list(shape)}" for name, shape in graph.inputs.items())
        say(f"{inputs} to {list(graph.output)}, off torch by {graph.difference:.2g} at most")
    say(f"its card says {', '.join(export.card)}; no folders and no photographs")
    for words in export.biometric:
        warn(f"it holds biometric data: {words}")
    for name, value in export.card["metrics"].items():
        said = "not measured" if value is None else f"{value:.4g}"
        say(f"  {escape(name)}: {said}")
