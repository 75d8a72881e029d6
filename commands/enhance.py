"""Old photos to training quality."""

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from commands._console import detail, emit_json, say, warn
from commands._options import AsJson, DryRun, OnDevice, Settings, Strict, Workers
from commands._progress import LiveProgress

if TYPE_CHECKING:
    from engine.enhance.folder import EnhanceReport
    from engine.enhance.recipe import EnhanceRecipe

HELP = "Colourise, enlarge and restore old photos, without changing who they show or how old."
EXAMPLE = "tm enhance old/ better/ --steps ddcolor,esrgan,gfpgan"
NOT_AS_IT_SHOULD_BE = 3
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
        typer.Option(min=0, max=1, help="Of every step; the guard may lower it.", show_default="1"),
    ] = None,
    guard: Annotated[
        bool, typer.Option("--guard/--no-guard", help="Hold steps back that change the face.")
    ] = True,
    audit: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Check an earlier OUT instead.")
    ] = None,
    workers: Workers = None,
    strict: Strict = False,
    recipe: Annotated[str, typer.Option(help="Recipe of kind `enhance`.")] = "enhance/old_photo",
    settings: Settings = None,
    device: OnDevice = "auto",
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    from engine.config.write import recipe_toml
    from engine.core.errors import UsageError
    from engine.enhance.folder import enhance_folder
    from engine.enhance.plan import pictures_of
    from engine.enhance.recipe import load_enhance
    from engine.runtime.device import choose
    from engine.runtime.pool import cores

    overrides = [*(settings or ()), *([] if guard else ["guard.on=false"])]
    if audit is not None:
        _audit(audit, recipe, overrides, steps, strength, device, as_json)
        return
    if source is None or out is None:
        raise UsageError("which photos, and where to?", hint=f"`{EXAMPLE}`")
    loaded = load_enhance(recipe, overrides, steps=steps, strength=strength)
    compute = choose(device)
    plan = loaded.plan(source, out, compute)
    processes = cores() if workers is None else workers
    models = _models(loaded)
    for model in models:
        say(f"{model['step']}: `{escape(model['model'])}`, licence: {escape(model['licence'])}")
    absent = ", ".join(f"`{model['for']}`" for model in models if model["stand_in"])
    if absent:
        warn(
            f"not here: the weights {absent}; small networks that know drawn portraits stand in "
            "(`tm weights list` says where to get the real ones)"
        )
    if dry_run:
        count = len(pictures_of(plan))
        if as_json:
            emit_json({"dry_run": True, "pictures": count, "out": str(out), "models": models})
        say(f"would enhance {count} pictures into `{escape(str(out))}` on {compute}")
        return
    report = enhance_folder(plan, recipe_toml(loaded), LiveProgress(), workers=processes)
    _tell(report, out, models, as_json)
    failed = report.count("failed") + report.count("skipped")
    if (not report.kept and not report.count("done")) or (strict and failed):
        raise typer.Exit(NOT_AS_IT_SHOULD_BE)


def _models(loaded: "EnhanceRecipe") -> list[dict[str, Any]]:
    """The weights of each step and their terms, before anything is loaded."""
    from engine.enhance.models import licence_of

    told: list[dict[str, Any]] = []
    for choice in loaded.steps:
        name, path = choice.file()
        told.append(
            {
                "step": choice.kind,
                "model": name,
                "licence": licence_of(path, name),
                "stand_in": choice.weights is None and name == choice.shipped,
                "for": choice.published[0],
            }
        )
    return told


def _tell(report: "EnhanceReport", out: Path, models: list[dict[str, Any]], as_json: bool) -> None:
    done = [row for row in report.rows if row["status"] == "done"]
    dropped = sum(row["verdict"] == "drop" for row in done)
    if as_json:
        counts = {state: report.count(state) for state in ("done", "skipped", "failed")}
        told = {"out": str(out), **counts, "kept": report.kept, "drop": dropped, "models": models}
        emit_json(told)
    before = f", {report.kept} stood already" if report.kept else ""
    say(f"[green]{len(done)} enhanced[/] into `{escape(str(out))}`{before}")
    skipped = Counter((s, why) for row in done for s, why in row["skipped_steps"].items())
    for (step, why), count in skipped.most_common(SHOWN):
        say(f"  {step} left out of {count}: {escape(why)}")
    ageless = sum("guarded_by" in row and row["guarded_by"]["age"] is None for row in done)
    if ageless:
        warn(
            f"nobody watched the age in {ageless}: for photographs that takes the weights `mivolo`"
        )
    if dropped:
        say(f"  {dropped} marked `drop` in the manifest: not the person or the age any more")
    for row in report.rows:
        if row["status"] == "done":
            detail(f"  {escape(str(row['output']))}")
        else:
            say(f"  {row['status']}: {escape(str(row['source']))} {escape(str(row['reason']))}")


def _audit(
    folder: Path,
    recipe: str,
    overrides: list[str],
    steps: str | None,
    strength: float | None,
    device: Any,
    as_json: bool,
) -> None:
    from dataclasses import asdict

    from engine.core.errors import InputError
    from engine.enhance.audit import audit_folder
    from engine.enhance.folder import RECIPE
    from engine.enhance.recipe import load_enhance
    from engine.runtime.device import choose

    own = folder / RECIPE
    if not own.is_file():
        raise InputError(f"`{folder}` holds no results of `tm enhance`: no {RECIPE}")
    asked = recipe if recipe != "enhance/old_photo" else str(own)
    loaded = load_enhance(asked, overrides, steps=steps, strength=strength)
    found = audit_folder(loaded.plan(folder, folder, choose(device)), LiveProgress())
    if as_json:
        emit_json({"folder": str(folder), **asdict(found)})
    for finding in found.findings:
        say(f"  {finding.kind}: {escape(finding.file)} {finding.what}")
    if found.repeated is not None:
        say(f"made again: `{escape(found.repeated)}`")
    else:
        warn(f"nothing was made again: {found.why_not_repeated}")
    say(f"{found.pictures} pictures audited, {len(found.findings)} findings")
    if found.findings:
        raise typer.Exit(NOT_AS_IT_SHOULD_BE)
