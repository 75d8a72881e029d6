"""Who in a bank is most like a face."""

from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.markup import escape

from commands._console import emit_json, emit_table, say
from commands._options import AsJson, DryRun, OnDevice

HELP = "Find the faces of a bank most like that of a photo, and draw them in a strip."
EXAMPLE = "tm bank search bank.safetensors photo.jpg -k 10 --ages 38..42"


def run(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A bank of ours, or a `.pt`.")],
    photo: Annotated[Path, typer.Argument(metavar="PHOTO", help="A photo with a face.")],
    k: Annotated[int, typer.Option("-k", min=1, max=1000, help="How many.")] = 10,
    ages: Annotated[
        str | None, typer.Option(metavar="LOW..HIGH", help="Faces of these ages alone.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="The strip.", show_default="PHOTO-nearest.png here")
    ] = None,
    aligned: Annotated[
        bool, typer.Option("--aligned", help="The photo is an aligned face already.")
    ] = False,
    embedder: Annotated[
        str | None,
        typer.Option(help="Network, or a run or file of it.", show_default="the bank's"),
    ] = None,
    engine: Annotated[
        Literal["torch", "faiss"], typer.Option(help="What searches; the result is the same.")
    ] = "torch",
    device: OnDevice = "auto",
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    from engine.banks.files import read_bank_for
    from engine.banks.strip import aligned_face, draw_strip, impostors_of
    from engine.prep.synth import parse_ages
    from engine.runtime.device import choose

    compute = choose(device)
    span = parse_ages(ages) if ages is not None else None
    bank, identity_net = read_bank_for(file, embedder, compute.device)
    path = out if out is not None else Path(f"{photo.stem}-nearest.png")
    face = aligned_face(photo, aligned=aligned)
    found = impostors_of(
        bank, face, identity_net, k=k, ages=span, device=compute.device, engine=engine
    )
    absent = 0
    if not dry_run:
        absent = draw_strip(path, face, found, folder=file.parent, name=photo.name)
    rows = [{"similarity": one.similarity, "age": one.age, "source": one.source} for one in found]
    if as_json:
        strip = None if dry_run else str(path)
        emit_json({"strip": strip, "dry_run": dry_run, "nearest": rows, "absent": absent})
        return
    emit_table(
        ("similarity", "age", "picture"),
        [(f"{one.similarity:.4f}", f"{one.age:g}", one.source or "-") for one in found],
    )
    if dry_run:
        say(f"would draw them on `{escape(str(path))}`")
        return
    gone = f"; {absent} of {len(found)} pictures are gone" if absent else ""
    say(f"{len(found)} faces on `{escape(str(path))}`{gone}")
