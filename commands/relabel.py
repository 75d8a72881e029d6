"""Ages by a mixture of experts."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from commands._console import detail, emit_json, say, warn
from commands._labels import tell_labels
from commands._options import AsJson, DryRun, OnDevice, Settings, Workers
from commands._progress import LiveProgress

if TYPE_CHECKING:
    from engine.relabel.run import RelabelReport

HELP = "Tell the age in every face by several experts: with a spread, a reliability, every vote."
EXAMPLE = "tm relabel photos/ --out labels.json --report report.csv"


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
        bool, typer.Option("--aligned", help="The pictures are aligned faces already.")
    ] = False,
    workers: Workers = None,
    recipe: Annotated[str, typer.Option(help="Recipe of kind `relabel`.")] = "relabel/moe",
    settings: Settings = None,
    device: OnDevice = "auto",
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    from engine.app.relabel import Request, forecast, planned
    from engine.relabel.recipe import load_relabel
    from engine.relabel.run import relabel
    from engine.runtime.device import choose

    loaded = load_relabel(recipe, settings or ())
    compute = choose(device, loaded.precision)
    request = Request(
        source,
        out,
        report,
        manifest,
        experts,
        labels,
        truth,
        calibration,
        aligned,
        workers,
        captions,
    )
    if dry_run:
        _foresee(forecast(loaded, request), as_json=as_json)
        return
    plan = planned(loaded, request, compute)
    panel = plan.ballot.panel
    for name, error in panel.absent.items():
        advice = "" if error.hint is None else f"; {error.hint}"
        detail(escape(f"without `{name}`: {error}{advice}"))
    done = relabel(plan, LiveProgress())
    for name in panel.missed(done.domains):
        warn(f"without `{name}`: {panel.absent[name]}")
    if as_json:
        emit_json(_summary(done, panel.absent, out))
    tell_labels(done, out)
    if (told := done.captions) is not None:
        say(
            f"[green]{told.captioned} captions[/], {told.added} of them new, "
            f"in `{escape(str(told.folder))}`"
        )


def _foresee(told: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        emit_json({"dry_run": True, **told})
    say(f"would look at {told['pictures']} pictures, {told['faces']}")
    for expert in told["experts"]:
        state = "here" if expert["here"] else f"absent: {expert['why']}"
        say(f"  {expert['name']} ({expert['domain']}): {escape(state)}")
        for more in (expert["hint"], expert["cost"]):
            if more:
                say(f"    {escape(more)}")
    if (writer := told["captions"]) is not None:
        state = "here" if writer["here"] else f"absent: {writer['why']}"
        say(f"  captions by {writer['name']}: {escape(state)}")
    say(f"would write {', '.join(f'`{escape(file)}`' for file in told['files'])}")


def _summary(done: "RelabelReport", absent: Any, out: Path) -> dict[str, Any]:
    flags = sorted({flag for label in done.labels.values() for flag in label["flags"]})
    return {
        "out": str(out),
        "pictures": len(done.labels),
        "labelled": done.labelled,
        "kept": done.kept,
        "flags": {flag: done.count(flag) for flag in flags},
        "absent": {name: str(error) for name, error in absent.items()},
        "figures": done.figures,
        "captions": _captions(done),
    }


def _captions(done: "RelabelReport") -> dict[str, Any] | None:
    if (told := done.captions) is None:
        return None
    return {
        "folder": str(told.folder),
        "captioned": told.captioned,
        "added": told.added,
        "left_out": dict(told.left_out),
    }
