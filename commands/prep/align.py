"""Photos to aligned faces."""

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from commands._console import detail, emit_json, escape, from_here, say, say_compute, warn
from commands._options import (
    AsJson,
    DryRun,
    IncludeSynthetic,
    Landmarks,
    OnDevice,
    Settings,
    Strict,
    Workers,
)
from commands._progress import LiveProgress

if TYPE_CHECKING:
    from engine.app.prep import AlignReport

HELP = "Find the faces in photos and align them as FFHQ does."
EXAMPLE = "tm prep align photos/ aligned/ --size 1024"
FROM_NOTHING = (
    "tm prep synth photos --people 1 --per-person 6 --ages 20..50 --unaligned 1 --size 320 &&"
    " tm prep align photos aligned --size 128"
)
WRITES = SPREADS = True
NOTHING_USABLE = 3
EXAMPLES = 3
AGES_BY = {
    "csv": "by the table",
    "name": "by name",
    "date": "by date",
    "truth": "known",
    "unknown": "unknown",
}


def run(
    source: Annotated[Path, typer.Argument(metavar="SRC", help="A photo, or a folder of them.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder for the aligned faces.")],
    size: Annotated[int, typer.Option(help="Side of the aligned pictures in pixels.")] = 1024,
    face: Annotated[
        str, typer.Option(help="Which face: `largest`, `all`, a number, or `like:PHOTO`.")
    ] = "largest",
    thorough: Annotated[
        bool, typer.Option("--thorough", help="Use the slow CNN detector where no face is found.")
    ] = False,
    landmarks: Landmarks = None,
    ages: Annotated[
        Path | None, typer.Option(help="CSV with the columns `path` and `age`.")
    ] = None,
    born: Annotated[
        str | None, typer.Option(metavar="YYYY[-MM-DD]", help="Ages from the dates of the photos.")
    ] = None,
    include_synthetic: IncludeSynthetic = False,
    workers: Workers = None,
    strict: Strict = False,
    recipe: Annotated[str, typer.Option(help="Recipe of kind `prep`.")] = "prep/photos",
    settings: Settings = None,
    device: OnDevice = "auto",
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    from engine.app.compute import describe_recipe_compute
    from engine.app.prep import AlignRequest, align, forecast_align

    request = AlignRequest(
        source=source,
        out=out,
        size=size,
        face=face,
        thorough=thorough,
        landmarks=landmarks,
        ages=ages,
        born=born,
        workers=workers,
        device=device,
        include_synthetic=include_synthetic,
        recipe=recipe,
        settings=settings or (),
    )
    if dry_run:
        jobs, processes = forecast_align(request), request.processes
        if as_json:
            record = {"photos": len(jobs), "out": str(out), "size": size, "processes": processes}
            emit_json({"dry_run": True, **record})
        place = f"`{escape(str(out))}`, with {processes} processes"
        say(f"would align {len(jobs)} photos to {size} px in {place}")
        for job in jobs:
            detail(escape(f"{job.photo} -> {job.output}.png"))
        return
    request.plan()  # a faulty request is refused before anything is printed
    say_compute(describe_recipe_compute(recipe, settings or (), device, landmarks=landmarks))
    report = align(request, LiveProgress())
    if as_json:
        counts = {**report.run.counts, "kept": report.kept}
        record = {"out": str(out), **counts, "ages_by": report.ages, "warnings": report.warnings}
        emit_json(record)
    _show(report, out, thorough=thorough)
    done = any(row.status == "done" for row in report.rows)
    if not done or (strict and any(row.status != "done" for row in report.rows)):
        raise typer.Exit(NOTHING_USABLE)


def _show(report: "AlignReport", out: Path, *, thorough: bool) -> None:
    """Print the counts, the reasons for what was left out, and the warnings."""
    before = f", {report.kept} kept from an earlier run" if report.kept else ""
    manifest = escape(str(out / "manifest.jsonl"))
    say(f"[green]{report.run.count('done')} aligned[/]{before}; manifest in `{manifest}`")
    if report.ages:
        say("ages: " + ", ".join(f"{n} {AGES_BY[by]}" for by, n in sorted(report.ages.items())))
    rows = [row for row in report.new_rows if row.reason is not None]
    reasons = Counter((row.status, row.reason) for row in rows)
    for (status, reason), count in reasons.most_common():
        alike = [row.source for row in rows if (row.status, row.reason) == (status, reason)]
        names = [from_here(out, source) for source in alike]
        more = f" and {count - EXAMPLES} more" if count > EXAMPLES else ""
        say(f"  {status}: {escape(str(reason))}: {escape(', '.join(names[:EXAMPLES]))}{more}")
        for name in names[EXAMPLES:]:
            detail(f"  {status}: {escape(name)}")
    if not thorough and report.lacks_faces:
        say("[cyan]hint:[/] `--thorough` looks with a slower detector where no face was found")
    for text in report.warnings:
        warn(text)
