"""Photos at other ages."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from commands._console import detail, emit_json, escape, from_here, say, say_compute, warn
from commands._options import AsJson, DryRun, Landmarks, OnDevice, Settings, Strict, Workers
from commands._progress import LiveProgress

HELP = "Re-age photos and clips: photographs and drawn portraits, with nothing downloaded."
EXAMPLE = "tm infer photo.jpg --ages 35,50,65,80 --out aged/"
WRITES = SPREADS = True
NOTHING_USABLE = 3
SAME_PERSON, SHOWN = 0.6, 3
"""Distance of dlib's descriptors up to which two photos are of one person, who differ by that much
in their own photos; portraits beyond it that are named."""
OUT_OF_DOMAIN = (
    "leave out `--weights`: photographs then have a model of their own; or skip this check with "
    "`--force`"
)


def run(
    photo: Annotated[
        Path, typer.Argument(metavar="PHOTO|DIR|CLIP", help="A photo, a folder, or a clip.")
    ],
    out: Annotated[Path, typer.Option(help="Folder for the portraits.")],
    ages: Annotated[
        str | None,
        typer.Option(
            help="Target ages: `20,35,50`, `20..80`, `20..80..5`.",
            show_default="an AgeTransformer: all its own",
        ),
    ] = None,
    age: Annotated[
        float | None,
        typer.Option(help="The person's age in the photo.", show_default="looked up or estimated"),
    ] = None,
    weights: Annotated[
        str | None,
        typer.Option(
            help="A checkpoint file, or a name: `photo`, `nano`, or one of `tm weights list`.",
            show_default="photographs: sam if it is here, else photo; drawn portraits: nano",
        ),
    ] = None,
    face: Annotated[
        str | None,
        typer.Option(help="Which face: largest, a number, or like:PHOTO.", show_default="largest"),
    ] = None,
    landmarks: Landmarks = None,
    crf: Annotated[
        int, typer.Option(min=0, max=51, help="Of a clip: quality of its encoder, less is better.")
    ] = 18,
    watermark: Annotated[
        bool, typer.Option("--watermark", help="Of a clip: write on it that it is synthetic.")
    ] = False,
    preview: Annotated[
        int | None,
        typer.Option(min=1, max=24, help="Of a clip: only a strip of this many of its frames."),
    ] = None,
    strength: Annotated[float, typer.Option(help="0: no ageing; 1: the target age.")] = 1.0,
    size: Annotated[
        int | None,
        typer.Option(min=32, max=4096, help="Long side in pixels.", show_default="as made"),
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
    most: Annotated[
        int | None, typer.Option("--max", min=1, help="Age this many photos of a folder at most.")
    ] = None,
    strict: Strict = False,
    force: Annotated[
        bool, typer.Option("--force", help="Skip the checks of alignment, kind and age.")
    ] = False,
    workers: Workers = None,
    recipe: Annotated[str, typer.Option(help="Recipe of kind `infer`.")] = "infer/portrait",
    settings: Settings = None,
    device: OnDevice = "auto",
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    from engine.app.compute import describe_recipe_compute
    from engine.app.infer import InferRequest, forecast_infer, infer, parse_ages

    request = InferRequest(
        source=photo,
        out=out,
        ages=None if ages is None else parse_ages(ages),
        age=age,
        weights=weights,
        face=face,
        landmarks=landmarks,
        crf=crf,
        watermark=watermark,
        preview=preview,
        strength=strength,
        size=size,
        coupled=coupled,
        strip=strip,
        film=morph,
        aligned=aligned,
        paste=paste,
        force=force,
        most=most,
        device=device,
        workers=workers,
        recipe=recipe,
        settings=settings or (),
    )
    progress = LiveProgress()
    if dry_run:
        forecast = forecast_infer(request, progress)
        if as_json:
            emit_json(
                {
                    "dry_run": True,
                    "photos": forecast.photos,
                    "ages": forecast.ages,
                    "models": forecast.models,
                }
            )
        for line in forecast.models:
            say(escape(line))
        count = f"{forecast.photos} {forecast.what} to {len(forecast.ages)} ages"
        say(f"would age {count} on {forecast.compute}")
        return
    say_compute(
        describe_recipe_compute(
            recipe, settings or (), device, faces=not aligned, landmarks=landmarks
        )
    )
    result = infer(request, progress)
    report, done = result.report, result.report.count("done")
    if as_json:
        counts = {**report.counts, "kept": report.kept}
        emit_json({"out": str(out), **counts, "models": result.models})
    for line in result.models:
        say(escape(line))
    clip = any("frames" in row for row in report.rows)
    before = f", {report.kept} kept from an earlier run" if report.kept else ""
    say(f"[green]{done} {'clips' if clip else 'portraits'}[/] in `{escape(str(out))}`{before}")
    for row in report.rows:
        if row["status"] == "done":
            detail(f"  {escape(str(row['output']))}: {escape(_described(row))}")
        else:
            source = escape(from_here(out, row["source"]))
            say(f"  {row['status']}: {source} {escape(str(row['reason']))}")
    _show_identity(report.rows)
    if result.all_out_of_domain:
        say(f"\n[cyan]hint:[/] {OUT_OF_DOMAIN}")
    failed = report.count("failed") + report.count("skipped")
    if (not report.kept and not done) or (strict and failed):
        raise typer.Exit(NOTHING_USABLE)


def _show_identity(rows: Sequence[Mapping[str, Any]]) -> None:
    """The range of identities, and a warning of portraits that dlib takes for somebody else."""
    measured = [row for row in rows if row.get("identity") is not None]
    if not measured:
        return
    values = [float(row["identity"]) for row in measured]
    say(f"identity {min(values):.2f} to {max(values):.2f} by {measured[0]['identity_by']}")
    others = [
        row
        for row in measured
        if (d0 := row.get("identity_d0")) is not None and (1 - row["identity"]) * d0 > SAME_PERSON
    ]
    for row in others[:SHOWN]:
        warn(f"`{row['output']}` is another person by dlib (distance over {SAME_PERSON})")
    if len(others) > SHOWN:
        warn(f"{len(others) - SHOWN} more are another person by dlib")


def _described(row: dict[str, Any]) -> str:
    """What a row says of its portrait."""
    source = ""
    if "source_age" in row:
        source = f"from {row['source_age']:g} ({row['age_source']}), "
    looks = "" if row["predicted_age"] is None else f"looks {row['predicted_age']:.0f}, "
    frames = ""
    if "frames" in row:
        frames = f", {row['frames_unchanged']} of {row['frames']} frames without the face"
    return f"{source}{looks}identity {row['identity']}{frames}"
