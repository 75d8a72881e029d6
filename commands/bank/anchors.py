"""Write a person's mean codes or embeddings by age."""

from pathlib import Path
from typing import Annotated

import typer

from commands._console import detail, emit_json, escape, say, say_compute
from commands._options import AsJson, DryRun, OnDevice
from commands._progress import LiveProgress

HELP = "Mean codes by age of a person's aligned photos, or mean embeddings of each year."
EXAMPLE = "tm bank anchors photos/ anchors.safetensors --from sam"
WRITES = True


def run(
    source: Annotated[Path, typer.Argument(metavar="SRC", help="A person's aligned photos.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="The file, ending .safetensors.")],
    prior: Annotated[
        str | None,
        typer.Option("--from", metavar="RUN|FILE", help="Age anchors: the inverting model."),
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
    from engine.app.bank import anchors, count_anchors
    from engine.app.compute import describe_compute

    if dry_run:
        counts = count_anchors(
            source, out, model=prior, embedder=embedder, ages=ages, device=device
        )
        aged = counts.pictures - counts.without_age
        if as_json:
            photos = {"photos": counts.pictures, "with_age": aged}
            emit_json({"dry_run": True, "kind": counts.kind, **photos})
        say(f"would make {counts.kind} of {aged} photos, {counts.without_age} have no age")
        return
    say_compute(describe_compute(device))
    report = anchors(
        source,
        out,
        LiveProgress(),
        model=prior,
        embedder=embedder,
        bin_size=bin_size,
        ages=ages,
        device=device,
    )
    if as_json:
        left = {"left_out": len(report.left_out), "reasons": dict(report.left_out)}
        made = {"kind": report.kind, "used": report.used, "ages": report.ages}
        emit_json({"out": str(out), **made, **left})
    rows = f"{len(report.ages)} {report.kind}"
    say(f"[green]{rows}[/] of {report.used} photos in `{escape(str(out))}`")
    for name, reason in report.left_out:
        say(f"  left out: {escape(name)}: {escape(reason)}")
    detail("  at " + ", ".join(f"{age:.1f}" for age in report.ages))
