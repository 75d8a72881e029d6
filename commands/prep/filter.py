"""Good pictures and bad ones."""

from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from commands._console import (
    detail,
    emit_json,
    escape,
    from_here,
    say,
    say_biometric,
    say_compute,
    warn,
)
from commands._options import AsJson, DryRun, IncludeSynthetic, Settings, Workers
from commands._progress import LiveProgress

HELP = "Mark pictures `keep` or `drop` in the manifest of a folder; nothing is deleted."
EXAMPLE = "tm prep filter aligned/ --out chosen/ --set quality.allow_gray=true"
WRITES = SPREADS = True
EXAMPLES = 3


def run(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A prepared folder.")],
    out: Annotated[
        Path | None, typer.Option(help="Also copy what is kept into this folder.")
    ] = None,
    include_synthetic: IncludeSynthetic = False,
    workers: Workers = None,
    recipe: Annotated[str, typer.Option(help="Recipe of kind `prep`.")] = "prep/photos",
    settings: Settings = None,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    from engine.app.compute import describe_recipe_compute
    from engine.app.prep import FilterRequest, filter_pictures, forecast_filter

    request = FilterRequest(
        folder=folder,
        out=out,
        workers=workers,
        include_synthetic=include_synthetic,
        recipe=recipe,
        settings=settings or (),
    )
    if dry_run:
        count = forecast_filter(request)
        if as_json:
            emit_json({"dry_run": True, "pictures": count})
        say(f"would filter {count} pictures in `{escape(str(folder))}`")
        return
    forecast_filter(request)  # a faulty request is refused before anything is printed
    say_compute(describe_recipe_compute(recipe, settings or (), "cpu"))
    result = filter_pictures(request, LiveProgress())
    verdicts = Counter(row.verdict for row in result.rows)
    reasons = Counter(text.partition(":")[0] for row in result.rows for text in row.reasons or ())
    if as_json:
        counts = {"keep": verdicts["keep"], "drop": verdicts["drop"], "copied": result.copied}
        counts["left_out"] = sum(row.status != "done" for row in result.rows)
        emit_json(
            {"folder": str(folder), **counts, "reasons": reasons, "warnings": result.warnings}
        )
    say(f"[green]{verdicts['keep']} kept[/], {verdicts['drop']} dropped")
    for reason, count in reasons.most_common():
        say(f"  {count} {escape(reason)}")
    failed = Counter(str(row.reason) for row in result.rows if row.status != "done")
    for reason, count in failed.most_common():
        alike = [row.output or row.source for row in result.rows if row.reason == reason]
        names = [from_here(folder, name) for name in alike]
        more = f" and {count - EXAMPLES} more" if count > EXAMPLES else ""
        say(f"  left out: {escape(reason)}: {escape(', '.join(names[:EXAMPLES]))}{more}")
    for row in result.rows:
        if row.reasons:
            detail(f"  {escape(str(row.output))}: {escape('; '.join(row.reasons))}")
    if any(row.descriptor is not None for row in result.rows):
        say_biometric(folder)
    for text in result.warnings:
        warn(text)
