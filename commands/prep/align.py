"""Photos to aligned faces."""

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from commands._console import detail, emit_json, say, warn
from commands._options import AsJson, DryRun, OnDevice, Settings, Strict, Workers
from commands._progress import LiveProgress
from commands.prep._report import leave, tell_rows

HELP = "Find the faces in photos and align them the FFHQ way."
EXAMPLE = "tm prep align photos/ aligned/ --size 1024"


def run(
    source: Annotated[Path, typer.Argument(metavar="SRC", help="A photo, or a folder of them.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder for the aligned faces.")],
    size: Annotated[int, typer.Option(help="Side of the aligned pictures in pixels.")] = 1024,
    face: Annotated[
        str, typer.Option(help="Which face: `largest`, `all`, a number, or `like:PHOTO`.")
    ] = "largest",
    thorough: Annotated[
        bool, typer.Option("--thorough", help="Where nothing is found, try the slow CNN detector.")
    ] = False,
    landmarks: Annotated[
        Path | None, typer.Option(help="Another 68-point model file for dlib.")
    ] = None,
    ages: Annotated[
        Path | None, typer.Option(help="CSV with the columns `path` and `age`.")
    ] = None,
    born: Annotated[
        str | None, typer.Option(metavar="YYYY[-MM-DD]", help="Ages from the dates of the photos.")
    ] = None,
    workers: Workers = None,
    strict: Strict = False,
    recipe: Annotated[str, typer.Option(help="Recipe of kind `prep`.")] = "prep/photos",
    settings: Settings = None,
    device: OnDevice = "auto",
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    from engine.data.ages import AgeSource, parse_born, read_age_csv
    from engine.faces.choose import FaceChoice
    from engine.prep.advice import advise
    from engine.prep.align import AlignPlan, align_photos, plan_jobs
    from engine.prep.recipe import load_prep
    from engine.runtime.device import require_cpu
    from engine.runtime.pool import cores

    require_cpu(device, "face detection")
    loaded = load_prep(recipe, settings or ())
    plan = AlignPlan(
        source=source,
        out=out,
        size=size,
        choice=FaceChoice.parse(face),
        thorough=thorough,
        landmarks_file=landmarks,
        ages=AgeSource(
            listed=read_age_csv(ages) if ages is not None else {},
            born=parse_born(born) if born is not None else None,
        ),
        reading=loaded.reading,
        detection=loaded.detection,
    )
    processes = cores() if workers is None else workers
    if dry_run:
        jobs = plan_jobs(plan)
        told = {"photos": len(jobs), "out": str(out), "size": size, "processes": processes}
        if as_json:
            emit_json({"dry_run": True, **told})
        place = f"`{escape(str(out))}`, with {processes} processes"
        say(f"would align {len(jobs)} photos to {size} px in {place}")
        for job in jobs:
            detail(escape(f"{job.photo} -> {job.output}.png"))
        return
    report = align_photos(plan, workers=processes, progress=LiveProgress())
    advice = advise(report.rows, loaded.advice)
    fresh = [row for row in report.rows if row.source in report.fresh]
    if as_json:
        counts = {state: report.count(state) for state in ("done", "skipped", "failed")}
        emit_json({"out": str(out), **counts, "kept": report.kept, "warnings": advice})
    tell_rows(fresh, kept=report.kept, out=out)
    for text in advice:
        warn(text)
    leave(report.rows, strict=strict)
