"""Describe a bank."""

from pathlib import Path
from typing import Annotated

import typer

from commands._console import emit_json, emit_table, escape, say
from commands._options import AsJson

HELP = "Describe a bank: faces by age, and the network that built it."
EXAMPLE = "tm bank info bank.safetensors"


def run(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A bank of ours, or a `.pt`.")],
    embedder: Annotated[
        str | None, typer.Option(help="The network that built a published bank.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    from engine.app.bank import info

    bank = info(file, embedder=embedder)
    if as_json:
        emit_json(bank)
        return
    emit_table(("ages", "faces"), list(bank["bins"].items()))
    digest = f" ({bank['digest']})" if bank["digest"] is not None else ", digest unknown"
    people = f" of {bank['people']} people" if bank["people"] else ""
    say(f"{bank['faces']} faces{people}, embedded by `{escape(bank['embedder'])}`{digest}")
