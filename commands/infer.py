"""Photos at other ages."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.markup import escape

from commands._console import detail, emit_json, say, warn
from commands._options import AsJson, DryRun, OnDevice, Settings
from commands._progress import LiveProgress

HELP = "Re-age photos: find the face, invert it, move it to the target ages, render it."
EXAMPLE = "tm infer photo.jpg --ages 20,40,60 --out aged/ --weights sam --strip"
NOTHING_USABLE = 3
OUTSIDE = (
    "for photographs bring SAM's weights, `tm weights list` says where from; "
    "`--force` ages them all the same"
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
    strength: Annotated[float, typer.Option(help="0: as is; 1: all the way.")] = 1.0,
    size: Annotated[
        int | None, typer.Option(min=32, max=4096, help="Side in pixels.", show_default="as made")
    ] = None,
    coupled: Annotated[
        bool, typer.Option("--coupled", help="Also input and output in one.")
    ] = False,
    strip: Annotated[bool, typer.Option("--strip", help="Also all ages in a row.")] = False,
    morph: Annotated[
        Literal["gif", "mp4"] | None, typer.Option(help="Also a film across the ages.")
    ] = None,
    aligned: Annotated[
        bool, typer.Option("--aligned", help="The pictures are aligned faces already.")
    ] = False,
    paste: Annotated[
        bool, typer.Option("--paste", help="Also the photo with its new face.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Go on where a check says no.")] = False,
    recipe: Annotated[str, typer.Option(help="Recipe of kind `infer`.")] = "infer/portrait",
    settings: Settings = None,
    device: OnDevice = "auto",
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    from engine.core.digest import settings_digest
    from engine.faces.choose import FaceChoice
    from engine.inference.folder import photos_of, reage_photos
    from engine.inference.plan import InferPlan, parse_ages
    from engine.inference.recipe import load_infer
    from engine.runtime.device import choose

    loaded = load_infer(recipe, settings or ())
    plan = InferPlan(
        source=photo,
        out=out,
        ages=parse_ages(ages) if ages is not None else _own_ages(weights),
        strength=strength,
        size=size,
        coupled=coupled,
        strip=strip,
        film=morph,
        aligned=aligned,
        paste=paste,
        force=force,
        judge=loaded.judge,
        choice=FaceChoice.parse(loaded.face),
        detection=loaded.detection,
        morphing=loaded.morphing,
        truth=Path(loaded.truth) if loaded.truth is not None else None,
    )
    compute = choose(device, loaded.precision)
    if not 0 <= strength <= 1:
        warn(f"the strength {strength:g} is outside 0..1: it goes beyond what was learned")
    photos = photos_of(plan)
    if dry_run:
        if as_json:
            emit_json({"dry_run": True, "photos": len(photos), "ages": plan.ages})
        say(f"would age {len(photos)} photos to {len(plan.ages)} ages on {compute}")
        return
    from engine.inference.anchored import AnchorAger
    from engine.inference.choose import ager_of
    from engine.nets.assemble import stamp_of
    from engine.weights.find import find_weights
    from engine.weights.load import read_checkpoint

    say(f"{compute}; weights `{escape(weights)}`")
    file = find_weights(weights)
    stamp = settings_digest({"weights": stamp_of(file), "recipe": loaded.dump()})
    plan = replace(plan, settings=stamp)
    ager = ager_of(
        read_checkpoint(file),
        compute,
        edit=loaded.edit,
        strength=strength,
        noise=loaded.noise,
        batch=loaded.batch,
        shrunk=lambda batch: warn(f"memory ran out: going on with {batch} pictures at once"),
    )
    if isinstance(ager, AnchorAger):
        for age in ager.beyond(plan.ages):
            warn(f"the age {age:g} lies beyond the anchors: it is drawn as the nearest of them")
    report = reage_photos(plan, ager, LiveProgress())
    if as_json:
        counts = {state: report.count(state) for state in ("done", "skipped", "failed")}
        emit_json({"out": str(out), **counts, "kept": report.kept})
    before = f", {report.kept} photos stood already" if report.kept else ""
    say(f"[green]{report.count('done')} portraits[/] in `{escape(str(out))}`{before}")
    for row in report.rows:
        if row["status"] == "done":
            detail(f"  {escape(str(row['output']))}: identity {row['identity']}")
        else:
            say(f"  {row['status']}: {escape(str(row['source']))} {escape(str(row['reason']))}")
    if (
        ager.known.ood_threshold is not None
        and report.count("skipped")
        and not report.count("done")
    ):
        say(f"\n[cyan]hint:[/] {OUTSIDE}")
    if not report.kept and not report.count("done"):
        raise typer.Exit(NOTHING_USABLE)


def _own_ages(weights: str) -> tuple[float, ...]:
    """The anchors of an AgeTransformer."""
    from engine.inference.anchored import anchors_of
    from engine.weights.find import find_weights
    from engine.weights.load import read_checkpoint

    return anchors_of(read_checkpoint(find_weights(weights))).years
