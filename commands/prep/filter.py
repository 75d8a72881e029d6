"""Good pictures and bad ones."""

from collections import Counter
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from commands._console import detail, emit_json, say, warn
from commands._options import AsJson, DryRun, Settings, Workers
from commands._progress import LiveProgress

HELP = "Judge the pictures of a prepared folder; verdicts go into its manifest, nothing is deleted."
EXAMPLE = "tm prep filter aligned/ --out chosen/ --set quality.allow_gray=true"


def run(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A prepared folder.")],
    out: Annotated[
        Path | None, typer.Option(help="Also copy what is kept into this folder.")
    ] = None,
    workers: Workers = None,
    recipe: Annotated[str, typer.Option(help="Recipe of kind `prep`.")] = "prep/photos",
    settings: Settings = None,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    from engine.prep.advice import advise
    from engine.prep.filter import FilterPlan, copy_kept, filter_folder, pictures_of
    from engine.prep.recipe import load_prep
    from engine.runtime.pool import cores

    loaded = load_prep(recipe, settings or ())
    if dry_run:
        count = len(pictures_of(folder))
        if as_json:
            emit_json({"dry_run": True, "pictures": count})
        say(f"would judge {count} pictures in `{escape(str(folder))}`")
        return
    plan = FilterPlan(folder, loaded.quality, loaded.likeness)
    processes = cores() if workers is None else workers
    rows = filter_folder(plan, workers=processes, progress=LiveProgress())
    copied = copy_kept(folder, out) if out is not None else None
    advice = advise(rows, loaded.advice)
    verdicts = Counter(row.verdict for row in rows)
    reasons = Counter(text.partition(":")[0] for row in rows for text in row.reasons or ())
    if as_json:
        told = {"keep": verdicts["keep"], "drop": verdicts["drop"], "copied": copied}
        emit_json({"folder": str(folder), **told, "reasons": reasons, "warnings": advice})
    say(f"[green]{verdicts['keep']} kept[/], {verdicts['drop']} dropped")
    for reason, count in reasons.most_common():
        say(f"  {count} {escape(reason)}")
    for row in rows:
        if row.reasons:
            detail(f"  {escape(str(row.output))}: {escape('; '.join(row.reasons))}")
    for text in advice:
        warn(text)
