"""What a person is like at each age."""

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from commands._console import detail, emit_json, say
from commands._options import AsJson, DryRun, OnDevice
from commands._progress import LiveProgress
from engine.core.errors import UsageError

HELP = "Mean codes by age of a person's aligned photos, or mean embeddings of each year."
EXAMPLE = "tm bank anchors photos/ anchors.safetensors --from sam"


def run(
    source: Annotated[Path, typer.Argument(metavar="SRC", help="A person's aligned photos.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="The file, ending .safetensors.")],
    prior: Annotated[
        str | None,
        typer.Option("--from", metavar="RUN|FILE", help="Age anchors: the model of the codes."),
    ] = None,
    embedder: Annotated[
        str | None,
        typer.Option(help="Prototypes: `nano-identity`, `ir-se50`, or a run or file of one."),
    ] = None,
    bin_size: Annotated[int, typer.Option("--bin", min=1, max=50, help="Years in a bin.")] = 5,
    ages: Annotated[
        Path | None, typer.Option(help="CSV with the columns `path` and `age`.")
    ] = None,
    device: OnDevice = "auto",
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    from engine.banks.anchors import anchors_file, prototypes_file
    from engine.banks.faces import faces_in
    from engine.banks.files import require_place
    from engine.data.ages import AgeSource, read_age_csv
    from engine.nets.assemble import time_machine
    from engine.nets.named import load_identity_network
    from engine.runtime.device import choose
    from engine.weights.find import find_weights
    from engine.weights.load import read_checkpoint

    if (prior is None) == (embedder is None):
        raise UsageError(
            "choose one: `--from MODEL` for age anchors, or `--embedder NAME` for prototypes"
        )
    require_place(out)
    faces = faces_in(source, AgeSource(read_age_csv(ages)) if ages is not None else AgeSource())
    kind = "age anchors" if prior is not None else "prototypes"
    if dry_run:
        aged = sum(face.age is not None for face in faces)
        if as_json:
            emit_json({"dry_run": True, "kind": kind, "photos": len(faces), "with_age": aged})
        say(f"would make {kind} of {aged} photos, {len(faces) - aged} have no age")
        return
    where, progress = choose(device).device, LiveProgress()
    if prior is not None:
        model = time_machine(read_checkpoint(find_weights(prior))).to(where)
        told = anchors_file(out, faces, model, progress, device=where, bin_size=bin_size)
    else:
        identity_net = load_identity_network(str(embedder), where)
        told = prototypes_file(out, faces, identity_net, progress, device=where)
    if as_json:
        left = {"left_out": len(told.left_out), "reasons": dict(told.left_out)}
        emit_json({"out": str(out), "kind": kind, "used": told.used, "ages": told.ages, **left})
    say(f"[green]{len(told.ages)} {kind}[/] of {told.used} photos in `{escape(str(out))}`")
    for name, reason in told.left_out:
        say(f"  left out: {escape(name)}: {escape(reason)}")
    detail("  at " + ", ".join(f"{age:.1f}" for age in told.ages))
