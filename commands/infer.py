"""Photos at other ages."""

from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.markup import escape

from commands._console import detail, emit_json, say
from commands._options import AsJson, DryRun, OnDevice, Settings
from commands._progress import LiveProgress

HELP = "Re-age photos: find the face, invert it, move it to the target ages, render it."
EXAMPLE = "tm infer photo.jpg --ages 20,40,60 --out aged/ --weights sam --strip"
NOTHING_USABLE = 3
OUT_OF_DOMAIN = (
    "for photographs install SAM's weights (`tm weights list` says where to get them), or skip "
    "this check with `--force`"
)


def run(
    photo: Annotated[Path, typer.Argument(metavar="PHOTO|DIR", help="A photo, or a folder.")],
    out: Annotated[Path, typer.Option(help="Folder for the portraits.")],
    ages: Annotated[
        str | None,
        typer.Option(help="Target ages in years, with commas.", show_default="all anchors"),
    ] = None,
    weights: Annotated[
        str, typer.Option(help="A checkpoint file, or a name from `tm weights list`.")
    ] = "nano",
    strength: Annotated[float, typer.Option(help="0: no ageing; 1: the target age.")] = 1.0,
    size: Annotated[
        int | None, typer.Option(min=32, max=4096, help="Side in pixels.", show_default="as made")
    ] = None,
    coupled: Annotated[
        bool, typer.Option("--coupled", help="Also write input and output side by side.")
    ] = False,
    strip: Annotated[bool, typer.Option("--strip", help="Also write all ages in a row.")] = False,
    morph: Annotated[
        Literal["gif", "mp4"] | None, typer.Option(help="Also write a film across the ages.")
    ] = None,
    aligned: Annotated[
        bool, typer.Option("--aligned", help="The pictures are aligned faces already.")
    ] = False,
    paste: Annotated[
        bool, typer.Option("--paste", help="Also write the photo with its new face.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Skip the checks of alignment and domain.")
    ] = False,
    recipe: Annotated[str, typer.Option(help="Recipe of kind `infer`.")] = "infer/portrait",
    settings: Settings = None,
    device: OnDevice = "auto",
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    from engine.app.infer import InferRequest, forecast_infer, infer, parse_ages

    request = InferRequest(
        source=photo,
        out=out,
        ages=None if ages is None else parse_ages(ages),
        weights=weights,
        strength=strength,
        size=size,
        coupled=coupled,
        strip=strip,
        film=morph,
        aligned=aligned,
        paste=paste,
        force=force,
        device=device,
        recipe=recipe,
        settings=settings or (),
    )
    progress = LiveProgress()
    if dry_run:
        forecast = forecast_infer(request, progress)
        if as_json:
            emit_json({"dry_run": True, "photos": forecast.photos, "ages": forecast.ages})
        count = f"{forecast.photos} photos to {len(forecast.ages)} ages"
        say(f"would age {count} on {forecast.compute}")
        return
    result = infer(request, progress)
    report, done = result.report, result.report.count("done")
    if as_json:
        emit_json({"out": str(out), **report.counts, "kept": report.kept})
    say(f"{result.compute}; weights `{escape(weights)}`")
    before = f", {report.kept} photos kept from an earlier run" if report.kept else ""
    say(f"[green]{done} portraits[/] in `{escape(str(out))}`{before}")
    for row in report.rows:
        if row["status"] == "done":
            detail(f"  {escape(str(row['output']))}: identity {row['identity']}")
        else:
            say(f"  {row['status']}: {escape(str(row['source']))} {escape(str(row['reason']))}")
    if result.all_out_of_domain:
        say(f"\n[cyan]hint:[/] {OUT_OF_DOMAIN}")
    if not report.kept and not done:
        raise typer.Exit(NOTHING_USABLE)
