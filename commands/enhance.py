"""Old photos to training quality."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from commands._console import detail, emit_json, escape, from_here, say, say_compute, warn
from commands._options import AsJson, DryRun, OnDevice, Settings, Strict, Workers
from commands._progress import LiveProgress

if TYPE_CHECKING:
    from engine.app.enhance import Audit, EnhanceResult

HELP = "Colourise, enlarge and restore old photos, while identity and age are guarded."
EXAMPLE = "tm enhance old/ better/ --steps ddcolor,esrgan,gfpgan"
WRITES = SPREADS = True
NOTHING_USABLE = 3
OLD_PHOTO = "enhance/old_photo"
SHOWN = 20


def run(
    source: Annotated[
        Path | None, typer.Argument(metavar="SRC", help="A photo, or a folder of them.")
    ] = None,
    out: Annotated[
        Path | None, typer.Argument(metavar="OUT", help="Folder for the results.")
    ] = None,
    steps: Annotated[
        str | None,
        typer.Option(
            help="With commas: `ddcolor`, `esrgan`, `gfpgan`.", show_default="the recipe's"
        ),
    ] = None,
    strength: Annotated[
        float | None,
        typer.Option(
            min=0, max=1, help="Of every step; the guard may reduce it.", show_default="1"
        ),
    ] = None,
    outscale: Annotated[
        int | None,
        typer.Option(
            min=1, max=8, help="How many times larger `esrgan` makes it.", show_default="2"
        ),
    ] = None,
    guard: Annotated[
        bool, typer.Option("--guard/--no-guard", help="Reduce steps that change identity or age.")
    ] = True,
    audit: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Check an earlier OUT instead.")
    ] = None,
    workers: Workers = None,
    strict: Strict = False,
    recipe: Annotated[str, typer.Option(help="Recipe of kind `enhance`.")] = OLD_PHOTO,
    settings: Settings = None,
    device: OnDevice = "auto",
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    from engine.app.compute import describe_recipe_compute
    from engine.app.enhance import EnhanceRequest, audit_results, enhance, forecast_enhance
    from engine.core.errors import UsageError

    progress, overrides = LiveProgress(), settings or ()
    if audit is not None:
        result = audit_results(
            audit,
            steps=steps,
            strength=strength,
            outscale=outscale,
            guard=guard,
            device=device,
            recipe=None if recipe == OLD_PHOTO else recipe,
            settings=overrides,
            progress=progress,
        )
        _show_audit(result, audit, as_json)
        return
    if source is None or out is None:
        raise UsageError("SRC and OUT are required", hint=f"`{EXAMPLE}`")
    request = EnhanceRequest(
        source=source,
        out=out,
        steps=steps,
        strength=strength,
        outscale=outscale,
        guard=guard,
        workers=workers,
        device=device,
        recipe=recipe,
        settings=overrides,
    )
    if dry_run:
        forecast = forecast_enhance(request, progress)
        count, models = forecast.pictures, forecast.models
        if as_json:
            emit_json({"dry_run": True, "pictures": count, "out": str(out), "models": models})
        _show_models(models)
        say(f"would enhance {count} pictures into `{escape(str(out))}` on {forecast.compute}")
        return
    say_compute(describe_recipe_compute(recipe, overrides, device))
    result = enhance(request, progress)
    _show(result, out, as_json)
    report = result.report
    failed = report.count("failed") + report.count("skipped")
    if (not report.kept and not report.count("done")) or (strict and failed):
        raise typer.Exit(NOTHING_USABLE)


def _show_models(models: Sequence[dict[str, Any]]) -> None:
    for model in models:
        drawn = f"; drawn portraits get `{model['drawn']}`" if model["drawn"] is not None else ""
        say(
            f"{model['step']}: `{escape(model['model'])}`, licence: {escape(model['licence'])}"
            f"{drawn}"
        )


def _show(result: "EnhanceResult", out: Path, as_json: bool) -> None:
    report, models = result.report, result.models
    done = [row for row in report.rows if row["status"] == "done"]
    dropped = sum(row["verdict"] == "drop" for row in done)
    if as_json:
        counts = {**report.counts, "kept": report.kept, "drop": dropped}
        emit_json({"out": str(out), **counts, "models": models})
    _show_models(models)
    before = f", {report.kept} kept from an earlier run" if report.kept else ""
    say(f"[green]{len(done)} enhanced[/] into `{escape(str(out))}`{before}")
    skipped = Counter((s, why) for row in done for s, why in row["skipped_steps"].items())
    for (step, why), count in skipped.most_common(SHOWN):
        say(f"  {step} skipped in {count}: {escape(why)}")
    if dropped:
        say(f"  {dropped} marked `drop` in the manifest: identity or age changed too much")
    for row in report.rows:
        if row["status"] == "done":
            detail(f"  {escape(str(row['output']))}")
        else:
            source = escape(from_here(out, row["source"]))
            say(f"  {row['status']}: {source} {escape(str(row['reason']))}")


def _show_audit(audit: "Audit", folder: Path, as_json: bool) -> None:
    if as_json:
        emit_json({"folder": str(folder), **asdict(audit)})
    for finding in audit.findings:
        say(f"  {finding.kind}: {escape(finding.file)} {finding.what}")
    if audit.repeated is not None:
        say(f"reproduced: `{escape(audit.repeated)}`")
    else:
        warn(f"nothing was reproduced: {audit.why_not_repeated}")
    say(f"{audit.pictures} pictures audited, {len(audit.findings)} findings")
    if audit.findings:
        raise typer.Exit(NOTHING_USABLE)
