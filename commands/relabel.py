"""Ages by a mixture of experts."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from commands._console import detail, emit_json, error_record, escape, say, say_compute, warn
from commands._labels import show_labels
from commands._options import AsJson, DryRun, OnDevice, Settings, Workers
from commands._progress import LiveProgress

if TYPE_CHECKING:
    from engine.app.relabel import RelabelReport

HELP = "Estimate the age in every face by a mixture of experts, with spread and reliability."
EXAMPLE = "tm relabel photos/ --out labels.json --report report.csv"
WRITES = SPREADS = True


def run(
    source: Annotated[
        Path, typer.Argument(metavar="SRC", help="Faces, photos, or a manifest of them.")
    ],
    out: Annotated[Path, typer.Option(help="The labels, a JSON file.")],
    report: Annotated[
        Path | None, typer.Option(help="Also a CSV with one line for each age group.")
    ] = None,
    manifest: Annotated[
        Path | None, typer.Option(help="Also a training manifest (JSONL) of what is kept.")
    ] = None,
    enhanced: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Also pair each face with the picture enhanced from it."),
    ] = None,
    captions: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Also a cache of captions and their embeddings, by Janus-Pro."
        ),
    ] = None,
    experts: Annotated[
        str | None, typer.Option(metavar="A,B", help="Only these.", show_default="all of them")
    ] = None,
    labels: Annotated[
        Path | None, typer.Option(help="Existing labels to audit: CSV, manifest, FFHQ-Aging.")
    ] = None,
    truth: Annotated[
        Path | None, typer.Option(help="True ages to calibrate by: CSV or manifest.")
    ] = None,
    calibration: Annotated[
        str | None, typer.Option(help="A file that `--truth` made.", show_default="the recipe's")
    ] = None,
    aligned: Annotated[
        bool, typer.Option("--aligned", help="Every picture is an aligned face.")
    ] = False,
    workers: Workers = None,
    recipe: Annotated[str, typer.Option(help="Recipe of kind `relabel`.")] = "relabel/moe",
    settings: Settings = None,
    device: OnDevice = "auto",
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    from engine.app.compute import describe_recipe_compute
    from engine.app.relabel import RelabelRequest, preview_relabel, relabel

    request = RelabelRequest(
        source=source,
        out=out,
        report=report,
        manifest=manifest,
        enhanced=enhanced,
        captions=captions,
        labels=labels,
        truth=truth,
        experts=None
        if experts is None
        else [one.strip() for one in experts.split(",") if one.strip()],
        calibration=calibration,
        aligned=aligned,
        workers=workers,
        recipe=recipe,
        settings=settings or (),
        device=device,
    )
    if dry_run:
        record, fault = preview_relabel(request)
        _preview(record | error_record(fault), as_json=as_json)
        if fault is not None:
            raise fault
        return
    say_compute(describe_recipe_compute(recipe, settings or (), device, faces=not aligned))
    result = relabel(request, LiveProgress())
    for name, error in result.absent.items():
        advice = "" if error.hint is None else f"; {error.hint}"
        detail(escape(f"without `{name}`: {error}{advice}"))
    for name in result.missed:
        warn(f"without `{name}`: {result.absent[name]}")
    if as_json:
        emit_json(_summary(result, out))
    show_labels(result, out, request.calibration_file)
    if request.enhanced is not None:
        say(f"faces with their enhanced pictures: `{escape(str(request.manifest_file))}`")
    if (captioned := result.captions) is not None:
        say(
            f"[green]{captioned.captioned} captions[/], {captioned.added} of them new, "
            f"in `{escape(str(captioned.folder))}`"
        )


def _preview(preview: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        emit_json({"dry_run": True, **preview})
    say(f"would read {preview['pictures']} pictures: {preview['faces']}")
    for expert in preview["experts"]:
        state = "here" if expert["here"] else f"absent: {expert['why']}"
        say(f"  {expert['name']} ({expert['domain']}): {escape(state)}")
        for more in (expert["hint"], expert["cost"]):
            if more:
                say(f"    {escape(more)}")
    if (captioner := preview["captions"]) is not None:
        state = "here" if captioner["here"] else f"absent: {captioner['why']}"
        say(f"  captions by {captioner['name']}: {escape(state)}")
    say(f"would write {', '.join(f'`{escape(file)}`' for file in preview['files'])}")


def _summary(result: "RelabelReport", out: Path) -> dict[str, Any]:
    flags = sorted({flag for label in result.labels.values() for flag in label.flags})
    captions = result.captions
    return {
        "out": str(out),
        "pictures": len(result.labels),
        "labelled": result.labelled,
        "kept": result.kept,
        "flags": {flag: result.count(flag) for flag in flags},
        "absent": {name: str(error) for name, error in result.absent.items()},
        "metrics": result.metrics,
        "captions": None
        if captions is None
        else {
            "folder": str(captions.folder),
            "captioned": captions.captioned,
            "added": captions.added,
            "left_out": dict(captions.left_out),
        },
    }
