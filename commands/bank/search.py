"""Search a bank for similar faces."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from commands._console import emit_json, emit_table, escape, say, say_compute
from commands._options import AsJson, DryRun, OnDevice

HELP = "Find the faces of a bank most similar to that of a photo; with `--out` also as a strip."
EXAMPLE = "tm bank search bank.safetensors photo.jpg -k 10 --ages 38..42 --out nearest.png"
WRITES = True


def run(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A bank of ours, or a `.pt`.")],
    photo: Annotated[Path, typer.Argument(metavar="PHOTO", help="A photo with a face.")],
    k: Annotated[int, typer.Option("-k", min=1, max=1000, help="How many.")] = 10,
    ages: Annotated[
        str | None, typer.Option(metavar="LOW..HIGH", help="Faces of these ages alone.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Draw them in a strip.", show_default="none")
    ] = None,
    aligned: Annotated[
        bool, typer.Option("--aligned", help="The photo is an aligned face already.")
    ] = False,
    embedder: Annotated[
        str | None,
        typer.Option(help="Network, or a run or file of it.", show_default="the bank's"),
    ] = None,
    engine: Annotated[
        Literal["torch", "faiss"], typer.Option(help="Search backend; both give the same result.")
    ] = "torch",
    device: OnDevice = "auto",
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    from engine.app.bank import search
    from engine.app.compute import describe_compute

    if not dry_run:
        say_compute(describe_compute(device, faces=not aligned))
    report = search(
        file,
        photo,
        k=k,
        ages=ages,
        out=out,
        aligned=aligned,
        embedder=embedder,
        engine=engine,
        device=device,
        dry_run=dry_run,
    )
    nearest = report.nearest
    if as_json:
        rows = [
            {"similarity": one.similarity, "age": one.age, "source": one.source} for one in nearest
        ]
        strip = None if dry_run or report.strip is None else str(report.strip)
        emit_json({"strip": strip, "dry_run": dry_run, "nearest": rows, "absent": report.absent})
        return
    emit_table(
        ("similarity", "age", "picture"),
        [(f"{one.similarity:.4f}", f"{one.age:g}", one.source or "-") for one in nearest],
    )
    if report.strip is None:
        return
    path = escape(str(report.strip))
    if dry_run:
        say(f"would draw them in `{path}`")
        return
    missing = f"; {report.absent} of {len(nearest)} pictures are missing" if report.absent else ""
    say(f"{len(nearest)} faces in `{path}`{missing}")
