"""What is in a bank."""

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from commands._console import emit_json, emit_table, say
from commands._options import AsJson

HELP = "Say what a bank holds: faces by age, and the network that built it."
EXAMPLE = "tm bank info bank.safetensors"


def run(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A bank of ours, or a `.pt`.")],
    embedder: Annotated[
        str | None, typer.Option(help="The network that built a published bank.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    from engine.banks.files import read_bank

    bank = read_bank(file, embedder=embedder)
    bins = {name: len(rows) for name, rows in bank.bins().items()}
    people = len(bank.facts.get("people", ()))
    if as_json:
        told = {"embedder": bank.embedder, "digest": bank.digest, "width": bank.width}
        ages = {"youngest": float(bank.ages[0]), "oldest": float(bank.ages[-1])}
        facts = {"bin_size": bank.bin_size, "people": people, "sources": bool(bank.sources)}
        emit_json({"file": str(file), "faces": len(bank), **told, **ages, **facts, "bins": bins})
        return
    emit_table(("ages", "faces"), list(bins.items()))
    digest = f" ({bank.digest})" if bank.digest is not None else ", digest unknown"
    who = f" of {people} people" if people else ""
    say(f"{len(bank)} faces{who}, embedded by `{escape(bank.embedder)}`{digest}")
